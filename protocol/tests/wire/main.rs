//! The wire and what is stored, by their bytes.
//!
//! What each file shows: `snapshots`, that no byte changes unseen; `decoding`, that no bytes make
//! a decoder panic; `limits`, each limit at, below and above; `transcoding`, that the codecs say
//! the same, and that what is unknown is passed over; `records`, that what an older router does
//! not know goes through it unchanged; `fixed`, what is computed by both ends and never changes;
//! `contents`, what tells two sends of one id apart; `refusals`, what is refused for what it says.

mod contents;
mod decoding;
mod diagnostic;
mod draw;
mod fixed;
mod limits;
mod records;
mod refusals;
mod samples;
mod snapshots;
mod transcoding;
