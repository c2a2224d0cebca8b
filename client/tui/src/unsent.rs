//! [`Unsent`]: what was accepted for sending and has no place, when the device that would send it is
//! signed out.
//!
//! Promises: no text of the outbox is lost with the device: each goes back to where it was written.
//! What was given up is not among them.

use parlour_sdk::core::saved::{Asked, Row, Stage};
use parlour_sdk::protocol::{ConversationId, UserId};

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unsent {
    pub(crate) conversation: ConversationId,
    /// To whom, if it was to be the first word between two.
    pub(crate) peer: Option<UserId>,
    pub(crate) text: String,
}

/// Those among the rows of an outbox, in order.
pub(crate) fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<Unsent> {
    rows.filter_map(one).collect()
}

fn one(row: &Row) -> Option<Unsent> {
    let (body, peer) = match &row.asked {
        Asked::Send(send) => (&send.body, send.to),
        Asked::Edit(edit) => (&edit.body, None),
        Asked::Delete(_) | Asked::React(_) => return None,
    };
    let text = body.as_text().filter(|text| !text.trim().is_empty())?;
    if matches!(row.stage, Stage::GivingUp { .. }) {
        return None;
    }
    Some(Unsent {
        conversation: row.conversation,
        peer,
        text: text.to_owned(),
    })
}

/// What is said of them; nothing if there are none. One that was handed over may have its place all
/// the same: the answer never came.
pub(crate) fn told(unsent: &[Unsent]) -> Option<String> {
    let (what, are) = match unsent.len() {
        0 => return None,
        1 => ("1 message was".to_owned(), "it is"),
        n => (format!("{n} messages were"), "they are"),
    };
    Some(format!(
        "{what} not sent, as far as is known: {are} in the drafts."
    ))
}

#[cfg(test)]
mod tests {
    use parlour_sdk::draft;
    use parlour_sdk::protocol::MessageId;

    use super::*;

    #[test]
    fn texts_come_back_and_what_was_given_up_does_not() {
        let [ada, ben] = [b"ada", b"ben"].map(|n| UserId::derived("test", &[n]));
        let c = ConversationId::direct(ada, ben);
        let row = |asked, stage| Row {
            order: 0,
            conversation: c,
            id: MessageId::derived("test", &[b"id"]),
            tried: true,
            stage,
            made_ms: 0,
            asked: Asked::Send(Box::new(asked)),
        };
        let rows = [
            row(draft::text_to(ben, "one"), Stage::Waiting),
            row(draft::name(c, "a name"), Stage::Waiting),
            row(
                draft::text(c, "away"),
                Stage::GivingUp {
                    delete: true,
                    problem: None,
                },
            ),
            row(draft::text(c, "two"), Stage::Waiting),
        ];
        let unsent = of(rows.iter());
        let texts: Vec<&str> = unsent.iter().map(|u| u.text.as_str()).collect();
        assert_eq!(texts, ["one", "two"]);
        assert_eq!(
            unsent.iter().map(|u| u.peer).collect::<Vec<_>>(),
            [Some(ben), None]
        );
        assert_eq!(told(&[]), None);
        let all = "2 messages were not sent, as far as is known: they are in the drafts.";
        assert_eq!(told(&unsent).as_deref(), Some(all));
        let first = "1 message was not sent, as far as is known: it is in the drafts.";
        assert_eq!(told(&unsent[..1]).as_deref(), Some(first));
    }
}
