//! The gateway stage's rules: what a connection may say, and what it is sent.
//!
//! Promises: nothing before `hello`; within a connection the live events of a conversation rise;
//! every queue has a bound; what a client states of seq, sender or time is never believed.
//! Never here: a socket, a clock, a password.
//!
//! In flow order: [`connection`] is one socket's machine; [`need`] is what it asks for; [`admit`]
//! judges a send and makes its header; [`fold`] makes pages of history; [`catch_up`] compares
//! lines; [`rates`] meters; [`given`] is what a node hands to a connection.

pub mod admit;
pub mod catch_up;
pub mod connection;
pub mod fold;
pub mod given;
pub mod need;
pub mod rates;

pub use connection::{Connection, Input, Output};
pub use given::{Given, Prepared};
