//! Accounts and devices, made by the administrator in bulk.

use std::collections::BTreeMap;

use anyhow::Context as _;
use parlour_sdk::protocol::frame::client::Token;
use parlour_sdk::protocol::http::{BulkAccount, BulkAccounts, BulkMade, UserType};
use parlour_sdk::{Endpoint, Http, Session};

use crate::readback::patiently;

/// Accounts made at once.
const BULK: usize = 100;

/// Who has an account, and which devices.
pub(crate) struct Accounts {
    endpoint: Endpoint,
    admin: Token,
    devices: u32,
    /// Sessions by user name.
    made: BTreeMap<String, Vec<Session>>,
    /// The device of a user that reads back, by their name.
    readers: BTreeMap<String, Session>,
}

impl Accounts {
    /// Nobody yet. Each is to have so many devices.
    pub(crate) fn new(endpoint: &Endpoint, admin: &str, devices: u32) -> Self {
        Self {
            endpoint: endpoint.clone(),
            admin: Token(admin.to_owned()),
            devices,
            made: BTreeMap::new(),
            readers: BTreeMap::new(),
        }
    }

    /// Everyone, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.made.keys().cloned().collect()
    }

    /// A user's devices; none if they have no account.
    pub(crate) fn of(&self, name: &str) -> &[Session] {
        self.made.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Makes accounts with devices for those who have none yet.
    pub(crate) async fn ensure(&mut self, names: &[String]) -> anyhow::Result<()> {
        let missing: Vec<String> = names
            .iter()
            .filter(|n| !self.made.contains_key(*n))
            .cloned()
            .collect();
        for chunk in missing.chunks(BULK) {
            for session in self.make(chunk, self.devices).await? {
                let of = self.made.entry(session.name.clone()).or_default();
                of.push(session);
            }
        }
        Ok(())
    }

    /// A device for each of these users, in this order, that reads back and does nothing else: of a
    /// conversation that it did not read back before it has seen nothing. One for each user, as an
    /// account has only so many.
    pub(crate) async fn fresh(&mut self, names: &[String]) -> anyhow::Result<Vec<Session>> {
        let missing: Vec<String> = names
            .iter()
            .filter(|n| !self.readers.contains_key(*n))
            .cloned()
            .collect();
        for chunk in missing.chunks(BULK) {
            for session in self.make(chunk, 1).await? {
                self.readers.insert(session.name.clone(), session);
            }
        }
        let reader = |name: &String| {
            let session = self.readers.get(name);
            session
                .cloned()
                .with_context(|| format!("{name} was given no device"))
        };
        names.iter().map(reader).collect()
    }

    async fn make(&self, names: &[String], devices: u32) -> anyhow::Result<Vec<Session>> {
        let accounts = names
            .iter()
            .map(|name| BulkAccount {
                name: name.clone(),
                display: None,
                r#type: UserType::Person,
                devices,
            })
            .collect();
        let ask = BulkAccounts { accounts };
        let http = Http::with_token(&self.endpoint, &self.admin);
        let made: BulkMade = patiently(|| http.post("/v1/admin/accounts", &ask))
            .await
            .context("accounts cannot be made")?;
        let session = |device: parlour_sdk::protocol::http::BulkDevice| {
            Some(Session {
                user: device.user,
                name: device.name,
                device: device.device?,
                token: device.token?,
            })
        };
        Ok(made.devices.into_iter().filter_map(session).collect())
    }
}
