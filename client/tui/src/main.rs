//! The terminal client, parlour-chat.

fn main() {}
