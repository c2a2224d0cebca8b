//! The SDK against a small peer in this process that speaks the protocol by itself: its store, its
//! driver, and what it does when either end breaks. Against the real server it is tried in the
//! workspace's `tests`.

mod data;
mod driver;
mod peer;
