//! The record of a run, fed to the checker as it happens, and counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use parlour_checker::{Checker, Op, Report};
use parlour_sdk::protocol::{ConversationId, Seq};

/// The record. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Record {
    checker: Arc<Mutex<Checker>>,
    /// Events that devices were given.
    pub(crate) deliveries: Arc<AtomicU64>,
    newest: Arc<Mutex<BTreeMap<ConversationId, Seq>>>,
}

impl Record {
    /// An empty record.
    pub(crate) fn new() -> Self {
        Self {
            checker: Arc::new(Mutex::new(Checker::new(20))),
            deliveries: Arc::default(),
            newest: Arc::default(),
        }
    }

    /// Adds what happened, in the order in which it is called.
    pub(crate) fn add(&self, op: &Op) {
        match op {
            Op::Receive { .. } => {
                self.deliveries.fetch_add(1, Ordering::Relaxed);
            }
            Op::Ok {
                conversation, seq, ..
            } => {
                if let Ok(mut newest) = self.newest.lock() {
                    let known = newest.entry(*conversation).or_default();
                    *known = (*known).max(*seq);
                }
            }
            _ => {}
        }
        if let Ok(mut checker) = self.checker.lock() {
            checker.feed(op);
        }
    }

    /// The newest place that any device was answered with.
    pub(crate) fn newest(&self, conversation: ConversationId) -> Seq {
        self.newest
            .lock()
            .ok()
            .and_then(|n| n.get(&conversation).copied())
            .unwrap_or_default()
    }

    /// The verdict. The record is empty afterwards.
    pub(crate) fn finish(&self) -> Option<Report> {
        let mut checker = self.checker.lock().ok()?;
        Some(std::mem::replace(&mut *checker, Checker::new(0)).finish())
    }
}
