//! The in-memory reference of accounts and invitations.
//!
//! [`State`] is synchronous and deterministic; [`Memory`] is the same behind the traits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use parlour_protocol::id::{DeviceId, UserId};

use crate::Error;
use crate::accounts::{Accounts, Device, Holder, Invitations, Made, NAME_BYTES_MAX, User};

/// Users, devices, tokens, revocations and invitations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    users: BTreeMap<UserId, User>,
    /// Lower case.
    names: BTreeMap<String, UserId>,
    /// Those that were not revoked.
    devices: BTreeMap<DeviceId, Device>,
    /// Whose token; that of a revoked device stays, and opens nothing.
    tokens: BTreeMap<[u8; 32], DeviceId>,
    revoked: BTreeMap<u64, DeviceId>,
    /// Uses left, and until when.
    invitations: BTreeMap<[u8; 32], (u32, u64)>,
    redeemed: BTreeSet<([u8; 32], UserId)>,
}

impl State {
    /// See [`Accounts::create`].
    pub fn create(&mut self, user: User) -> Made {
        let name = user.name.to_lowercase();
        match self.names.get(&name) {
            Some(owner) if *owner == user.user => return Made::Yes,
            Some(_) => return Made::Taken,
            None if self.users.contains_key(&user.user) => return Made::Taken,
            None => {}
        }
        self.names.insert(name, user.user);
        self.users.insert(user.user, user);
        Made::Yes
    }

    /// See [`Accounts::change`].
    pub fn change(&mut self, mut user: User) -> bool {
        let Some(there) = self.users.get(&user.user) else {
            return false;
        };
        let (old, new) = (there.name.to_lowercase(), user.name.to_lowercase());
        if there.version != user.version || (old != new && self.names.contains_key(&new)) {
            return false;
        }
        self.names.remove(&old);
        self.names.insert(new, user.user);
        user.version += 1;
        self.users.insert(user.user, user);
        true
    }

    /// See [`Accounts::user`].
    #[must_use]
    pub fn user(&self, user: UserId) -> Option<User> {
        self.users.get(&user).cloned()
    }

    /// See [`Accounts::find`].
    #[must_use]
    pub fn find(&self, name: &str, exact: bool, limit: usize) -> Vec<User> {
        let name = name.to_lowercase();
        if name.len() > NAME_BYTES_MAX {
            return Vec::new();
        }
        self.names
            .range(name.clone()..)
            .take_while(|(of, _)| {
                if exact {
                    **of == name
                } else {
                    of.starts_with(&name)
                }
            })
            .filter_map(|(_, user)| self.user(*user))
            .take(limit)
            .collect()
    }

    /// See [`Accounts::add_device`].
    pub fn add_device(&mut self, device: Device, max: usize) -> Made {
        if let Some(there) = self.devices.get(&device.device) {
            return if there.user == device.user {
                Made::Yes
            } else {
                Made::Taken
            };
        }
        let was_revoked = self.revoked.values().any(|d| *d == device.device);
        if was_revoked || self.tokens.contains_key(&device.token_hash) {
            return Made::Taken;
        }
        if self.devices(device.user).len() >= max {
            return Made::TooMany;
        }
        self.tokens.insert(device.token_hash, device.device);
        self.devices.insert(device.device, device);
        Made::Yes
    }

    /// See [`Accounts::verify`].
    #[must_use]
    pub fn verify(&self, token_hash: [u8; 32]) -> Holder {
        match self.tokens.get(&token_hash).map(|d| self.devices.get(d)) {
            Some(Some(device)) => Holder::Device(device.clone()),
            // A token outlives its device, which only a revocation takes away.
            Some(None) => Holder::Revoked,
            None => Holder::Nobody,
        }
    }

    /// See [`Accounts::devices`].
    #[must_use]
    pub fn devices(&self, user: UserId) -> Vec<Device> {
        let of = self.devices.values().filter(|d| d.user == user);
        of.cloned().collect()
    }

    /// See [`Accounts::revoke`].
    pub fn revoke(&mut self, user: UserId, device: DeviceId) -> bool {
        if self.devices.get(&device).is_none_or(|d| d.user != user) {
            return false;
        }
        self.devices.remove(&device);
        let number = self.revoked.last_key_value().map_or(1, |(n, _)| n + 1);
        self.revoked.insert(number, device);
        true
    }

    /// See [`Accounts::revoked`].
    #[must_use]
    pub fn revoked(&self, after: u64, limit: usize) -> Vec<(u64, DeviceId)> {
        let later = self.revoked.range(after.saturating_add(1)..);
        later.map(|(n, device)| (*n, *device)).take(limit).collect()
    }

    /// See [`Invitations::invite`].
    pub fn invite(&mut self, hash: [u8; 32], uses: u32, expires_ms: u64) {
        self.invitations.entry(hash).or_insert((uses, expires_ms));
    }

    /// See [`Invitations::redeem`].
    pub fn redeem(&mut self, hash: [u8; 32], user: UserId, now_ms: u64) -> bool {
        if self.redeemed.contains(&(hash, user)) {
            return true;
        }
        match self.invitations.get_mut(&hash) {
            Some((left, expires_ms)) if *left > 0 && (*expires_ms == 0 || now_ms < *expires_ms) => {
                *left -= 1;
                self.redeemed.insert((hash, user));
                true
            }
            _ => false,
        }
    }
}

/// The reference behind the traits.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Accounts for Memory {
    async fn create(&self, user: User) -> Result<Made, Error> {
        Ok(self.state().create(user))
    }
    async fn change(&self, user: User) -> Result<bool, Error> {
        Ok(self.state().change(user))
    }
    async fn user(&self, user: UserId) -> Result<Option<User>, Error> {
        Ok(self.state().user(user))
    }
    async fn find(&self, name: &str, exact: bool, limit: usize) -> Result<Vec<User>, Error> {
        Ok(self.state().find(name, exact, limit))
    }
    async fn add_device(&self, device: Device, max: usize) -> Result<Made, Error> {
        Ok(self.state().add_device(device, max))
    }
    async fn verify(&self, token_hash: [u8; 32]) -> Result<Holder, Error> {
        Ok(self.state().verify(token_hash))
    }
    async fn devices(&self, user: UserId) -> Result<Vec<Device>, Error> {
        Ok(self.state().devices(user))
    }
    async fn revoke(&self, user: UserId, device: DeviceId) -> Result<bool, Error> {
        Ok(self.state().revoke(user, device))
    }
    async fn revoked(&self, after: u64, limit: usize) -> Result<Vec<(u64, DeviceId)>, Error> {
        Ok(self.state().revoked(after, limit))
    }
}

#[async_trait]
impl Invitations for Memory {
    async fn invite(&self, hash: [u8; 32], uses: u32, expires_ms: u64) -> Result<(), Error> {
        self.state().invite(hash, uses, expires_ms);
        Ok(())
    }
    async fn redeem(&self, hash: [u8; 32], user: UserId, now_ms: u64) -> Result<bool, Error> {
        Ok(self.state().redeem(hash, user, now_ms))
    }
}
