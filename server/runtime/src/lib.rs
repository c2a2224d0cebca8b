//! How each stage runs: loops, sockets, HTTP API, telemetry, drain.
//!
//! Promises: tasks are tracked and drained; every channel has a bound, a written policy for when
//! it is full, and a metric; what fails for good ends the process with a plain message.
//! Never here: a rule of order. A machine of `parlour-engine` says what is to be done, in which
//! order; a loop here does it, and tells the machine what came of it (decision 26).
//!
//! In flow order: [`sockets`] takes connections, with [`tls`]; [`http`] and [`gateway`] speak with clients, [`name`] of what they may be called;
//! [`log`] takes records, of which [`router`] makes rows; [`session`] hands what comes to connections; [`push`] decides
//! wakes. [`feed`] takes records that come from no connection. [`run`] starts them all over the [`ports`] of a [`node`].

pub mod administrator;
pub mod alarm;
pub mod bounds;
pub mod clock;
pub mod config;
pub mod drain;
pub mod feed;
pub mod gateway;
pub mod http;
pub mod log;
pub mod name;
pub mod node;
pub mod password;
pub mod ports;
pub mod push;
pub mod router;
pub mod run;
pub mod session;
pub mod sockets;
pub mod telemetry;
pub mod tls;
pub mod tokens;
