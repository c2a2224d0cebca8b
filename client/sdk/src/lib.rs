//! The client core, driven over real sockets with a SQLite store.
