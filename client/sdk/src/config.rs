//! [`Config`]: which server, which device, which store.

use parlour_client_core::{Fetch, Settings};
use parlour_protocol::frame::client::Token;
use parlour_protocol::http::LoggedIn;
use parlour_protocol::id::{DeviceId, UserId};
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::store::Data;

/// A device that is logged in. Its token does not show itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The user.
    pub user: UserId,
    /// Their name.
    pub name: String,
    /// The device.
    pub device: DeviceId,
    /// Its token.
    pub token: Token,
}

impl From<LoggedIn> for Session {
    fn from(l: LoggedIn) -> Self {
        Self {
            user: l.user,
            name: l.name,
            device: l.device,
            token: l.token,
        }
    }
}

/// Where a client keeps what it holds.
#[derive(Debug)]
pub enum Store {
    /// In a folder, over restarts.
    Folder(Data),
    /// In memory, for as long as the client runs: for scripts, bots and load. Costs no thread.
    Memory,
}

/// What [`crate::Client::connect`] needs.
#[derive(Debug)]
pub struct Config {
    /// The server.
    pub endpoint: Endpoint,
    /// The device.
    pub session: Session,
    /// Where things are kept.
    pub store: Store,
    /// What the core may hold; ids and token are overwritten by the session's.
    pub settings: Settings,
    /// Updates that wait for a slow reader before the oldest are dropped and it is told so.
    pub updates_max: usize,
}

impl Config {
    /// The defaults. With a memory store the bounds are small.
    #[must_use]
    pub fn new(endpoint: Endpoint, session: Session, store: Store) -> Self {
        let mut settings = Settings::new(session.user, session.device, session.token.clone());
        settings.client = concat!("parlour-sdk/", env!("CARGO_PKG_VERSION")).to_owned();
        let memory = matches!(store, Store::Memory);
        if memory {
            settings.held_max = 200;
        }
        Self {
            endpoint,
            session,
            store,
            settings,
            updates_max: if memory { 256 } else { 2_048 },
        }
    }

    /// The defaults, for the device that is logged in in this folder.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`], or the store failed.
    pub fn stored(data: Data) -> Result<Self, Error> {
        let (endpoint, session) = data.session()?.ok_or_else(|| Error::NotLoggedIn {
            path: data.path().to_owned(),
        })?;
        Ok(Self::new(endpoint, session, Store::Folder(data)))
    }

    /// With this name and version in device lists.
    #[must_use]
    pub fn client(mut self, name: impl Into<String>) -> Self {
        self.settings.client = name.into();
        self
    }

    /// With these events asked for.
    #[must_use]
    pub fn fetch(mut self, fetch: Fetch) -> Self {
        self.settings.fetch = fetch;
        self
    }
}
