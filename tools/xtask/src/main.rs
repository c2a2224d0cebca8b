//! Build, run, test, tidy.

fn main() {}
