//! The one thread that writes a store.
//!
//! It takes batches from a bounded channel, as many as wait into one transaction. What could not
//! be written is tried again until it holds: a batch is never skipped, so that what follows it
//! never lies on sand.

use std::path::PathBuf;
use std::time::Duration;

use parlour_client_core::saved::{Op, Ticket};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::tables;
use crate::error::Error;
use crate::lock::Lock;

/// Batches that wait for the thread; past it the driver waits before it takes more from the core.
const WAITING: usize = 256;
/// Batches in one transaction.
const TOGETHER: usize = 256;

/// Operations that are applied together.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) ticket: Ticket,
    pub(crate) ops: Vec<Op>,
}

/// How far the thread is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// The last batch that holds.
    pub(crate) upto: Ticket,
    /// Why the next one does not, if it was tried.
    pub(crate) problem: Option<String>,
}

/// The thread, as the driver sees it. Dropping `batches` ends it once all is written.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) batches: mpsc::Sender<Batch>,
    pub(crate) written: watch::Receiver<Written>,
    /// Comes when the file is closed and the folder let go.
    pub(crate) ended: oneshot::Receiver<()>,
}

pub(super) fn start(file: PathBuf, sql: Connection, lock: Lock) -> Result<Writer, Error> {
    let (batches, taken) = mpsc::channel(WAITING);
    let (report, written) = watch::channel(Written::default());
    let (end, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name("parlour-store".to_owned())
        .spawn(move || {
            run(sql, taken, &report);
            drop(lock);
            let _ = end.send(());
        })
        .map_err(|e| Error::Store {
            path: file,
            why: format!("no thread for the store: {e}"),
        })?;
    Ok(Writer {
        batches,
        written,
        ended,
    })
}

fn run(mut sql: Connection, mut taken: mpsc::Receiver<Batch>, report: &watch::Sender<Written>) {
    let mut full = true;
    while let Some(first) = taken.blocking_recv() {
        let mut batches = vec![first];
        while batches.len() < TOGETHER
            && let Ok(next) = taken.try_recv()
        {
            batches.push(next);
        }
        let mut pause = Duration::from_millis(100);
        while let Err(e) = write(&mut sql, &batches, &mut full) {
            tracing::warn!(error = %e, "local store cannot write");
            report.send_modify(|w| w.problem = Some(e.to_string()));
            if taken.is_closed() && pause > Duration::from_secs(2) {
                // The client is gone and the disk does not take it: the outbox keeps what it
                // had, and the rest is caught up again.
                return;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(10));
        }
        if let Some(last) = batches.last() {
            let upto = last.ticket;
            report.send_modify(|w| {
                w.upto = upto;
                w.problem = None;
            });
        }
    }
}

fn write(sql: &mut Connection, batches: &[Batch], full: &mut bool) -> Result<(), tables::Error> {
    let durable = batches.iter().flat_map(|b| &b.ops).any(Op::durable);
    if durable != *full {
        sql.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
        *full = durable;
    }
    let change = sql.transaction()?;
    for op in batches.iter().flat_map(|b| &b.ops) {
        tables::apply(&change, op)?;
    }
    change.commit()?;
    Ok(())
}
