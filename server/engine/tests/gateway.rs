//! A connection by transcripts: what the runtime reports in, what it is to do out.
//!
//! The words are in `support/gateway.rs` (in) and `support/show.rs` (out).

#[allow(dead_code, unreachable_pub)]
#[path = "support/gateway.rs"]
mod gateway;
#[allow(dead_code, unreachable_pub)]
#[path = "support/script.rs"]
mod script;
#[allow(dead_code, unreachable_pub)]
#[path = "support/store.rs"]
mod store;
#[allow(dead_code, unreachable_pub)]
#[path = "support/world.rs"]
mod world;

#[test]
fn a_connection() {
    script::transcripts("gateway", |lines| {
        let mut run = gateway::Run::default();
        lines.iter().map(|line| run.line(line)).collect()
    });
}
