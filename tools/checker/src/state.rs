//! What is kept of a record: one entry per event and send, ranges per device and conversation.
//!
//! Ids are numbered at first sight; the numbers are looked up by hash and never walked in its
//! order, so that reports are the same at every run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use parlour_protocol::error::Code;
use parlour_protocol::kind::{Class, HistoryRule};
use parlour_protocol::{ConversationId, DeviceId, MessageId, Seq, SessionId, UserId};

use crate::ranges::Ranges;

/// Ids by number, in order of first sight.
#[derive(Clone, Debug)]
pub(crate) struct Numbered<T> {
    ids: Vec<T>,
    by_id: HashMap<T, u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            ids: Vec::new(),
            by_id: HashMap::new(),
        }
    }
}

impl<T: Copy + Eq + Hash + Default> Numbered<T> {
    pub(crate) fn number(&mut self, id: T) -> u32 {
        let next = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        *self.by_id.entry(id).or_insert_with(|| {
            self.ids.push(id);
            next
        })
    }

    pub(crate) fn id(&self, number: u32) -> T {
        self.ids.get(number as usize).copied().unwrap_or_default()
    }
}

/// The event at a place, as it was first seen.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) id: MessageId,
    pub(crate) sender: u32,
    pub(crate) class: Class,
    pub(crate) quiet: bool,
    /// Whether a final reading has it.
    pub(crate) read: bool,
    pub(crate) n: u64,
    pub(crate) prev: Seq,
    pub(crate) hash: Option<u64>,
}

/// All that is known of one (conversation, user, id).
#[derive(Clone, Debug, Default)]
pub(crate) struct Send {
    /// The device that called first.
    pub(crate) device: u32,
    /// Its place among all first calls.
    pub(crate) order: u64,
    pub(crate) called: bool,
    pub(crate) sent: bool,
    pub(crate) setup: bool,
    /// Called by a second device too: held to no program order.
    pub(crate) moved: bool,
    /// Seen by someone before it was sent.
    pub(crate) early: Option<u64>,
    pub(crate) hash: Option<u64>,
    pub(crate) ok: Option<(Seq, u64)>,
    /// Answered to who called it with `hash`, and not with other contents.
    pub(crate) ok_first: bool,
    pub(crate) refused: Option<Code>,
    pub(crate) place: Option<Seq>,
}

/// (conversation, user, id).
pub(crate) type Key = (u32, u32, MessageId);

/// A final reading.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) device: u32,
    pub(crate) user: u32,
    pub(crate) head: u64,
    /// What it asked for.
    pub(crate) asked: Ranges,
    pub(crate) events: Ranges,
    pub(crate) not_member: Ranges,
    pub(crate) gone: Ranges,
}

/// A user's marks in one conversation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    /// The highest that their own devices stated.
    pub(crate) set: (Seq, Seq),
    /// The highest that anyone saw.
    pub(crate) seen: (Seq, Seq),
    /// The last that each device saw.
    pub(crate) by_device: BTreeMap<u32, (Seq, Seq)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) history: Option<HistoryRule>,
    pub(crate) places: BTreeMap<u64, Place>,
    pub(crate) members: BTreeMap<u32, Vec<(u64, Option<u64>)>>,
    pub(crate) readings: Vec<Reading>,
    /// Targets shown with what changed them: target, the change's place, the edit's hash.
    pub(crate) folds: BTreeSet<(Seq, Seq, Option<u64>)>,
    pub(crate) marks: BTreeMap<u32, Marks>,
}

impl Conversation {
    /// The places of a user's memberships: from ≤ s ≤ until.
    pub(crate) fn memberships(&self, user: u32) -> Ranges {
        let mut ranges = Ranges::default();
        for &(from, until) in self.members.get(&user).into_iter().flatten() {
            ranges.add(from, until.unwrap_or(u64::MAX));
        }
        ranges
    }

    /// The places that a user may read.
    pub(crate) fn readable(&self, user: u32) -> Ranges {
        let mut ranges = self.memberships(user);
        if self.history == Some(HistoryRule::All) {
            for &(_, until) in self.members.get(&user).into_iter().flatten() {
                ranges.add(0, until.unwrap_or(u64::MAX));
            }
        }
        ranges
    }

    /// Whether a user may act at a place: from < s ≤ until. To come or be made a member is to act
    /// at `from`.
    pub(crate) fn may_act(&self, user: u32, at: u64, class: Class) -> bool {
        self.members
            .get(&user)
            .into_iter()
            .flatten()
            .any(|&(from, until)| {
                (from < at || (from == at && class == Class::Membership))
                    && until.is_none_or(|u| at <= u)
            })
    }
}

/// What one device has of one conversation.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// Received live, quiet places between two of them included.
    pub(crate) live: Ranges,
    /// Quiet events received live.
    pub(crate) named: Ranges,
    pub(crate) paged: Ranges,
    pub(crate) noticed: Ranges,
    pub(crate) unfetched: Ranges,
    pub(crate) not_member: Ranges,
    pub(crate) gone: Ranges,
    /// What it says that it has whole.
    pub(crate) whole: Ranges,
    pub(crate) live_max: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Device {
    pub(crate) user: Option<u32>,
    pub(crate) open: BTreeSet<SessionId>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) users: Numbered<UserId>,
    pub(crate) device_ids: Numbered<DeviceId>,
    pub(crate) conversation_ids: Numbered<ConversationId>,
    pub(crate) devices: BTreeMap<u32, Device>,
    pub(crate) conversations: BTreeMap<u32, Conversation>,
    pub(crate) sends: BTreeMap<Key, Send>,
    /// Other bodies called under an id, where a client used one twice.
    pub(crate) other_hashes: BTreeSet<(Key, u64)>,
    /// When a device called an id with other contents, by conversation and device: `after` then
    /// names what has its outcome already, so what comes behind waits for nothing before.
    pub(crate) reuses: BTreeMap<(u32, u32), Vec<u64>>,
    /// The last body that a device called under such an id.
    pub(crate) called_with: BTreeMap<(Key, u32), u64>,
    /// Bodies called under such an id that were answered with a place.
    pub(crate) ok_with: BTreeSet<(Key, u64)>,
    /// Bodies called under such an id that were finally refused.
    pub(crate) refused_with: BTreeMap<(Key, u64), Code>,
    pub(crate) views: BTreeMap<(u32, u32), View>,
    /// The highest live place of each open connection and conversation.
    pub(crate) highs: BTreeMap<(SessionId, u32), Seq>,
}

impl State {
    pub(crate) fn conversation(&mut self, id: ConversationId) -> (u32, &mut Conversation) {
        let number = self.conversation_ids.number(id);
        (number, self.conversations.entry(number).or_default())
    }

    /// A device's number; its user is learned from the first entry that names both.
    pub(crate) fn device(&mut self, id: DeviceId, user: Option<UserId>) -> u32 {
        let number = self.device_ids.number(id);
        let device = self.devices.entry(number).or_default();
        if let (None, Some(user)) = (device.user, user) {
            device.user = Some(self.users.number(user));
        }
        number
    }

    /// The device's user, if any entry named it.
    pub(crate) fn user_of(&self, device: u32) -> Option<u32> {
        self.devices.get(&device).and_then(|d| d.user)
    }
}
