//! The frame of one try.

use parlour_protocol::frame::{Client as Frame, Ref, client};
use parlour_protocol::id::MessageId;
use parlour_protocol::mutant::{Mutant, planted};

use crate::saved::{Asked, Row, Stage};

/// The frame that asks for a row's outcome: the request, or `cancel` if it is given up.
pub(super) fn of(row: &Row, r#ref: Ref, retry: bool, after: Option<MessageId>) -> Frame {
    if matches!(row.stage, Stage::GivingUp { .. }) {
        // A direct conversation may not be known to the server yet: then its user names it.
        let to = match &row.asked {
            Asked::Send(send) if send.conversation.is_none() => send.to,
            _ => None,
        };
        return Frame::Cancel(client::Cancel {
            r#ref,
            conversation: to.is_none().then_some(row.conversation),
            to,
            id: row.id,
            after,
        });
    }
    match &row.asked {
        Asked::Send(send) => Frame::Send(client::Send {
            r#ref,
            retry,
            after,
            id: if retry && planted(Mutant::FreshIds) {
                MessageId::derived(
                    "parlour.mutant",
                    &[&r#ref.to_be_bytes(), send.id.as_bytes()],
                )
            } else {
                send.id
            },
            ..send.as_ref().clone()
        }),
        Asked::Edit(edit) => Frame::Edit(client::Edit {
            r#ref,
            retry,
            after,
            ..edit.as_ref().clone()
        }),
        Asked::Delete(delete) => Frame::Delete(client::Delete {
            r#ref,
            retry,
            after,
            ..delete.clone()
        }),
        Asked::React(react) => Frame::React(client::React {
            r#ref,
            retry,
            after,
            ..react.clone()
        }),
    }
}
