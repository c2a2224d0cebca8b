//! Whole-node tests over the wire: a real `parlour` process on a folder and port of its own, and
//! clients that know nothing of the project but its protocol.
//!
//! [`Node`] starts, kills and restarts the process; [`Http`] speaks the API; [`Socket`] speaks
//! frames in either codec; [`Tmux`] gives the terminal client a terminal. Nothing here waits by sleeping: every wait is for something that is
//! seen, within [`PATIENCE`].
// Everything here is a test's: a step that fails should say so on the spot.
#![allow(clippy::missing_panics_doc, clippy::missing_errors_doc)]

pub mod http;
pub mod node;
pub mod picture;
pub mod socket;
pub mod tls;
pub mod tmux;

pub use http::Http;
pub use node::Node;
pub use socket::Socket;
pub use tmux::Tmux;

use std::time::Duration;

use parlour_protocol::id::MessageId;

/// How long a test waits for what must come. Long, for busy machines: nothing should take it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A message id never used before.
#[must_use]
pub fn message_id() -> MessageId {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("random bytes");
    MessageId::from_bytes(bytes)
}
