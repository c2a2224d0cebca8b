//! Accounts: users, credentials, devices, tokens, invitations, and the numbered revocations.
//!
//! Passwords and tokens come here hashed; plain ones never do.

pub mod memory;
#[cfg(feature = "suite")]
pub mod suite;

pub use memory::Memory;

use async_trait::async_trait;
use parlour_protocol::http::{Scope, UserType};
use parlour_protocol::id::{DeviceId, UserId};

use crate::Error;

/// No name is longer, in bytes: what an engine's keys need to have room for.
pub const NAME_BYTES_MAX: usize = 512;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id.
    pub user: UserId,
    /// The name, unique without regard to case.
    pub name: String,
    /// The name shown.
    pub display: String,
    /// What it is.
    pub kind: UserType,
    /// What they say of themself.
    pub status: Option<String>,
    /// The password as a PHC string; none cannot log in by password.
    pub password: Option<String>,
    /// Raised at every change: what `change` compares.
    pub version: u64,
}

/// A device of a user. A device that is revoked is gone from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The id.
    pub device: DeviceId,
    /// Whose.
    pub user: UserId,
    /// What it is called.
    pub name: String,
    /// SHA-256 of its token.
    pub token_hash: [u8; 32],
    /// What the token may do.
    pub scopes: Vec<Scope>,
    /// When it was made, milliseconds since 1970; for display.
    pub created_ms: u64,
}

/// Whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// This device's.
    Device(Device),
    /// It was a device's that is signed out for ever.
    Revoked,
    /// Nobody's, ever.
    Nobody,
}

impl Holder {
    /// The device, if it may speak.
    #[must_use]
    pub fn device(self) -> Option<Device> {
        match self {
            Self::Device(device) => Some(device),
            Self::Revoked | Self::Nobody => None,
        }
    }
}

/// Whether something was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was.
    Yes,
    /// Its name or id is taken; nothing changed.
    Taken,
    /// The bound on how many was reached; nothing changed.
    TooMany,
}

/// Who may speak for whom.
///
/// *Ordering*: every write is compare-and-set; a call that returned is seen by every later one.
/// *Durability*: what returned is on disk or on a quorum.
/// *Idempotency*: making the same thing again (same id) is `Yes`.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Makes a user. Unique by name without regard to case, under races too.
    ///
    /// # Errors
    /// `Unavailable`, `Unknown` (repeat with the same id), `Full`.
    async fn create(&self, user: User) -> Result<Made, Error>;

    /// Replaces a user if its version is `user.version`, and raises it. False: it was another.
    ///
    /// # Errors
    /// As `create`.
    async fn change(&self, user: User) -> Result<bool, Error>;

    /// The user of an id.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn user(&self, user: UserId) -> Result<Option<User>, Error>;

    /// Users whose name begins so, rising, at most `limit`; with `exact`, the one of the name. Of a
    /// name of more than [`NAME_BYTES_MAX`] bytes, as given or in small letters, there is nobody.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find(&self, name: &str, exact: bool, limit: usize) -> Result<Vec<User>, Error>;

    /// Makes a device with its token, if the user has fewer than `max`.
    ///
    /// # Errors
    /// As `create`.
    async fn add_device(&self, device: Device, max: usize) -> Result<Made, Error>;

    /// Whose a token is. Whoever holds one that was revoked may learn that it was.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn verify(&self, token_hash: [u8; 32]) -> Result<Holder, Error>;

    /// A user's devices.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn devices(&self, user: UserId) -> Result<Vec<Device>, Error>;

    /// Revokes a device, for ever: an insert-only row that beats the token's, at the next number.
    /// False: the user has no such device.
    ///
    /// # Errors
    /// As `create`.
    async fn revoke(&self, user: UserId, device: DeviceId) -> Result<bool, Error>;

    /// Revocations after a number, rising: what every node polls (decision 28).
    ///
    /// # Errors
    /// `Unavailable`.
    async fn revoked(&self, after: u64, limit: usize) -> Result<Vec<(u64, DeviceId)>, Error>;
}

/// Invitations to sign up; kept beside accounts, a port of its own for its few methods.
#[async_trait]
pub trait Invitations: Send + Sync {
    /// Makes an invitation that can be used `uses` times until `expires_ms` (0: without end).
    ///
    /// # Errors
    /// As [`Accounts::create`].
    async fn invite(&self, hash: [u8; 32], uses: u32, expires_ms: u64) -> Result<(), Error>;

    /// Uses one up for this user. Using it again for the same user is true again.
    ///
    /// # Errors
    /// As [`Accounts::create`].
    async fn redeem(&self, hash: [u8; 32], user: UserId, now_ms: u64) -> Result<bool, Error>;
}
