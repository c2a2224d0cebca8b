//! What each stage decides: `(state, input, now) -> outputs`.
//!
//! Promises: no I/O, no clock, no randomness, no waiting; the same inputs give the same outputs.
//! Every rule of order in Parlour lives here and nowhere else (decision 26): the runtime, and the
//! simulation, only execute.
//!
//! In flow order: [`gateway`] says what a connection may say and is sent; [`log`] gives each record
//! its place; [`router`] stores, tells, raises and tells again; [`session`] knows which sessions a
//! node holds and whom a signal is for; [`push`] decides which device is woken.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod gateway;
pub mod log;
pub mod push;
pub mod router;
pub mod session;
