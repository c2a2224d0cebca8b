//! Keys: the directory of device keys, one-time keys, and each device's mailbox.
//! The server stores and hands out; it opens nothing.

pub mod memory;
#[cfg(feature = "suite")]
pub mod suite;

pub use memory::Memory;

use async_trait::async_trait;
use parlour_protocol::bytes::Bytes;
use parlour_protocol::id::{DeviceId, UserId};
use parlour_protocol::node::Mail;
use parlour_protocol::seq::Seq;

use crate::Error;

/// Keys and mail of devices.
///
/// *Ordering*: mail of one (from, to) pair is read by rising `k`.
/// *Durability*: what returned is on disk or on a quorum.
/// *Idempotency*: the same (from, to, k) is stored once, the first bytes stay; an acknowledged
/// one that is put again stays forgotten.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Stores mail for devices.
    ///
    /// # Errors
    /// `Unavailable`, `Unknown`, `Full`: repeat unchanged.
    async fn put(&self, mail: Vec<(DeviceId, Mail)>) -> Result<(), Error>;

    /// Mail that waits for a device: by sending device, then `k`; after (from, k), at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn mail(
        &self,
        device: DeviceId,
        after: Option<(DeviceId, u64)>,
        limit: usize,
    ) -> Result<Vec<Mail>, Error>;

    /// The device holds mail of `from` up to `k`: it is forgotten, for ever.
    ///
    /// # Errors
    /// `Unavailable`, `Unknown`: repeat.
    async fn acknowledge(&self, device: DeviceId, from: DeviceId, k: u64) -> Result<(), Error>;

    /// Sets a user's device list as of the seq of its event (decision 9); the higher seq wins.
    ///
    /// # Errors
    /// `Unavailable`, `Unknown`: repeat.
    async fn set_list(&self, user: UserId, version: Seq, list: Bytes) -> Result<(), Error>;

    /// Users' device lists with their versions.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn lists(&self, users: Vec<UserId>) -> Result<Vec<(UserId, Seq, Bytes)>, Error>;

    /// Adds one-time keys of a device.
    ///
    /// # Errors
    /// `Unavailable`, `Unknown`, `Full`.
    async fn add_one_time(&self, device: DeviceId, keys: Vec<(u64, Bytes)>) -> Result<(), Error>;

    /// Claims a one-time key: each is given out once, for ever; the same claim gets the same key.
    ///
    /// # Errors
    /// `Unavailable`, `Unknown`: repeat with the same claim.
    async fn claim(&self, device: DeviceId, claim: DeviceId)
    -> Result<Option<(u64, Bytes)>, Error>;
}
