//! The one binary, parlour: configuration, adapters, roles.

fn main() {}
