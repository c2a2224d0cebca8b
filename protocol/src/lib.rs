//! The words both ends speak: ids, frames, codecs, records, rows, error codes, limits.
