//! Clients of a small, rightful server over a bad network, by seed: connections break at any
//! moment, live events get lost, answers get lost, disks lag and clients restart. When the faults
//! end, every client holds what the server holds, and every request has ended as the server says.

mod check;
mod model;
mod server;
mod world;

use parlour_client_core::{Fetch, Input};
use proptest::prelude::*;

use crate::world::{CLIENTS, World};

fn run(seed: u64, steps: usize, fetch: Fetch) {
    let mut world = World::new(seed, fetch);
    for i in 0..CLIENTS {
        world.feed(i, Input::Start);
    }
    for _ in 0..steps {
        world.step();
    }
    world.settle();
    world.check(fetch);
}

/// `PROPTEST_CASES` sets another number.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 64;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn everything_comes_together(seed: u64, steps in 50usize..2_500) {
        run(seed, steps, Fetch::Everything);
    }

    #[test]
    fn newest_pages_come_together(seed: u64, steps in 50usize..2_500) {
        run(seed, steps, Fetch::Newest);
    }
}
