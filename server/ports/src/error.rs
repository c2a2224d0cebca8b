//! What can go wrong behind a port, told apart by what the caller does.

/// A port's error. What it names, it names for an operator: never a body, token or address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing happened; the same call may work later.
    #[error("{what}: cannot be reached at the moment: {why}")]
    Unavailable {
        /// Which part.
        what: &'static str,
        /// The cause.
        why: String,
    },
    /// It may have happened, in whole, in part, or yet. Repeat the same call until it holds.
    #[error("{what}: no answer, so it may have happened: {why}")]
    Unknown {
        /// Which part.
        what: &'static str,
        /// The cause.
        why: String,
    },
    /// Nothing happened: there is no room. Reading goes on.
    #[error("{what}: no room left: {why}")]
    Full {
        /// Which part.
        what: &'static str,
        /// The cause.
        why: String,
    },
    /// The part is damaged or must not go on. A person must act; the text says how.
    #[error("{what}: {why}")]
    Broken {
        /// Which part.
        what: &'static str,
        /// The cause and the remedy.
        why: String,
    },
}
