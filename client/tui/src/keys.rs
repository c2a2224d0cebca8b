//! Which key does what, and where: one table ([`BINDINGS`]), from which the help screen is made.
//!
//! A key that is not in the table goes to the text being written, if there is one.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::edit::Stroke;

/// Where the keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Everywhere but in a form.
    Anywhere,
    /// The list of conversations.
    List,
    /// The messages: one of them is chosen.
    Messages,
    /// The message being written.
    Compose,
    /// What is searched for.
    Search,
    /// The page of a conversation.
    Page,
    /// The pinned messages.
    Pins,
    /// A form or question.
    Form,
}

impl Place {
    pub(crate) const ALL: [Self; 8] = [
        Self::Anywhere,
        Self::List,
        Self::Messages,
        Self::Compose,
        Self::Search,
        Self::Page,
        Self::Pins,
        Self::Form,
    ];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Anywhere => "Everywhere",
            Self::List => "In the list of conversations",
            Self::Messages => "With a message chosen",
            Self::Compose => "While writing",
            Self::Search => "While searching",
            Self::Page => "On the page of a conversation",
            Self::Pins => "With the pinned messages",
            Self::Form => "In a form",
        }
    }
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Help,
    Quit,
    New,
    Find,
    NextPane,
    PreviousPane,
    PageUp,
    PageDown,
    NextChat,
    PreviousChat,
    Hurry,
    Back,
    Up,
    Down,
    First,
    Last,
    Open,
    Page,
    Name,
    Topic,
    Add,
    Role,
    Remove,
    Rules,
    Pins,
    Mute,
    Block,
    Pin,
    LogOut,
    Leave,
    Reply,
    EditThis,
    Delete,
    React,
    Info,
    Again,
    GiveUp,
    Send,
    NewLine,
    EditLast,
    Choose,
    Complete,
    Older,
    Newer,
    Next,
    Previous,
    Left,
    Right,
    Submit,
    Stroke(Stroke),
}

/// A key with what is held down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) KeyCode, pub(crate) KeyModifiers);

const fn on(code: KeyCode) -> Key {
    Key(code, KeyModifiers::NONE)
}
const fn char(c: char) -> Key {
    on(KeyCode::Char(c))
}
const fn ctrl(c: char) -> Key {
    Key(KeyCode::Char(c), KeyModifiers::CONTROL)
}
const fn with_ctrl(code: KeyCode) -> Key {
    Key(code, KeyModifiers::CONTROL)
}
const fn with_alt(code: KeyCode) -> Key {
    Key(code, KeyModifiers::ALT)
}
const fn with_shift(code: KeyCode) -> Key {
    Key(code, KeyModifiers::SHIFT)
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) place: Place,
    pub(crate) keys: &'static [Key],
    pub(crate) action: Action,
    /// What it does, for the help screen; what everyone knows is left out there.
    pub(crate) says: &'static str,
}

macro_rules! bindings {
    ($($place:ident { $([$($key:expr),+] $action:expr => $says:literal;)* })*) => {
        /// Every key that does something.
        pub(crate) const BINDINGS: &[Binding] = &[$($(Binding {
            place: Place::$place, keys: &[$($key),+], action: $action, says: $says,
        },)*)*];
    };
}

use Action as A;
use KeyCode as K;
use Stroke as S;

