//! The client without a terminal: events in, screens and commands out.
//!
//! Screens are compared with files in `tests/screens`; `PARLOUR_WRITE_SCREENS=1` writes them anew,
//! to be read before they are committed.

mod acts;
mod anything;
mod begin;
mod page;
mod screens;
mod servers;
mod sizes;
mod unread;
mod world;
