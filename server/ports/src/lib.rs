//! What each stage needs of the world: a trait, an in-memory reference and a conformance suite
//! for each. The traits are written for what Kafka, Cassandra and Redis can promise.
//!
//! In flow order: [`log`], [`history`], [`roster`] (router); [`sessions`], [`relay`] (session);
//! [`wake`] (push); [`accounts`] and [`keys`] (gateway).
//!
//! Never here: a rule of order. That is `parlour-engine`'s, which knows no port.

pub mod accounts;
pub mod error;
pub mod history;
pub mod keys;
pub mod log;
pub mod relay;
pub mod roster;
pub mod sessions;
#[cfg(feature = "suite")]
pub mod suite;
pub mod wake;

pub use error::Error;
