//! The suites of the ports, over a real folder.

use std::sync::Arc;

use async_trait::async_trait;
use parlour_embedded::Store;
use parlour_ports::accounts::suite::Door;
use parlour_ports::keys::Keys;
use parlour_ports::log::{self, Log};
use parlour_ports::relay::suite::Ends;
use parlour_ports::sessions::{self, Sessions};
use parlour_ports::suite::{Bench, rows};
use parlour_protocol::node::NodeId;

use crate::rows::check;

/// A store in a folder of its own, and what of it is tried.
struct Folder<P> {
    folder: tempfile::TempDir,
    store: Option<Store>,
    part: fn(&Store) -> P,
}

fn folder<P>(part: fn(&Store) -> P) -> Folder<P> {
    Folder {
        folder: tempfile::tempdir().unwrap(),
        store: None,
        part,
    }
}

#[async_trait]
impl<P: Send + Sync> Bench for Folder<P> {
    type Part = P;

    /// One process has the folder: every handle is of that process.
    async fn open(&mut self) -> P {
        let folder = self.folder.path();
        let store = self
            .store
            .get_or_insert_with(|| Store::open(folder).unwrap());
        (self.part)(store)
    }

    async fn reopen(&mut self, part: P) -> P {
        drop(part);
        self.store = None;
        self.open().await
    }
}

impl<P> Drop for Folder<P> {
    /// Whatever a case did, the store fits together.
    fn drop(&mut self) {
        self.store = None;
        if std::thread::panicking() {
            return;
        }
        let report = check(self.folder.path());
        assert_eq!(report.said, Vec::<String>::new());
    }
}

fn ports(store: &Store) -> rows::Store {
    rows::Store {
        history: store.history(),
        roster: store.roster(),
    }
}

mod history {
    parlour_ports::history_suite!(super::folder(super::ports));
}

mod roster {
    parlour_ports::roster_suite!(super::folder(super::ports));
}

mod accounts {
    parlour_ports::accounts_suite!(super::folder(super::door));
}

fn door(store: &Store) -> Door {
    Door {
        accounts: store.accounts(),
        invitations: store.invitations(),
    }
}

mod keys {
    parlour_ports::keys_suite!(super::folder(super::boxes));
}

fn boxes(store: &Store) -> Arc<dyn Keys> {
    store.keys()
}

mod log_suite {
    parlour_ports::log_suite!(super::folder(super::records));
}

fn records(store: &Store) -> Arc<dyn Log> {
    store.log()
}

impl log::suite::Bench for Folder<Arc<dyn Log>> {}

mod sessions_suite {
    parlour_ports::sessions_suite!(super::folder(super::whereabouts));
}

fn whereabouts(store: &Store) -> Arc<dyn Sessions> {
    store.sessions()
}

impl sessions::suite::Bench for Folder<Arc<dyn Sessions>> {
    /// One process: a lease lasts as long as it does.
    fn pass(&mut self, _: u64) -> bool {
        false
    }
}

mod relay {
    parlour_ports::relay_suite!(super::folder(super::itself));
}

/// A node that speaks to itself.
fn itself(store: &Store) -> Ends {
    Ends {
        from: store.relay(),
        to: store.relay(),
        node: NodeId(0),
    }
}
