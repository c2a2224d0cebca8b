//! The references, tried by the suites. What is in memory survives a restart of whoever uses it:
//! the references stand for stores that are elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use parlour_ports::accounts::suite::Door;
use parlour_ports::keys::Keys;
use parlour_ports::log::Log;
use parlour_ports::relay::memory::Hub;
use parlour_ports::relay::suite::Ends;
use parlour_ports::sessions::Sessions;
use parlour_ports::suite::Bench;
use parlour_ports::suite::rows::Store;
use parlour_ports::{accounts, history, keys, log, relay, roster, sessions};
use parlour_protocol::id::StoreId;
use parlour_protocol::node::NodeId;
use parlour_protocol::position::{Generation, Position};

/// Gives out the same part, always.
struct Same<P>(P);

#[async_trait]
impl<P: Clone + Send + Sync> Bench for Same<P> {
    type Part = P;
    async fn open(&mut self) -> P {
        self.0.clone()
    }
    async fn reopen(&mut self, part: P) -> P {
        part
    }
}

fn store() -> Same<Store> {
    Same(Store {
        history: Arc::new(history::Memory::new(StoreId::NIL)),
        roster: Arc::new(roster::Memory::default()),
    })
}

mod history_reference {
    parlour_ports::history_suite!(super::store());
}

mod roster_reference {
    parlour_ports::roster_suite!(super::store());
}

mod accounts_reference {
    parlour_ports::accounts_suite!(super::door());
}

fn door() -> Same<Door> {
    let memory = Arc::new(accounts::Memory::default());
    Same(Door {
        accounts: memory.clone(),
        invitations: memory,
    })
}

mod keys_reference {
    parlour_ports::keys_suite!(super::boxes());
}

fn boxes() -> Same<Arc<dyn Keys>> {
    Same(Arc::new(keys::Memory::default()))
}

/// A log that lives on, or one that dies with its process.
struct Records {
    log: Arc<log::Memory>,
    dies: bool,
}

impl Records {
    fn new(dies: bool) -> Self {
        let log = Arc::new(log::Memory::new(3, Generation(1)));
        Self { log, dies }
    }
}

#[async_trait]
impl Bench for Records {
    type Part = Arc<dyn Log>;
    async fn open(&mut self) -> Self::Part {
        self.log.clone()
    }
    async fn reopen(&mut self, log: Self::Part) -> Self::Part {
        if self.dies {
            let bounds = log.bounds(parlour_protocol::position::Partition(0)).await;
            let last = bounds.unwrap().last().unwrap().generation;
            self.log.alter(|state| {
                state.begin(Generation(last.0 + 1));
                state.lose();
            });
        }
        log
    }
}

#[async_trait]
impl log::suite::Bench for Records {
    async fn expire(&mut self, _: &Arc<dyn Log>, up_to: Position) -> bool {
        self.log.alter(|state| state.expire(up_to.next()));
        true
    }
}

mod log_that_lives_on {
    parlour_ports::log_suite!(super::Records::new(false));
}

mod log_that_dies {
    parlour_ports::log_suite!(super::Records::new(true));
}

/// Sessions under a clock that the suite moves, emptied at a restart.
struct Clocked {
    now_ms: Arc<AtomicU64>,
    sessions: Arc<sessions::Memory>,
}

impl Clocked {
    fn new() -> Self {
        let now_ms = Arc::new(AtomicU64::new(1_700_000_000_000));
        let clock = now_ms.clone();
        let sessions = sessions::Memory::new(move || clock.load(Ordering::SeqCst));
        Self {
            now_ms,
            sessions: Arc::new(sessions),
        }
    }
}

#[async_trait]
impl Bench for Clocked {
    type Part = Arc<dyn Sessions>;
    async fn open(&mut self) -> Self::Part {
        self.sessions.clone()
    }
    async fn reopen(&mut self, part: Self::Part) -> Self::Part {
        self.sessions.flush();
        part
    }
}

impl sessions::suite::Bench for Clocked {
    fn pass(&mut self, ms: u64) -> bool {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
        true
    }
}

mod sessions_reference {
    parlour_ports::sessions_suite!(super::Clocked::new());
}

/// Two nodes of one process.
struct Pair;

#[async_trait]
impl Bench for Pair {
    type Part = Ends;
    async fn open(&mut self) -> Ends {
        let hub = Arc::new(Hub::default());
        Ends {
            from: Arc::new(relay::Memory::join(&hub, NodeId(1), 100)),
            to: Arc::new(relay::Memory::join(&hub, NodeId(2), 100)),
            node: NodeId(2),
        }
    }
    async fn reopen(&mut self, _: Ends) -> Ends {
        self.open().await
    }
}

mod relay_reference {
    parlour_ports::relay_suite!(super::Pair);
}

/// A suite that leaves a case out tries nothing by it.
#[test]
fn every_case_is_in_its_suite() {
    for port in [
        "accounts", "history", "keys", "log", "relay", "roster", "sessions",
    ] {
        let path = format!("{}/src/{port}/suite.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let (_, list) = text.split_once("suite_tests! {").unwrap();
        let (list, cases) = list.split_once('}').unwrap();
        let listed: Vec<&str> = list.split_whitespace().skip(2).collect();
        let mut found = 0;
        for line in cases.lines() {
            let Some((name, _)) = line
                .strip_prefix("pub async fn ")
                .and_then(|rest| rest.split_once('<'))
            else {
                continue;
            };
            found += 1;
            assert!(listed.contains(&name), "{port}: {name} is not listed");
        }
        assert_eq!(found, listed.len(), "{port}");
    }
}

/// A wake that was asked for is remembered, as often as it was asked for.
#[tokio::test]
async fn wakes_are_remembered() {
    use parlour_ports::wake::{Memory, Wake, WakePort, Woken};
    let wake = Wake {
        user: Default::default(),
        device: Default::default(),
        conversation: Default::default(),
        seq: parlour_protocol::seq::Seq(1),
        mention: true,
    };
    let memory = Memory::default();
    assert_eq!(memory.wake(wake).await, Woken::Done);
    memory.answer(wake.device, Woken::Retired);
    assert_eq!(memory.wake(wake).await, Woken::Retired);
    assert_eq!(memory.asked(), [wake, wake]);
}