bindings! {
    Anywhere {
        [on(K::F(1))] A::Help => "this help";
        [on(K::Tab)] A::NextPane => "next part: writing, messages, list";
        [on(K::BackTab), with_shift(K::BackTab)] A::PreviousPane => "part before";
        [on(K::PageUp)] A::PageUp => "scroll back, as far as there is history";
        [on(K::PageDown)] A::PageDown => "scroll on";
        [with_alt(K::Up)] A::PreviousChat => "conversation above";
        [with_alt(K::Down)] A::NextChat => "conversation below";
        [ctrl('n')] A::New => "new: a chat, a group, a channel; or join one";
        [ctrl('g')] A::Page => "the conversation's page: members, name, pins, leaving";
        [ctrl('f')] A::Find => "search in the text loaded";
        [ctrl('r')] A::Hurry => "reconnect now";
        [ctrl('q'), ctrl('c')] A::Quit => "quit";
        [on(K::Esc)] A::Back => "back; cancels a reply or an edit";
    }
    List {
        [on(K::Up), char('k')] A::Up => "up";
        [on(K::Down), char('j')] A::Down => "down";
        [on(K::Home), char('g')] A::First => "first";
        [on(K::End), char('G')] A::Last => "last";
        [on(K::Enter), on(K::Right), char('l')] A::Open => "open it and write";
        [char('n')] A::New => "new chat";
        [char('a')] A::Add => "add members to the group";
        [char('m')] A::Page => "its page, as Ctrl+G";
        [char('/')] A::Find => "search in the text loaded";
        [char('?')] A::Help => "this help";
        [char('X')] A::Leave => "leave the group";
        [char('L')] A::LogOut => "log out";
        [char('q')] A::Quit => "quit";
    }
    Messages {
        [on(K::Up), char('k')] A::Up => "message before";
        [on(K::Down), char('j')] A::Down => "message after";
        [on(K::Home), char('g')] A::First => "oldest loaded";
        [on(K::End), char('G'), with_ctrl(K::End)] A::Last => "newest; what is passed over counts as read";
        [char('r'), on(K::Enter)] A::Reply => "reply";
        [char('e')] A::EditThis => "edit, if it is yours";
        [char('d'), on(K::Delete)] A::Delete => "delete";
        [char('+')] A::React => "react, or take it back";
        [char('p')] A::Pin => "pin it, or take the pin off";
        [char('i')] A::Info => "details: who has it, who read it";
        [char('y')] A::Again => "try again, if it failed";
        [char('x')] A::GiveUp => "give up, if it is not sent";
        [char('a')] A::Add => "add members to the group";
        [char('m')] A::Page => "the conversation's page, as Ctrl+G";
        [char('n')] A::New => "new chat";
        [char('/')] A::Find => "search in the text loaded";
        [char('?')] A::Help => "this help";
    }
    Compose {
        [on(K::Enter)] A::Send => "send";
        [with_alt(K::Enter), ctrl('j')] A::NewLine => "new line";
        [on(K::Up)] A::EditLast => "with nothing written: edit your last message";
        [on(K::Tab)] A::Complete => "after @: complete the name";
        [with_shift(K::Up), with_ctrl(K::Up)] A::Choose => "choose a message";
        [on(K::Down)] A::Down => "";
        [on(K::Left)] A::Stroke(S::Left) => "";
        [on(K::Right)] A::Stroke(S::Right) => "";
        [with_ctrl(K::Left), with_alt(K::Left)] A::Stroke(S::WordLeft) => "";
        [with_ctrl(K::Right), with_alt(K::Right)] A::Stroke(S::WordRight) => "";
        [on(K::Home), ctrl('a')] A::Stroke(S::Home) => "";
        [on(K::End), ctrl('e')] A::Stroke(S::End) => "";
        [with_ctrl(K::End)] A::Last => "newest message; End too, at the text's end";
        [on(K::Backspace), ctrl('h')] A::Stroke(S::Backspace) => "";
        [on(K::Delete), ctrl('d')] A::Stroke(S::Delete) => "";
        [ctrl('w'), with_alt(K::Backspace)] A::Stroke(S::CutWord) => "cut a word; Ctrl+U the line";
        [ctrl('u')] A::Stroke(S::CutToHome) => "";
        [ctrl('k')] A::Stroke(S::CutToEnd) => "";
    }
    Search {
        [on(K::Enter), on(K::Up)] A::Older => "older match";
        [on(K::Down)] A::Newer => "newer match";
        [on(K::Left)] A::Stroke(S::Left) => "";
        [on(K::Right)] A::Stroke(S::Right) => "";
        [on(K::Home), ctrl('a')] A::Stroke(S::Home) => "";
        [on(K::End), ctrl('e')] A::Stroke(S::End) => "";
        [on(K::Backspace), ctrl('h')] A::Stroke(S::Backspace) => "";
        [on(K::Delete), ctrl('d')] A::Stroke(S::Delete) => "";
        [ctrl('w')] A::Stroke(S::CutWord) => "";
        [ctrl('u')] A::Stroke(S::CutToHome) => "";
    }
    Page {
        [on(K::Up), char('k')] A::Up => "member before";
        [on(K::Down), char('j')] A::Down => "member after";
        [on(K::Home), char('g')] A::First => "";
        [on(K::End), char('G')] A::Last => "";
        [on(K::PageUp)] A::PageUp => "";
        [on(K::PageDown)] A::PageDown => "";
        [on(K::Enter)] A::Open => "write to the chosen member alone";
        [char('n')] A::Name => "give it another name";
        [char('t')] A::Topic => "give it another topic";
        [char('a')] A::Add => "add members";
        [char('r')] A::Role => "give the chosen member another role";
        [char('x'), on(K::Delete)] A::Remove => "remove the chosen member";
        [char('s')] A::Rules => "settings: who may write, add members, join";
        [char('p')] A::Pins => "pinned messages";
        [char('u')] A::Mute => "mute it, or no more";
        [char('b')] A::Block => "block the other, or the chosen member; or no more";
        [char('X')] A::Leave => "leave it";
        [on(K::Esc), char('q'), ctrl('g')] A::Back => "close";
        [on(K::F(1)), char('?')] A::Help => "";
        [ctrl('q'), ctrl('c')] A::Quit => "";
    }
    Pins {
        [on(K::Up), char('k')] A::Up => "pin before";
        [on(K::Down), char('j')] A::Down => "pin after";
        [on(K::Enter)] A::Open => "go to the message";
        [char('x'), char('p'), on(K::Delete)] A::Pin => "take the pin off";
        [on(K::Esc), char('q')] A::Back => "close";
        [on(K::F(1)), char('?')] A::Help => "";
        [ctrl('q'), ctrl('c')] A::Quit => "";
    }
    Form {
        [on(K::Enter)] A::Submit => "next field, or do it";
        [on(K::Tab), on(K::Down)] A::Next => "next field";
        [on(K::BackTab), with_shift(K::BackTab), on(K::Up)] A::Previous => "field before";
        [on(K::Left)] A::Left => "the choice before, where there is one";
        [on(K::Right)] A::Right => "the next choice";
        [on(K::Esc)] A::Back => "close; what went out already is not taken back";
        [on(K::PageUp)] A::PageUp => "";
        [on(K::PageDown)] A::PageDown => "";
        [on(K::F(1))] A::Help => "";
        [ctrl('q'), ctrl('c')] A::Quit => "";
        [on(K::Home), ctrl('a')] A::Stroke(S::Home) => "";
        [on(K::End), ctrl('e')] A::Stroke(S::End) => "";
        [on(K::Backspace), ctrl('h')] A::Stroke(S::Backspace) => "";
        [on(K::Delete), ctrl('d')] A::Stroke(S::Delete) => "";
        [ctrl('w')] A::Stroke(S::CutWord) => "";
        [ctrl('u')] A::Stroke(S::CutToHome) => "";
    }
}

