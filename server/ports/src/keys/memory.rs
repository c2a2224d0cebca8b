//! The in-memory reference of keys and mailboxes.
//!
//! [`State`] is synchronous and deterministic; [`Memory`] is the same behind the trait.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use parlour_protocol::bytes::Bytes;
use parlour_protocol::id::{DeviceId, UserId};
use parlour_protocol::node::Mail;
use parlour_protocol::seq::Seq;

use crate::Error;
use crate::keys::Keys;

/// Mailboxes, device lists and one-time keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// By (to, from, k).
    mail: BTreeMap<(DeviceId, DeviceId, u64), Mail>,
    /// By (to, from).
    acknowledged: BTreeMap<(DeviceId, DeviceId), u64>,
    lists: BTreeMap<UserId, (Seq, Bytes)>,
    one_time: BTreeMap<(DeviceId, u64), Bytes>,
    spent: BTreeSet<(DeviceId, u64)>,
    /// By (whose, who claimed).
    claims: BTreeMap<(DeviceId, DeviceId), (u64, Bytes)>,
}

impl State {
    /// Stores mail for a device. What is there stays as it was, what was forgotten stays so.
    pub fn put(&mut self, to: DeviceId, mail: &Mail) {
        let forgotten = self.acknowledged.get(&(to, mail.from)).copied();
        if forgotten.is_none_or(|k| mail.k > k) {
            let key = (to, mail.from, mail.k);
            self.mail.entry(key).or_insert_with(|| mail.clone());
        }
    }

    /// See [`Keys::mail`].
    #[must_use]
    pub fn mail(&self, to: DeviceId, after: Option<(DeviceId, u64)>, limit: usize) -> Vec<Mail> {
        let from = match after {
            Some((from, k)) => Excluded((to, from, k)),
            None => Included((to, DeviceId::NIL, 0)),
        };
        self.mail
            .range((from, Unbounded))
            .take_while(|((of, _, _), _)| *of == to)
            .map(|(_, mail)| mail.clone())
            .take(limit)
            .collect()
    }

    /// See [`Keys::acknowledge`].
    pub fn acknowledge(&mut self, to: DeviceId, from: DeviceId, k: u64) {
        let done = self.acknowledged.entry((to, from)).or_insert(k);
        *done = (*done).max(k);
        self.mail
            .retain(|(of, by, at), _| (*of, *by) != (to, from) || *at > k);
    }

    /// See [`Keys::set_list`].
    pub fn set_list(&mut self, user: UserId, version: Seq, list: Bytes) {
        if self
            .lists
            .get(&user)
            .is_none_or(|(there, _)| *there < version)
        {
            self.lists.insert(user, (version, list));
        }
    }

    /// See [`Keys::lists`].
    #[must_use]
    pub fn lists(&self, users: &[UserId]) -> Vec<(UserId, Seq, Bytes)> {
        users
            .iter()
            .filter_map(|user| {
                let (version, list) = self.lists.get(user)?;
                Some((*user, *version, list.clone()))
            })
            .collect()
    }

    /// Adds a one-time key, unless its number was used before.
    pub fn add_one_time(&mut self, device: DeviceId, number: u64, key: Bytes) {
        if !self.spent.contains(&(device, number)) {
            self.one_time.entry((device, number)).or_insert(key);
        }
    }

    /// See [`Keys::claim`].
    pub fn claim(&mut self, device: DeviceId, claim: DeviceId) -> Option<(u64, Bytes)> {
        if let Some(had) = self.claims.get(&(device, claim)) {
            return Some(had.clone());
        }
        let of = (device, 0)..=(device, u64::MAX);
        let (number, key) = self
            .one_time
            .range(of)
            .next()
            .map(|((_, number), key)| (*number, key.clone()))?;
        self.one_time.remove(&(device, number));
        self.spent.insert((device, number));
        self.claims.insert((device, claim), (number, key.clone()));
        Some((number, key))
    }
}

/// The reference behind the trait.
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
impl Keys for Memory {
    async fn put(&self, mail: Vec<(DeviceId, Mail)>) -> Result<(), Error> {
        let mut state = self.state();
        mail.iter().for_each(|(to, mail)| state.put(*to, mail));
        Ok(())
    }
    async fn mail(
        &self,
        device: DeviceId,
        after: Option<(DeviceId, u64)>,
        limit: usize,
    ) -> Result<Vec<Mail>, Error> {
        Ok(self.state().mail(device, after, limit))
    }
    async fn acknowledge(&self, device: DeviceId, from: DeviceId, k: u64) -> Result<(), Error> {
        self.state().acknowledge(device, from, k);
        Ok(())
    }
    async fn set_list(&self, user: UserId, version: Seq, list: Bytes) -> Result<(), Error> {
        self.state().set_list(user, version, list);
        Ok(())
    }
    async fn lists(&self, users: Vec<UserId>) -> Result<Vec<(UserId, Seq, Bytes)>, Error> {
        Ok(self.state().lists(&users))
    }
    async fn add_one_time(&self, device: DeviceId, keys: Vec<(u64, Bytes)>) -> Result<(), Error> {
        let mut state = self.state();
        keys.into_iter()
            .for_each(|(number, key)| state.add_one_time(device, number, key));
        Ok(())
    }
    async fn claim(
        &self,
        device: DeviceId,
        claim: DeviceId,
    ) -> Result<Option<(u64, Bytes)>, Error> {
        Ok(self.state().claim(device, claim))
    }
}
