//! The ports that a node was given: one adapter each.

use std::sync::Arc;

use parlour_ports::accounts::{Accounts, Invitations};
use parlour_ports::history::History;
use parlour_ports::keys::Keys;
use parlour_ports::log::Log;
use parlour_ports::relay::Relay;
use parlour_ports::roster::Roster;
use parlour_ports::sessions::Sessions;
use parlour_ports::wake::WakePort;

/// One adapter for each port. Cloning shares them.
#[derive(Clone)]
pub struct Ports {
    /// The log.
    pub log: Arc<dyn Log>,
    /// What was sequenced.
    pub history: Arc<dyn History>,
    /// How things stand.
    pub roster: Arc<dyn Roster>,
    /// Accounts.
    pub accounts: Arc<dyn Accounts>,
    /// Invitations.
    pub invitations: Arc<dyn Invitations>,
    /// Device keys and mail.
    pub keys: Arc<dyn Keys>,
    /// Where devices are.
    pub sessions: Arc<dyn Sessions>,
    /// From node to node.
    pub relay: Arc<dyn Relay>,
    /// Wakes.
    pub wake: Arc<dyn WakePort>,
    /// Whether heads become durable with their events and sessions are in this process
    /// (decision 16, last sentence).
    pub joined: bool,
    /// What is known to be wrong with where rows lie. None: nothing is.
    pub damage: Arc<dyn Fn() -> Option<Harm> + Send + Sync>,
}

/// What is wrong with where rows lie, for as long as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harm {
    /// For `/health`: in a word or two.
    pub status: &'static str,
    /// A sentence for anyone; the log says what to do.
    pub said: String,
}
