//! What lies under which key. Every key begins with its table's letter; numbers are big-endian, so
//! that ranges scan in order. Values are `[version][CBOR]`, as [`parlour_protocol::row`] has them.
//!
//! | Key | Value |
//! |---|---|
//! | `E` conversation seq | event |
//! | `O` conversation sender id | outcome |
//! | `C` conversation target user kind 0 key | change |
//! | `L` conversation seq | target of the change made there |
//! | `X` conversation target | erasure |
//! | `I` conversation user from | interval |
//! | `G` conversation key 0 seq | setting |
//! | `M` user conversation seq | mention; everyone is the nil user |
//! | `S` conversation | how it stands |
//! | `B` conversation | its name and topic, if they came before it stands |
//! | `N` user conversation | that the user is or was in it |
//! | `K` user conversation | the user's marks |
//! | `P` cursor partition generation | progress |
//! | `U` user, `A` name, `D` user, `T` token | account, its name, its devices, whose token |
//! | `d` device | whose it is, or was |
//! | `R` number, `r` device | revocations, both ways |
//! | `V` invitation, `v` invitation user | uses left; who used it |
//! | `Q` device from k, `q` device from | mail; how far it was acknowledged |
//! | `Y` user | device list |
//! | `W` device number, `w` device claimer | one-time keys; who has which |
//! | `Z` name | the store's own: format, id, generation, next revocation, last batch |

use std::fmt::Write as _;

use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};
use parlour_protocol::seq::Seq;

/// The format of this version. A store of a greater one is refused.
pub(crate) const FORMAT: u64 = 1;

/// The store's own row that each batch has of itself; see `journal`. It is no part of a backup.
pub(crate) const BATCH: &str = "batch";

/// A key being built.
#[derive(Clone, Debug)]
pub(crate) struct Key(pub(crate) Vec<u8>);

impl Key {
    pub(crate) fn table(letter: u8) -> Self {
        let mut key = Vec::with_capacity(64);
        key.push(letter);
        Self(key)
    }
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
    pub(crate) fn number(self, n: u64) -> Self {
        self.bytes(&n.to_be_bytes())
    }
}

