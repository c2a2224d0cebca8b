//! The record of a run, fed to the checker as it happens, and counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use parlour_checker::{Checker, Op, Report};
use parlour_sdk::protocol::{ConversationId, Seq};

use crate::spoil::Spoiler;

/// The record. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Record {
    written: Arc<Mutex<Written>>,
    /// Events that devices were given.
    pub(crate) deliveries: Arc<AtomicU64>,
    newest: Arc<Mutex<BTreeMap<ConversationId, Seq>>>,
}

struct Written {
    checker: Checker,
    spoiler: Option<Spoiler>,
}

impl Record {
    /// An empty record; one that is spoiled on the way to the judge, if there is a spoiler.
    pub(crate) fn new(spoiler: Option<Spoiler>) -> Self {
        let written = Written {
            checker: Checker::new(20),
            spoiler,
        };
        Self {
            written: Arc::new(Mutex::new(written)),
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
        if let Ok(mut written) = self.written.lock() {
            let Written { checker, spoiler } = &mut *written;
            match spoiler {
                None => {
                    checker.feed(op);
                }
                Some(spoiler) => {
                    for op in spoiler.pass(op) {
                        checker.feed(&op);
                    }
                }
            }
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

    /// The verdict, and what the spoiler did if there was one. The record is empty afterwards.
    pub(crate) fn finish(&self) -> Option<(Report, Option<String>)> {
        let mut written = self.written.lock().ok()?;
        let checker = std::mem::replace(&mut written.checker, Checker::new(0));
        let spoiled = written.spoiler.as_ref().map(Spoiler::did);
        Some((checker.finish(), spoiled))
    }
}
