//! Checks a whole store.
