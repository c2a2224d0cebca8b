//! Real clients against a real server: replay, crash and bench.

fn main() {}
