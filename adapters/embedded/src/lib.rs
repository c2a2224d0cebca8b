//! One machine: the ports over fjall and memory.
//!
//! Promises: what a port answered is on disk, in one commit with everything that belongs to it; a
//! store that was killed at any moment opens by itself; one whose damage is seen is refused by name.
//! Not promised yet: that all damage is seen. A flipped bit in the framing of fjall's journal reads
//! as a torn write, and what lies behind it is cut in silence (`tests/it/damage.rs`).
//! Never: a write from anywhere but the one committer.
//!
//! [`Store`] opens a folder and hands out the ports. `commit` is the committer; `table` says
//! what lies under which key; then one module for each port. [`verify`] checks a whole store,
//! [`backup`] copies one and makes one of a copy.

mod accounts;
pub mod backup;
mod commit;
mod error;
mod history;
mod keys;
mod lock;
mod log;
mod relay;
mod roster;
mod sessions;
mod store;
mod table;
pub mod verify;
mod view;
mod wake;

pub use error::Error;
pub use store::{Options, Store};
