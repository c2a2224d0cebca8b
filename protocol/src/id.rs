//! Identifiers as newtypes over UUIDs, so that a user is never mistaken for a device.
//!
//! Where Parlour makes an id it is a UUIDv7 ([`UserId::v7`] and its like); a direct conversation's
//! is computed ([`ConversationId::direct`]); a message's may be any UUID, so that imports can
//! derive theirs. This module never draws randomness or reads a clock: both are arguments.

use core::fmt;
use core::str::FromStr;

use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The text given was not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID: write 32 hex digits, with or without hyphens")]
pub struct ParseError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
        #[serde(transparent)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
        #[cfg_attr(feature = "schema", ts(type = "string"))]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id that no thing has: all zero bits.
            pub const NIL: Self = Self(Uuid::nil());

            /// A UUIDv7 (RFC 9562) from a time in milliseconds since 1970 and ten random bytes.
            #[must_use]
            pub const fn v7(unix_ms: u64, random: [u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
            }

            /// The id of these sixteen bytes, unchanged.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// An id computed from parts: UUIDv8 over SHA-256 of each part's length and bytes.
            /// Equal parts give equal ids, for ever.
            #[must_use]
            pub fn derived(domain: &str, parts: &[&[u8]]) -> Self {
                Self(derive(domain, parts))
            }

            /// The sixteen bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The low 32 bits: enough to spread ids over shards.
            #[must_use]
            pub const fn low32(&self) -> u32 {
                let b = self.0.as_bytes();
                u32::from_be_bytes([b[12], b[13], b[14], b[15]])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseError;
            fn from_str(s: &str) -> Result<Self, ParseError> {
                Uuid::try_parse(s).map(Self).map_err(|_| ParseError)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), encode::Error<W::Error>> {
                e.bytes(self.0.as_bytes())?;
                Ok(())
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                Uuid::from_slice(d.bytes()?)
                    .map(Self)
                    .map_err(|_| decode::Error::message("an id has 16 bytes"))
            }
        }
    };
}

id! {
    /// An account.
    UserId
}
id! {
    /// One login of a user, with its own token, keys and cursors.
    DeviceId
}
id! {
    /// A direct conversation, a group or a channel.
    ConversationId
}
id! {
    /// One send, made by the device and kept over retries. Any UUID is accepted.
    MessageId
}
id! {
    /// One connection of a device to a node.
    SessionId
}
id! {
    /// One life of a store: made with it, and anew at every restore from a backup.
    StoreId
}

impl ConversationId {
    /// The direct conversation of two users, or of a user with themself.
    /// The same for both, whoever asks.
    #[must_use]
    pub fn direct(a: UserId, b: UserId) -> Self {
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        Self(derive("parlour.direct", &[low.as_bytes(), high.as_bytes()]))
    }

    /// The conversation of a user with themself, which holds their own affairs.
    #[must_use]
    pub fn own(user: UserId) -> Self {
        Self::direct(user, user)
    }
}

fn derive(domain: &str, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    hash.update((domain.len() as u64).to_be_bytes());
    hash.update(domain.as_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let full: [u8; 32] = hash.finalize().into();
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&full[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_conversation_is_the_same_for_both() {
        let (a, b) = (UserId::v7(1, [1; 10]), UserId::v7(2, [2; 10]));
        assert_eq!(ConversationId::direct(a, b), ConversationId::direct(b, a));
        assert_ne!(ConversationId::direct(a, b), ConversationId::own(a));
        assert_eq!(ConversationId::direct(a, b).0.get_version_num(), 8);
    }

    #[test]
    fn v7_ids_sort_by_time() {
        assert!(MessageId::v7(1, [255; 10]) < MessageId::v7(2, [0; 10]));
        assert_eq!(MessageId::v7(1, [0; 10]).0.get_version_num(), 7);
    }

    #[test]
    fn derived_parts_do_not_run_together() {
        assert_ne!(
            MessageId::derived("d", &[b"ab", b"c"]),
            MessageId::derived("d", &[b"a", b"bc"])
        );
    }
}
