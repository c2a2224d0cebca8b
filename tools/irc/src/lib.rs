//! Reads IRC channel logs, line by line, and names what it finds in Parlour's words.
//!
//! Promises: no I/O, no clock, no panic on any bytes; a line that cannot be read is an [`Error`]
//! with its number, and reading goes on behind it; the same file gives the same items, ids and
//! keys for ever. Never guesses at a date: it is in the file's name.
//!
//! In flow order: a file's [`date`], a [`line`](mod@line) and what it says, the [`Reader`] that
//! gives each its time, the [`name`]s and ids under which Parlour knows them, and the [`story`]: what
//! each line becomes in a channel.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod date;
pub mod line;
pub mod name;
pub mod reader;
pub mod story;

pub use line::Event;
pub use name::{Names, marked_name, message_id, step_id, user_key, user_name};
pub use reader::{Error, Item, Reader};
pub use story::{Step, Story};
