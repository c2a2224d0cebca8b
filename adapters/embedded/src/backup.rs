//! Copies a store into one file, and makes a store of it.
