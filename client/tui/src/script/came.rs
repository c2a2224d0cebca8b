//! [`Came`]: what `tail` is told, taken together.
//!
//! Promises: nothing is taken past a turn: that some were dropped, that the store is another, or
//! that the connection ended for good.

use std::sync::Arc;

use parlour_sdk::core::Update as Core;
use parlour_sdk::protocol::error::Code;
use parlour_sdk::protocol::frame::server::Event;
use parlour_sdk::protocol::{ConversationId, Seq, StoreId};
use parlour_sdk::{Link, Update, Updates};

/// Events printed together: names are asked for once for all of them.
const BATCH: usize = 256;

/// What came with the updates that waited.
#[derive(Default)]
pub(super) struct Came {
    pub(super) events: Vec<Arc<Event>>,
    /// Places that have nothing to print.
    pub(super) withheld: Vec<(ConversationId, Seq, Seq)>,
    /// Why the connection broke, if it did; and whether it stands otherwise than before.
    pub(super) gone: Option<String>,
    pub(super) link: bool,
    /// The server's store is another from here on.
    pub(super) store: Option<StoreId>,
    /// Some were dropped.
    pub(super) behind: bool,
    /// Requests that were refused: where, if that is known, and why.
    pub(super) problems: Vec<(Option<ConversationId>, Code, String)>,
    pub(super) stopped: Option<String>,
    pub(super) ended: bool,
}

/// Waits for an update, and takes those that wait with it: not past one that says that some were
/// dropped, or that the store is another, as what follows comes after that.
pub(super) async fn take(updates: &mut Updates) -> Came {
    let mut came = Came::default();
    let Some(mut update) = updates.next().await else {
        came.ended = true;
        return came;
    };
    loop {
        match update {
            Update::Core(Core::Event { event, .. }) => came.events.push(event),
            Update::Core(Core::Withheld {
                conversation,
                places,
            }) => came.withheld.push((conversation, places.from, places.to)),
            Update::Core(Core::Link(Link::Stopped(Some((code, why))))) => {
                came.stopped = Some(format!("{why} ({code})"));
            }
            Update::Core(Core::Link(Link::Waiting { why, .. })) => {
                came.link = true;
                came.gone = Some(why);
            }
            Update::Core(Core::Link(_)) => came.link = true,
            Update::Core(Core::Problem {
                code,
                message,
                conversation,
            }) => came.problems.push((conversation, code, message)),
            Update::Core(Core::Reset(store)) => came.store = Some(store),
            Update::Lagged(_) => came.behind = true,
            _ => {}
        }
        let turn = came.behind || came.store.is_some() || came.stopped.is_some();
        if turn || came.events.len() + came.problems.len() >= BATCH {
            return came;
        }
        match updates.try_next() {
            Some(next) => update = next,
            None => return came,
        }
    }
}
