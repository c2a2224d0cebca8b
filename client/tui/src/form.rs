//! [`Form`]: fields to fill in, one after the other, with a choice before them where there is one.
//!
//! Promises: a masked field is never drawn in clear, and its text does not show in `Debug`.

use std::borrow::Cow;
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
    /// What it can be, if it is no text but a choice.
    pub(crate) options: &'static [&'static str],
    pub(crate) chosen: usize,
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
            options: &[],
            chosen: 0,
        }
    }

    /// One of these, chosen with ←→.
    pub(crate) fn choice(
        label: &'static str,
        options: &'static [&'static str],
        chosen: usize,
    ) -> Self {
        Self {
            options,
            chosen,
            ..Self::new(label, "", "")
        }
    }

    /// The option so many on; around the ends.
    fn turn(&mut self, by: usize) {
        let count = self.options.len().max(1);
        self.chosen = (self.chosen + by) % count;
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
    pub(crate) title: Cow<'static, str>,
    /// What can be chosen, above the fields.
    pub(crate) choices: &'static [&'static str],
    pub(crate) chosen: usize,
    pub(crate) fields: Vec<Field>,
    /// Which has the cursor: the choice is the first, if there is one.
    pub(crate) at: usize,
    /// It was handed in, and no answer has come yet.
    pub(crate) busy: bool,
    /// What was handed in goes out, whatever becomes of the form.
    pub(crate) sent: bool,
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

    /// Which option of a field is chosen.
    pub(crate) fn option(&self, label: &str) -> usize {
        let field = self.fields.iter().find(|f| f.label == label);
        field.map_or(0, |f| f.chosen)
    }

    /// Puts the cursor into a field, if there is one of this label.
    pub(crate) fn go_to(&mut self, label: &str) {
        if let Some(at) = self.fields.iter().position(|f| f.label == label) {
            self.at = at + self.offset();
        }
    }

    /// Puts the cursor where it was clicked in a field: into its text, or on its next option.
    pub(crate) fn click(&mut self, field: usize, cells: usize, column: usize) {
        let here = field + self.offset();
        let was = std::mem::replace(&mut self.at, here);
        let Some(f) = self.fields.get_mut(field).filter(|_| !self.busy) else {
            return;
        };
        if f.options.is_empty() {
            // What is long shows the row that the cursor is in.
            let (_, (row, _)) = f.edit.rows(cells, f.masked);
            f.edit.click(cells, f.masked, row, column);
        } else if was == here {
            f.turn(1);
        }
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
            // What was asked for stays what is shown until it is answered.
            Action::Left | Action::Right | Action::Stroke(_) if self.busy => {}
            Action::Left | Action::Right if self.is_on_option() => {
                let back = action == Action::Left;
                if let Some(field) = self.field_mut() {
                    let count = field.options.len();
                    field.turn(if back { count.saturating_sub(1) } else { 1 });
                }
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

    fn is_on_option(&self) -> bool {
        self.field().is_some_and(|f| !f.options.is_empty())
    }

    fn stroke(&mut self, stroke: Stroke) {
        if let Some(field) = self.field_mut() {
            field.edit.stroke(stroke);
        }
    }

    pub(crate) fn write(&mut self, text: &str) -> Done {
        let busy = self.busy;
        match self.field_mut() {
            Some(_) if busy => Done::Nothing,
            Some(field) if !field.options.is_empty() => {
                if text == " " {
                    field.turn(1);
                }
                Done::Nothing
            }
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
    fn a_choice_is_turned_and_takes_no_text() {
        let mut form = Form {
            fields: vec![Field::choice("who", &["all", "some", "none"], 0)],
            ..Form::default()
        };
        form.action(Action::Left);
        assert_eq!(form.option("who"), 2);
        form.write(" ");
        form.action(Action::Right);
        form.write("x");
        assert_eq!((form.option("who"), form.text("who")), (1, ""));
    }

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
        // What was handed in stays as it is until it is answered.
        assert_eq!(form.write("y"), Done::Nothing);
        form.action(Action::Stroke(Stroke::Backspace));
        assert_eq!(form.text("b"), "secret");
    }
}
