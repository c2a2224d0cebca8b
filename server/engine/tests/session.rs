//! A node by transcripts: its lease, its sessions, and whom a signal is for.
//!
//! The words are in `support/session.rs`.

#[allow(dead_code, unreachable_pub)]
#[path = "support/script.rs"]
mod script;
#[allow(dead_code, unreachable_pub)]
#[path = "support/session.rs"]
mod session;
#[allow(dead_code, unreachable_pub)]
#[path = "support/store.rs"]
mod store;
#[allow(dead_code, unreachable_pub)]
#[path = "support/world.rs"]
mod world;

#[test]
fn a_node() {
    script::transcripts("session", |lines| {
        let mut run = session::Run::default();
        lines.iter().map(|line| run.line(line)).collect()
    });
}
