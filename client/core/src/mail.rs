//! [`Mailbox`]: sealed keys for this device.
//!
//! Promises: mail of a device is handed up in its order, once, and acknowledged only after the
//! caller said that it is stored; the server forgets only what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use parlour_protocol::frame::Client as Frame;
use parlour_protocol::frame::client;
use parlour_protocol::frame::server::Mail;
use parlour_protocol::id::DeviceId;

use crate::output::Update;
use crate::saved::Op;

/// Mail handed up and not confirmed; past it no more is taken until all is confirmed, and then
/// asked for again by a new connection.
const UNCONFIRMED: usize = 1_000;

#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    stored: BTreeMap<DeviceId, u64>,
    handed: BTreeMap<DeviceId, BTreeSet<u64>>,
    unacknowledged: BTreeSet<DeviceId>,
    overflowed: bool,
}

impl Mailbox {
    pub(crate) fn restore(&mut self, stored: Vec<(DeviceId, u64)>) {
        self.stored = stored.into_iter().collect();
    }

    fn waiting(&self) -> usize {
        self.handed.values().map(BTreeSet::len).sum()
    }

    /// Mail came. Gives what to hand up.
    pub(crate) fn came(&mut self, mail: Mail) -> Option<Update> {
        let stored = self.stored.get(&mail.from).copied().unwrap_or(0);
        if mail.k <= stored {
            // It was not acknowledged, or the acknowledgement was lost.
            self.unacknowledged.insert(mail.from);
            return None;
        }
        let last = self
            .handed
            .get(&mail.from)
            .and_then(BTreeSet::last)
            .copied()
            .unwrap_or(stored);
        if mail.k <= last {
            return None;
        }
        self.overflowed |= self.waiting() >= UNCONFIRMED;
        if self.overflowed {
            return None;
        }
        self.handed.entry(mail.from).or_default().insert(mail.k);
        Some(Update::Mail {
            from_user: mail.from_user,
            from: mail.from,
            k: mail.k,
            bytes: mail.bytes,
        })
    }

    /// The caller has stored it, and all before it from the same device.
    pub(crate) fn stored(&mut self, from: DeviceId, k: u64) -> Option<Op> {
        let handed = self.handed.get_mut(&from)?;
        if !handed.contains(&k) {
            return None;
        }
        *handed = handed.split_off(&k.saturating_add(1));
        if handed.is_empty() {
            self.handed.remove(&from);
        }
        self.stored.insert(from, k);
        self.unacknowledged.insert(from);
        Some(Op::Mail(from, k))
    }

    /// What is stored and not acknowledged on this connection.
    pub(crate) fn acknowledge(&mut self) -> Option<Frame> {
        let devices = core::mem::take(&mut self.unacknowledged);
        let from: BTreeMap<DeviceId, u64> = devices
            .into_iter()
            .filter_map(|d| self.stored.get(&d).map(|k| (d, *k)))
            .collect();
        (!from.is_empty()).then_some(Frame::MailAck(client::MailAck { r#ref: 0, from }))
    }

    /// Whether mail was left out that a new connection would bring now.
    pub(crate) fn wants_again(&self) -> bool {
        self.overflowed && self.handed.is_empty()
    }

    /// What was left out comes again.
    pub(crate) fn disconnected(&mut self) {
        self.overflowed = false;
    }
}

#[cfg(test)]
mod tests {
    use parlour_protocol::bytes::Bytes;
    use parlour_protocol::id::UserId;

    use super::*;

    fn mail(k: u64) -> Mail {
        Mail {
            from_user: UserId::NIL,
            from: DeviceId::NIL,
            k,
            bytes: Bytes::default(),
        }
    }

    #[test]
    fn it_is_handed_up_once_and_acknowledged_after_it_is_stored() {
        let mut m = Mailbox::default();
        assert!(m.came(mail(1)).is_some());
        assert!(m.came(mail(2)).is_some());
        assert!(m.came(mail(2)).is_none(), "a second copy");
        assert!(m.acknowledge().is_none(), "nothing is stored yet");
        assert_eq!(m.stored(DeviceId::NIL, 1), Some(Op::Mail(DeviceId::NIL, 1)));
        assert_eq!(m.stored(DeviceId::NIL, 3), None, "never handed up");
        let ack = |m: &mut Mailbox| match m.acknowledge() {
            Some(Frame::MailAck(a)) => a.from.get(&DeviceId::NIL).copied(),
            _ => None,
        };
        assert_eq!(ack(&mut m), Some(1));
        assert_eq!(ack(&mut m), None);
        m.disconnected();
        assert!(m.came(mail(1)).is_none(), "stored: acknowledged again");
        assert!(m.came(mail(2)).is_none(), "still in the caller's hands");
        assert_eq!(ack(&mut m), Some(1));
    }

    #[test]
    fn what_does_not_fit_is_asked_for_again_and_never_skipped() {
        let mut m = Mailbox::default();
        for k in 1..=UNCONFIRMED as u64 {
            assert!(m.came(mail(k)).is_some());
        }
        assert!(m.came(mail(1001)).is_none());
        m.stored(DeviceId::NIL, 999);
        assert!(m.came(mail(1002)).is_none(), "1001 comes first");
        assert!(!m.wants_again());
        m.stored(DeviceId::NIL, 1000);
        assert!(m.wants_again());
        m.disconnected();
        assert!(m.came(mail(1001)).is_some());
    }
}
