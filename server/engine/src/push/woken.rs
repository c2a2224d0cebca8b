//! Which devices show what: remembered within a bound, so that a read clears it. What is forgotten
//! stays on a screen until it is looked at; nothing is woken or left out for it.

use std::collections::{BTreeMap, BTreeSet};

use parlour_protocol::id::{ConversationId, DeviceId, UserId};
use parlour_protocol::seq::Seq;

/// Who was woken for what and has not read it since, oldest first.
#[derive(Debug, Default)]
pub(super) struct Woken {
    by: BTreeMap<(UserId, ConversationId), (u64, Seq, BTreeSet<DeviceId>)>,
    order: BTreeMap<u64, (UserId, ConversationId)>,
    count: u64,
}

impl Woken {
    pub(super) fn add(
        &mut self,
        key: (UserId, ConversationId),
        device: DeviceId,
        seq: Seq,
        most: usize,
    ) {
        self.count += 1;
        let order = self.count;
        let (at, newest, devices) = self.by.entry(key).or_default();
        self.order.remove(at);
        *at = order;
        *newest = (*newest).max(seq);
        devices.insert(device);
        self.order.insert(order, key);
        while self.order.len() > most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.by.remove(&oldest);
        }
    }

    /// Devices that show what was read. One that was woken for a later place shows that still.
    pub(super) fn read(&mut self, key: (UserId, ConversationId), seq: Seq) -> BTreeSet<DeviceId> {
        match self.by.get(&key) {
            Some((_, newest, _)) if *newest <= seq => {}
            _ => return BTreeSet::new(),
        }
        let Some((at, _, devices)) = self.by.remove(&key) else {
            return BTreeSet::new();
        };
        self.order.remove(&at);
        devices
    }
}
