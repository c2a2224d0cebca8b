//! The history checker: judges a record of what clients called, were answered and received.
//!
//! Promises: one pass and an end; no I/O, no clock, no randomness; the same record gives the same
//! report, to the byte. Keeps one entry per event and ranges per device, so that millions of
//! receives fit in little memory. Never passes for want of evidence: what it was not given and
//! needs is a breach of its own ([`Rule::IncompleteRecord`]).
//!
//! The simulation, the tests and the load generator use it alike: they feed [`Op`]s in the order
//! in which they happened, a call before it is made and an answer once it is there, then ask
//! [`Checker::finish`]. Names of rules follow Jepsen's Kafka workload where it has one.
//!
//! In flow order: what is recorded ([`op`], and [`frames`] which makes it of frames), what is kept
//! of it ([`Checker`]), what it is held to ([`Rule`]), and what comes out ([`Report`]).
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod checker;
mod finish;
pub mod frames;
pub mod op;
mod ranges;
mod report;
mod rule;
mod state;

pub use checker::Checker;
pub use op::{Intent, Op, ReadBack, Seen, Shown, Via, Why};
pub use report::{Breach, Counts, Report};
pub use rule::Rule;