pub(crate) fn event(conversation: ConversationId, seq: Seq) -> Vec<u8> {
    Key::table(b'E')
        .bytes(conversation.as_bytes())
        .number(seq.0)
        .0
}
pub(crate) fn outcome(conversation: ConversationId, sender: UserId, id: MessageId) -> Vec<u8> {
    Key::table(b'O')
        .bytes(conversation.as_bytes())
        .bytes(sender.as_bytes())
        .bytes(id.as_bytes())
        .0
}
pub(crate) fn changes(conversation: ConversationId, target: Seq) -> Key {
    Key::table(b'C')
        .bytes(conversation.as_bytes())
        .number(target.0)
}
pub(crate) fn change(
    conversation: ConversationId,
    target: Seq,
    user: UserId,
    kind: &str,
    key: &str,
) -> Vec<u8> {
    changes(conversation, target)
        .bytes(user.as_bytes())
        .bytes(kind.as_bytes())
        .bytes(&[0])
        .bytes(key.as_bytes())
        .0
}
pub(crate) fn changed(conversation: ConversationId, seq: Seq) -> Vec<u8> {
    Key::table(b'L')
        .bytes(conversation.as_bytes())
        .number(seq.0)
        .0
}
pub(crate) fn erased(conversation: ConversationId, target: Seq) -> Vec<u8> {
    Key::table(b'X')
        .bytes(conversation.as_bytes())
        .number(target.0)
        .0
}
pub(crate) fn intervals(conversation: ConversationId) -> Key {
    Key::table(b'I').bytes(conversation.as_bytes())
}
pub(crate) fn intervals_of(conversation: ConversationId, user: UserId) -> Key {
    intervals(conversation).bytes(user.as_bytes())
}
pub(crate) fn settings(conversation: ConversationId) -> Key {
    Key::table(b'G').bytes(conversation.as_bytes())
}
pub(crate) fn setting(conversation: ConversationId, key: &str) -> Key {
    settings(conversation).bytes(key.as_bytes()).bytes(&[0])
}
pub(crate) fn mentions(user: UserId, conversation: ConversationId) -> Key {
    Key::table(b'M')
        .bytes(user.as_bytes())
        .bytes(conversation.as_bytes())
}
pub(crate) fn standing(conversation: ConversationId) -> Vec<u8> {
    Key::table(b'S').bytes(conversation.as_bytes()).0
}
pub(crate) fn early(conversation: ConversationId) -> Vec<u8> {
    Key::table(b'B').bytes(conversation.as_bytes()).0
}
pub(crate) fn members_of(user: UserId) -> Key {
    Key::table(b'N').bytes(user.as_bytes())
}
pub(crate) fn member(user: UserId, conversation: ConversationId) -> Vec<u8> {
    members_of(user).bytes(conversation.as_bytes()).0
}
pub(crate) fn mark(user: UserId, conversation: ConversationId) -> Vec<u8> {
    Key::table(b'K')
        .bytes(user.as_bytes())
        .bytes(conversation.as_bytes())
        .0
}
pub(crate) fn progress(cursor: u8, partition: u16) -> Key {
    Key::table(b'P')
        .bytes(&[cursor])
        .bytes(&partition.to_be_bytes())
}
pub(crate) fn of_user(table: u8, user: UserId) -> Vec<u8> {
    Key::table(table).bytes(user.as_bytes()).0
}
pub(crate) fn of_device(table: u8, device: DeviceId) -> Key {
    Key::table(table).bytes(device.as_bytes())
}
pub(crate) fn name(name: &str) -> Vec<u8> {
    Key::table(b'A').bytes(name.to_lowercase().as_bytes()).0
}
pub(crate) fn hash(table: u8, hash: &[u8; 32]) -> Key {
    Key::table(table).bytes(hash)
}
/// What a key is called where a person reads of it: what its table holds, and the key.
pub(crate) fn named(key: &[u8]) -> String {
    let what = match key.first() {
        Some(b'E') => "event",
        Some(b'O') => "outcome",
        Some(b'C') => "change",
        Some(b'L') => "place of a change",
        Some(b'X') => "erasure",
        Some(b'I') => "interval",
        Some(b'G') => "setting",
        Some(b'M') => "mention",
        Some(b'S') => "standing",
        Some(b'B') => "name and topic",
        Some(b'N') => "inbox entry",
        Some(b'K') => "mark",
        Some(b'P') => "progress",
        Some(b'U') => "account",
        Some(b'A') => "account's name",
        Some(b'D') => "list of devices",
        Some(b'T') => "token",
        Some(b'd') => "device",
        Some(b'R' | b'r') => "revocation",
        Some(b'V' | b'v') => "invitation",
        Some(b'Q' | b'q') => "mail",
        Some(b'Y') => "device list",
        Some(b'W' | b'w') => "one-time key",
        Some(b'Z') => "store's own",
        _ => "unknown",
    };
    let mut out = format!("row {what}, key ");
    for byte in key {
        // Names are read as such; the rest is numbers and ids.
        let _ = if byte.is_ascii_graphic() && key.first() == Some(&b'Z') {
            write!(out, "{}", char::from(*byte))
        } else {
            write!(out, "{byte:02x}")
        };
    }
    out
}

pub(crate) fn meta(name: &str) -> Vec<u8> {
    Key::table(b'Z').bytes(name.as_bytes()).0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys are what is on disk: they change with a new format alone.
    #[test]
    fn keys_stay() {
        let c = ConversationId::from_bytes([1; 16]);
        let u = UserId::from_bytes([2; 16]);
        let hex = |k: Vec<u8>| k.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let (c16, u16) = ("01".repeat(16), "02".repeat(16));
        assert_eq!(hex(event(c, Seq(258))), format!("45{c16}0000000000000102"));
        assert_eq!(
            hex(change(c, Seq(1), u, "pin", "k")),
            format!("43{c16}0000000000000001{u16}70696e006b")
        );
        assert_eq!(
            hex(setting(c, "name").number(3).0),
            format!("47{c16}6e616d65000000000000000003")
        );
        assert_eq!(
            hex(mentions(u, c).number(9).0),
            format!("4d{u16}{c16}0000000000000009")
        );
        assert_eq!(hex(name("Ada")), "41616461");
    }
}
