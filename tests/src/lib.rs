//! Whole-node tests over the wire.
