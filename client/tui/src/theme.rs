//! Colours and weights. Without colour (`NO_COLOR`) everything is told by weight alone.

use parlour_sdk::protocol::UserId;
use ratatui::style::{Color, Modifier, Style};

/// How things look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    pub(crate) colour: bool,
}

const NAMES: [Color; 6] = [
    Color::Cyan,
    Color::Green,
    Color::Yellow,
    Color::Magenta,
    Color::Blue,
    Color::LightRed,
];

impl Theme {
    fn coloured(self, colour: Color, otherwise: Modifier) -> Style {
        if self.colour {
            Style::new().fg(colour)
        } else {
            Style::new().add_modifier(otherwise)
        }
    }

    pub(crate) fn plain(self) -> Style {
        Style::new()
    }

    pub(crate) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(crate) fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What catches the eye: counts, what was read.
    pub(crate) fn accent(self) -> Style {
        self.coloured(Color::Cyan, Modifier::BOLD)
    }

    /// What is well: someone is here.
    pub(crate) fn good(self) -> Style {
        self.coloured(Color::Green, Modifier::BOLD)
    }

    pub(crate) fn error(self) -> Style {
        self.coloured(Color::Red, Modifier::BOLD)
    }

    /// The bar at the top.
    pub(crate) fn bar(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The bar when something is the matter.
    pub(crate) fn banner(self) -> Style {
        let style = self.bar().add_modifier(Modifier::BOLD);
        if self.colour {
            style.fg(Color::Yellow)
        } else {
            style
        }
    }

    pub(crate) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(crate) fn found(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Someone's name, in the same colour everywhere.
    pub(crate) fn name(self, user: UserId) -> Style {
        let index = user.low32() as usize % NAMES.len();
        let colour = NAMES.get(index).copied().unwrap_or(Color::Cyan);
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.colour { style.fg(colour) } else { style }
    }
}
