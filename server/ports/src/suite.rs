//! The conformance suites: what every adapter of a port must do, tried.
//!
//! Each port has its cases in `<port>::suite`, and a macro that makes one test of each case:
//! `parlour_ports::history_suite!(MyBench::new());`. They ask for what Kafka, Cassandra and Redis
//! can promise, and for no more. Every case uses ids of its own, so that all may share one store.
//!
//! Never here: a sleep, or a reading of a clock. Where time must pass, the bench lets it.

pub mod rows;

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};

/// What is tried, and how it is begun anew.
#[async_trait]
pub trait Bench: Send {
    /// The port, or the ports that share a store.
    type Part: Send + Sync;

    /// The part, as one more process of a cluster would have it. The first time it is empty, but
    /// for what other cases left.
    async fn open(&mut self) -> Self::Part;

    /// Ends every process that has the part, as a kill does, and opens it again.
    async fn reopen(&mut self, part: Self::Part) -> Self::Part;
}

/// Makes a test of each case of a suite.
#[doc(hidden)]
#[macro_export]
macro_rules! suite_tests {
    ($port:ident, $bench:expr, $($case:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::$port::suite::$case(&mut $bench).await;
            }
        )*
    };
}

/// A user of a case, by number.
#[must_use]
pub fn user(case: &str, n: u64) -> UserId {
    UserId::derived("suite.user", &[case.as_bytes(), &n.to_be_bytes()])
}

/// A device of a case, by number.
#[must_use]
pub fn device(case: &str, n: u64) -> DeviceId {
    DeviceId::derived("suite.device", &[case.as_bytes(), &n.to_be_bytes()])
}

/// A conversation of a case, by number.
#[must_use]
pub fn conversation(case: &str, n: u64) -> ConversationId {
    ConversationId::derived("suite.conversation", &[case.as_bytes(), &n.to_be_bytes()])
}

/// A send of a case, by number.
#[must_use]
pub fn message(case: &str, n: u64) -> MessageId {
    MessageId::derived("suite.message", &[case.as_bytes(), &n.to_be_bytes()])
}

/// 32 bytes of a case, by number: a token's hash, an invitation's.
#[must_use]
pub fn hash(case: &str, n: u64) -> [u8; 32] {
    let mut out = [0; 32];
    let halves = out.chunks_exact_mut(16).zip([n, n + (1 << 32)]);
    halves.for_each(|(half, n)| half.copy_from_slice(user(case, n).as_bytes()));
    out
}

/// A list in an order that looks random and is the same every time.
#[must_use]
pub fn shuffled<T: Clone>(list: &[T], seed: u64) -> Vec<T> {
    let mut out = list.to_vec();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for at in (1..out.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.swap(at, (state % (at as u64 + 1)) as usize);
    }
    out
}

/// What must come, or the case fails: generous, for slow machines.
pub async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(30), coming).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within 30 s"),
    }
}

/// Runs calls at once, and gives their answers in the order of the calls.
pub async fn at_once<T: Send + 'static>(
    calls: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::with_capacity(tasks.len());
    for task in tasks {
        answers.push(soon("an answer", task).await.expect("the call ended"));
    }
    answers
}
