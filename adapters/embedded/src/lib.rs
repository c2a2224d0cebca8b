//! One machine: the ports over fjall and memory.
//!
//! Promises: what a port answered is on disk, in one commit with everything that belongs to it; a
//! store that was killed at any moment opens by itself; a damaged one is refused, with the file and
//! the remedy. One damage is not seen: after a power loss alone, a flipped bit in the last batches
//! that were synced may read as a torn write (`journal`).
//! Never: a write from anywhere but the one committer.
//!
//! [`Store`] opens a folder and hands out the ports. `commit` is the committer, `batch` what it
//! writes with; `table` says what lies under which key; then one module for each port. `files`,
//! `journal`, `answered` and `place` look at every file before fjall does, and tell damage from a torn
//! write; `judge` tells it from what the system says of a process or a disk. [`verify`] checks a whole store, [`backup`] copies one and makes one of a copy; both look at
//! it `aside`, and take away what one that was killed left (`leftover`).

mod accounts;
mod answered;
mod aside;
pub mod backup;
mod batch;
mod commit;
mod error;
mod files;
mod history;
mod journal;
mod judge;
mod keys;
mod leftover;
mod lock;
mod log;
mod place;
mod relay;
mod rest;
mod roster;
mod sessions;
mod store;
mod sync;
mod table;
pub mod verify;
mod view;
mod wake;

pub use error::Error;
pub use store::{Options, Store};
