//! Reads IRC channel logs, line by line, without I/O.
