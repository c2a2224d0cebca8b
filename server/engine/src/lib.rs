//! What each stage decides: `(state, input, now) -> outputs`.
//!
//! Promises: no I/O, no clock, no randomness, no waiting; the same inputs give the same outputs.
//! Every rule of order in Parlour lives here and nowhere else (decision 26): the runtime, and the
//! simulation, only execute.
//!
//! In flow order: [`log`] gives each record its place; [`router`] stores, tells, raises and
//! tells again.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod gateway;
pub mod log;
pub mod router;
pub mod session;
