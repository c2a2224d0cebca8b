//! The words both ends of Parlour speak, and the words the server keeps.
//!
//! Promises: no I/O, no clock, no randomness, no panics on any input; builds for wasm32.
//! In flow order: what things are called ([`id`], [`seq`], [`kind`]), what is said
//! ([`body`], [`frame`], [`http`]), how it becomes bytes ([`codec`])
//! and is told apart ([`contents`]), what the log and the
//! store keep ([`position`], [`record`], [`row`]), how two ends compare ([`mod@line`]), and what
//! can go wrong ([`error`], [`limits`], [`check`]). Beside the flow: bugs to plant ([`mutant`]).
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod body;
pub mod bytes;
pub mod check;
pub mod codec;
pub mod contents;
pub mod error;
pub mod fact;
pub mod frame;
pub mod http;
pub mod id;
pub mod kind;
pub mod limits;
pub mod line;
pub mod mutant;
pub mod node;
pub mod position;
pub mod record;
pub mod roster;
pub mod row;
#[cfg(feature = "schema")]
pub mod schema;
pub mod seq;

pub use id::{ConversationId, DeviceId, MessageId, SessionId, StoreId, UserId};
pub use seq::{Head, Mark, Seq};
