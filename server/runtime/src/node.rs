//! What every part of a running node shares: configuration, ports, verifier, and how it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use parlour_protocol::id::DeviceId;
use parlour_protocol::node::{NodeId, Signal};
use parlour_protocol::position::Partition;

use tokio::sync::watch;

use crate::bounds::{Attempts, Meters};
use crate::config::Config;
use crate::drain::Drain;
use crate::password::Pool;
use crate::ports::{Harm, Ports};
use crate::telemetry::{self, Metrics};
use crate::tls::{Tls, Wrong};
use crate::tokens::Verifier;
use crate::{clock, push, session};

/// A running node. One for a process; shared by every task.
pub struct Node {
    /// Which node of a cluster it is.
    pub id: NodeId,
    /// How it is set.
    pub config: Config,
    /// What it was given.
    pub ports: Ports,
    /// How it goes away.
    pub drain: Drain,
    /// Who a token is.
    pub verifier: Verifier,
    /// Who hashes passwords.
    pub passwords: Pool,
    /// Sign-ups and log-ins by address.
    pub attempts: Attempts,
    /// What each device may do.
    pub meters: Meters,
    /// When something last came from each device.
    pub heard: push::Heard,
    /// What users have read, for push.
    pub reads: push::Reads,
    /// The node's own loop.
    pub sessions: session::Handle,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    stopped: Mutex<BTreeMap<Partition, String>>,
    leased: watch::Sender<bool>,
    full: AtomicBool,
    tls: OnceLock<Tls>,
}

impl Node {
    /// A node that does nothing yet.
    ///
    /// # Errors
    /// The system has no threads to give.
    pub fn new(id: NodeId, config: Config, ports: Ports) -> std::io::Result<Arc<Self>> {
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let accounts = &config.accounts;
        Ok(Arc::new(Self {
            id,
            verifier: Verifier::new(ports.accounts.clone(), accounts.token_cache_ms),
            passwords: Pool::start(size(accounts.hash_threads), size(accounts.hash_queue))?,
            attempts: Attempts::new(accounts.attempts_burst, accounts.attempts_per_min),
            meters: Meters::new(config.limits),
            heard: push::Heard::default(),
            reads: push::Reads::default(),
            sessions: session::Handle::new(),
            metrics: Metrics::install(),
            drain: Drain::new(),
            stopped: Mutex::new(BTreeMap::new()),
            leased: watch::Sender::new(false),
            full: AtomicBool::new(false),
            tls: OnceLock::new(),
            config,
            ports,
        }))
    }

    /// A partition stopped, and this is what a person does about it.
    pub fn partition_stopped(&self, partition: Partition, remedy: String) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.insert(partition, remedy);
        metrics::gauge!(telemetry::ROUTER_STOPPED).set(stopped.len() as f64);
    }

    /// Whether the store last said that it has no room.
    pub fn set_full(&self, full: bool) {
        if self.full.swap(full, Ordering::Relaxed) != full {
            metrics::gauge!(telemetry::STORE_FULL).set(f64::from(u8::from(full)));
            if full {
                tracing::error!("the store has no room left: sends are refused until it has");
            } else {
                tracing::info!("the store has room again");
            }
        }
    }

    /// Whether the store has no room: nothing new is put into the log then, so that it can be
    /// refused as retryable. What is in the log already waits for room.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Whether the node holds its lease.
    pub fn set_leased(&self, leased: bool) {
        self.leased.send_replace(leased);
    }

    /// Waits until the node holds its lease.
    pub async fn leased(&self) {
        // An Err would mean that the sender is gone, which is this node itself.
        let _ = self.leased.subscribe().wait_for(|leased| *leased).await;
    }

    /// What is known to be wrong with where rows lie.
    pub fn harm(&self) -> Option<Harm> {
        (self.ports.damage)()
    }

    /// What its connections are encrypted with, if by itself.
    pub fn set_tls(&self, tls: Tls) {
        // It is set once, when the node starts.
        let _ = self.tls.set(tls);
    }

    /// What is wrong with the certificate's time, if anything.
    pub fn certificate_wrong(&self) -> Option<Wrong> {
        self.tls.get()?.wrong(clock::now_ms())
    }

    /// Each part with its state, for health.
    pub fn parts(&self) -> BTreeMap<String, String> {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parts: BTreeMap<String, String> = stopped
            .iter()
            .map(|(partition, why)| (format!("partition {}", partition.0), why.clone()))
            .collect();
        let lease = if *self.leased.borrow() {
            "held"
        } else {
            "not held"
        };
        parts.insert("lease".to_owned(), lease.to_owned());
        if let Some(wrong) = self.certificate_wrong() {
            parts.insert("certificate".to_owned(), wrong.said);
        } else if self.tls.get().is_some_and(Tls::is_unused) {
            let said = "the renewed files cannot be used, and the old ones are; the log says why";
            parts.insert("certificate".to_owned(), said.to_owned());
        }
        if let Some(harm) = self.harm() {
            parts.insert("store".to_owned(), harm.said);
        }
        parts
    }

    /// What keeps the node from taking connections, if anything.
    pub fn waits_for(&self) -> Option<String> {
        if !*self.leased.borrow() {
            return Some("the node's lease is not held".to_owned());
        }
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.values().next().cloned()
    }

    /// These devices were revoked: they are believed nowhere, and every node is told at once.
    /// Whoever misses it finds it in the numbered list.
    pub async fn revoked(&self, devices: Vec<DeviceId>) {
        self.verifier.forget(&devices);
        let nodes = match self.ports.sessions.nodes().await {
            Ok(nodes) => nodes,
            Err(_) => vec![self.id],
        };
        for node in nodes {
            let signal = Signal::Revoked {
                devices: devices.clone(),
            };
            self.ports.relay.send(node, vec![signal]);
        }
    }
}
