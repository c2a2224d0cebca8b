//! What a client decides, in one machine without I/O: [`Client`].
//!
//! Promises: the same inputs give the same outputs. It never reads a clock, draws randomness,
//! waits or touches a socket or a file: time is an argument, randomness is derived from the seed
//! that it was given, and what it wants done it says as [`Output`]s.
//!
//! In flow order: what comes in ([`input`]), what the user asks for ([`draft`]), what goes out
//! ([`output`]), what is kept ([`saved`]), what is shown ([`view`]), what bounds it
//! ([`settings`]).
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod client;
pub mod draft;
mod entropy;
mod failing;
mod fold;
pub mod input;
mod mail;
mod outbox;
pub mod output;
mod presence;
mod room;
pub mod saved;
pub mod settings;
mod stretches;
pub mod view;

pub use client::Client;
pub use input::{Accepted, Command, Input, Link, Refused, Request};
pub use output::{Ended, Output, Update, Via};
pub use settings::{Fetch, Settings};
