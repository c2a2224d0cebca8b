//! A terminal's screen as a picture: [`svg`].
//!
//! Takes what `tmux capture-pane -e` gives: text with SGR sequences. Every run of cells that look
//! alike is one text of exactly their width, so that rows stay rows in any font.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

const CELL_W: f32 = 8.4;
const CELL_H: f32 = 18.0;
const MARGIN: f32 = 14.0;
const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d6d9e0";
const COLOURS: [&str; 16] = [
    "#2a2d34", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#abb2bf",
    "#5c6370", "#ef7f88", "#a9d48a", "#f0cf8e", "#75bdf5", "#d48ee8", "#6cc7d3", "#ffffff",
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    colour: Option<u8>,
    bold: bool,
    dim: bool,
    reversed: bool,
}

impl Look {
    /// As an SGR sequence says.
    fn sgr(&mut self, codes: &str) {
        let mut codes = codes.split([';', ':']).map(|c| c.parse().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                7 => self.reversed = true,
                22 => (self.bold, self.dim) = (false, false),
                27 => self.reversed = false,
                30..=37 => self.colour = u8::try_from(code - 30).ok(),
                90..=97 => self.colour = u8::try_from(code - 82).ok(),
                39 => self.colour = None,
                38 if codes.next() == Some(5) => {
                    self.colour = codes.next().and_then(|c| u8::try_from(c).ok());
                }
                _ => {}
            }
        }
    }

    fn ink(self) -> &'static str {
        self.colour
            .and_then(|c| COLOURS.get(usize::from(c)))
            .copied()
            .unwrap_or(FOREGROUND)
    }
}

/// The cells of one row, those that look alike together.
fn runs(row: &str) -> Vec<(Look, String)> {
    let mut runs: Vec<(Look, String)> = Vec::new();
    let mut look = Look::default();
    let mut put = |look: Look, text: &str| match runs.last_mut() {
        Some((same, run)) if *same == look => run.push_str(text),
        _ if text.is_empty() => {}
        _ => runs.push((look, text.to_owned())),
    };
    let mut parts = row.split("\u{1b}[");
    put(look, parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        let (codes, rest) = part.split_at(end.unwrap_or(part.len()));
        if rest.starts_with('m') {
            look.sgr(codes);
        }
        put(look, rest.get(1..).unwrap_or_default());
    }
    runs
}

/// A screen of so many columns as a picture. `about` says what is to be seen, for those who
/// cannot.
#[must_use]
pub fn svg(screen: &str, columns: u16, about: &str) -> String {
    let rows: Vec<&str> = screen.trim_end_matches('\n').split('\n').collect();
    let width = f32::from(columns) * CELL_W + 2.0 * MARGIN;
    let height = rows.len() as f32 * CELL_H + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" \
         font-size=\"14\" xml:space=\"preserve\">\n",
        escaped(about),
    );
    for (row, text) in rows.iter().enumerate() {
        let top = MARGIN + row as f32 * CELL_H;
        let mut column = 0;
        for (look, run) in runs(text) {
            draw(&mut out, look, &run, column, top);
            column += run.width();
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn draw(out: &mut String, look: Look, run: &str, column: usize, top: f32) {
    let x = MARGIN + column as f32 * CELL_W;
    let width = run.width() as f32 * CELL_W;
    let ink = if look.reversed {
        BACKGROUND
    } else {
        look.ink()
    };
    if look.reversed {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{CELL_H}\" fill=\"{}\"/>",
            look.ink()
        );
    }
    let begun = run.trim_start_matches(' ');
    let text = begun.trim_end_matches(' ');
    if text.is_empty() {
        return;
    }
    let x = x + (run.len() - begun.len()) as f32 * CELL_W;
    let width = text.width() as f32 * CELL_W;
    let weight = if look.bold {
        " font-weight=\"bold\""
    } else {
        ""
    };
    let faint = if look.dim { " opacity=\"0.6\"" } else { "" };
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" \
         lengthAdjust=\"spacingAndGlyphs\" fill=\"{ink}\"{weight}{faint}>{}</text>",
        top + CELL_H * 0.75,
        escaped(text),
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_look_alike_are_one_text() {
        let picture = svg(
            "\u{1b}[1mbold\u{1b}[0m <plain> \u{1b}[38;5;6m日本\n",
            20,
            "a & b",
        );
        assert!(picture.contains("font-weight=\"bold\">bold</text>"));
        assert!(picture.contains(">&lt;plain&gt;</text>"));
        assert!(picture.contains("textLength=\"33.6\""), "{picture}");
        assert!(picture.contains(COLOURS[6]));
        assert!(picture.contains("<title>a &amp; b</title>"));
    }

    #[test]
    fn what_is_reversed_has_its_colour_behind_it() {
        let picture = svg("\u{1b}[7m x \u{1b}[27my", 3, "");
        assert!(picture.contains("width=\"25.2\""), "{picture}");
        assert!(picture.contains(&format!("fill=\"{BACKGROUND}\">x</text>")));
        assert!(picture.contains(&format!("fill=\"{FOREGROUND}\">y</text>")));
    }
}
