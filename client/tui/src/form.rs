//! [`Form`]: fields to fill in, one after the other, with a choice before them where there is one.
//!
//! Promises: a masked field is never drawn in clear, and its text does not show in `Debug`.

use std::fmt;

use crate::edit::{Edit, Stroke};
use crate::keys::Action;

/// One field.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) label: &'static str,
    pub(crate) edit: Edit,
    pub(crate) masked: bool,
    /// Said while it is empty.
    pub(crate) hint: &'static str,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.masked { "…" } else { self.edit.text() };
        write!(f, "{}: {text:?}", self.label)
    }
}

impl Field {
    pub(crate) fn new(label: &'static str, text: &str, hint: &'static str) -> Self {
        Self {
            label,
            edit: Edit::new(text),
            masked: false,
            hint,
        }
    }

    pub(crate) fn masked(label: &'static str, hint: &'static str) -> Self {
        Self {
            masked: true,
            ..Self::new(label, "", hint)
        }
    }
}

/// Fields to fill in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    pub(crate) title: &'static str,
    /// What can be chosen, above the fields.
    pub(crate) choices: &'static [&'static str],
    pub(crate) chosen: usize,
    pub(crate) fields: Vec<Field>,
    /// Which has the cursor: the choice is the first, if there is one.
    pub(crate) at: usize,
    /// It was handed in, and no answer has come yet.
    pub(crate) busy: bool,
    /// What went wrong.
    pub(crate) error: Option<String>,
    /// What may be meant, under the fields.
    pub(crate) ideas: Vec<String>,
}

/// What a key came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Nothing beyond the form.
    Nothing,
    /// A field has other text.
    Written,
    /// Another choice.
    Chosen,
    /// It is handed in.
    Submitted,
    /// It is closed.
    Closed,
}

impl Form {
    fn offset(&self) -> usize {
        usize::from(!self.choices.is_empty())
    }

    fn stops(&self) -> usize {
        self.fields.len() + self.offset()
    }

    /// The field with the cursor.
    pub(crate) fn field(&self) -> Option<&Field> {
        self.fields.get(self.at.checked_sub(self.offset())?)
    }

    fn field_mut(&mut self) -> Option<&mut Field> {
        let at = self.at.checked_sub(self.offset())?;
        self.fields.get_mut(at)
    }

    /// The text of a field.
    pub(crate) fn text(&self, label: &str) -> &str {
        let field = self.fields.iter().find(|f| f.label == label);
        field.map_or("", |f| f.edit.text())
    }

    /// Puts the cursor into the first field that is empty.
    pub(crate) fn go_to_first_empty(&mut self) {
        let empty = self.fields.iter().position(|f| f.edit.is_empty());
        self.at = empty.unwrap_or(0) + self.offset();
    }

    pub(crate) fn action(&mut self, action: Action) -> Done {
        let on_choice = self.at < self.offset();
        match action {
            Action::Back => return Done::Closed,
            Action::Next => self.at = (self.at + 1) % self.stops().max(1),
            Action::Previous => {
                self.at = (self.at + self.stops().max(1) - 1) % self.stops().max(1);
            }
            Action::Submit if self.at + 1 < self.stops() => self.at += 1,
            Action::Submit if !self.busy => return Done::Submitted,
            Action::Left if on_choice => {
                self.chosen = (self.chosen + self.choices.len() - 1) % self.choices.len();
                return Done::Chosen;
            }
            Action::Right if on_choice => {
                self.chosen = (self.chosen + 1) % self.choices.len();
                return Done::Chosen;
            }
            Action::Left => self.stroke(Stroke::Left),
            Action::Right => self.stroke(Stroke::Right),
            Action::Stroke(stroke) => {
                self.stroke(stroke);
                return Done::Written;
            }
            _ => {}
        }
        Done::Nothing
    }

    fn stroke(&mut self, stroke: Stroke) {
        if let Some(field) = self.field_mut() {
            field.edit.stroke(stroke);
        }
    }

    pub(crate) fn write(&mut self, text: &str) -> Done {
        match self.field_mut() {
            Some(field) => {
                field.edit.insert(text, false);
                self.error = None;
                Done::Written
            }
            // A letter chooses as well as an arrow does.
            None if text == " " => self.action(Action::Right),
            None => Done::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enter_goes_from_field_to_field_and_hands_in_at_the_last() {
        let mut form = Form {
            choices: &["one", "two"],
            fields: vec![Field::new("a", "", ""), Field::masked("b", "")],
            ..Form::default()
        };
        assert_eq!(form.action(Action::Right), Done::Chosen);
        assert_eq!(form.chosen, 1);
        assert_eq!(form.action(Action::Submit), Done::Nothing);
        form.write("x");
        form.action(Action::Submit);
        form.write("secret");
        assert_eq!(form.action(Action::Submit), Done::Submitted);
        assert_eq!((form.text("a"), form.text("b")), ("x", "secret"));
        assert!(!format!("{form:?}").contains("secret"));
        form.busy = true;
        assert_eq!(form.action(Action::Submit), Done::Nothing);
    }
}
