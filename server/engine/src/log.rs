//! The log stage's rules: what becomes of a record, decided from the record and from rows that
//! are never overwritten.
//!
//! Promises: the same record at the same position over the same earlier rows gives the same rows,
//! whoever asks, however often, and whatever later rows are there already (decisions 2–8).
//! Never reads: a clock, randomness, configuration, a block list, a rate, the roster.
//!
//! In flow order: [`begin`] says where a partition is read from; [`memory`] holds what was learned;
//! [`accept`] judges one record by the rules of its number; [`sequencer`] makes its rows.

pub mod accept;
pub mod begin;
pub mod memory;
pub mod sequencer;

pub use sequencer::{Decided, Sequencer, Told};