/// What a key does in a place.
pub(crate) fn action(place: Place, key: &KeyEvent) -> Option<Action> {
    // A character's shift is in the character.
    let held = match key.code {
        K::Char(_) => key.modifiers - KeyModifiers::SHIFT,
        _ => key.modifiers,
    };
    let code = match key.code {
        K::Char(c) if held.contains(KeyModifiers::CONTROL) => K::Char(c.to_ascii_lowercase()),
        code => code,
    };
    let pressed = Key(code, held);
    let find = |place| {
        BINDINGS
            .iter()
            .find(|b| b.place == place && b.keys.contains(&pressed))
            .map(|b| b.action)
    };
    let anywhere = || {
        (!matches!(place, Place::Form | Place::Page | Place::Pins))
            .then(|| find(Place::Anywhere))
            .flatten()
    };
    find(place).or_else(anywhere)
}

/// The character that a key writes, if it writes one.
pub(crate) fn written(key: &KeyEvent) -> Option<char> {
    match key.code {
        K::Char(c)
            if !key
                .modifiers
                .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) =>
        {
            Some(c)
        }
        _ => None,
    }
}

/// What a key is called.
pub(crate) fn name(key: Key) -> String {
    let code = match key.0 {
        K::Char(c) if key.1.contains(KeyModifiers::CONTROL) => c.to_ascii_uppercase().to_string(),
        K::Char(c) => c.to_string(),
        K::F(n) => format!("F{n}"),
        K::Up => "↑".to_owned(),
        K::Down => "↓".to_owned(),
        K::Left => "←".to_owned(),
        K::Right => "→".to_owned(),
        K::PageUp => "PgUp".to_owned(),
        K::PageDown => "PgDn".to_owned(),
        K::BackTab => "Shift+Tab".to_owned(),
        code => format!("{code:?}"),
    };
    let held = match key.1 {
        KeyModifiers::CONTROL => "Ctrl+",
        KeyModifiers::ALT => "Alt+",
        KeyModifiers::SHIFT if key.0 != K::BackTab => "Shift+",
        _ => "",
    };
    format!("{held}{code}")
}

/// The lines of the help screen: keys, and what they do. An empty key begins a new part.
pub(crate) fn help() -> Vec<(String, &'static str)> {
    let mut lines = Vec::new();
    for place in Place::ALL {
        lines.push((String::new(), place.title()));
        let told = |b: &&Binding| b.place == place && !b.says.is_empty();
        for binding in BINDINGS.iter().filter(told) {
            let mut names: Vec<String> = binding.keys.iter().map(|k| name(*k)).collect();
            names.dedup();
            lines.push((names.join(" "), binding.says));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_does_two_things_in_one_place() {
        for (at, b) in BINDINGS.iter().enumerate() {
            for key in b.keys {
                let twice = BINDINGS[..at]
                    .iter()
                    .any(|o| o.place == b.place && o.keys.contains(key));
                assert!(!twice, "{} in {:?}", name(*key), b.place);
            }
        }
    }

    #[test]
    fn what_a_place_says_goes_before_what_holds_everywhere() {
        let tab = KeyEvent::new(K::Tab, KeyModifiers::NONE);
        assert_eq!(action(Place::Compose, &tab), Some(Action::Complete));
        assert_eq!(action(Place::List, &tab), Some(Action::NextPane));
        assert_eq!(action(Place::Form, &tab), Some(Action::Next));
        let shouted = KeyEvent::new(K::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(action(Place::List, &shouted), Some(Action::Last));
        assert_eq!(action(Place::Compose, &shouted), None);
        assert_eq!(written(&shouted), Some('G'));
    }

    #[test]
    fn the_help_names_what_a_new_user_needs() {
        let help = help();
        let says = |key: &str, what: &str| help.iter().any(|(k, s)| k == key && *s == what);
        assert!(says("F1", "this help"));
        assert!(says("Ctrl+Q Ctrl+C", "quit"));
        assert!(says("Enter", "send"));
    }
}
