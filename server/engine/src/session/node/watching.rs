//! Which channels the node watches: read for each user, and read again whenever something came that
//! an answer on its way may not show.

use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::mutant::{Mutant, planted};

use super::Node;
use crate::gateway::given::Given;
use crate::session::step::{InChannel, Output};

impl Node {
    /// Says whether the node watches a channel. Without a lease it would say so for nobody: then
    /// it is said with the next one, before anyone is registered.
    pub(super) fn interest(&self, channel: ConversationId, on: bool, out: &mut Vec<Output>) {
        if self.held_until_ms > 0 {
            let incarnation = self.incarnation;
            out.push(Output::Interest {
                channel,
                on,
                incarnation,
            });
        }
    }

    /// Reads a user's memberships in channels, one call at a time: an answer from before what made
    /// them unsure must not make them sure.
    pub(super) fn read_channels(&mut self, user: UserId, out: &mut Vec<Output>) {
        if !self.by_user.contains_key(&user) {
            self.reading.remove(&user);
            return;
        }
        match self.reading.get_mut(&user) {
            Some(again) => *again = true,
            None => {
                self.reading.insert(user, false);
                out.push(Output::ReadChannels { user });
            }
        }
    }

    pub(super) fn channels_read(
        &mut self,
        user: UserId,
        channels: Vec<InChannel>,
        out: &mut Vec<Output>,
    ) {
        if self.reading.remove(&user) == Some(true) && !planted(Mutant::OldReadingTrusted) {
            // Something came while it was read, which this may not show yet.
            return self.read_channels(user, out);
        }
        if !self.by_user.contains_key(&user) {
            return;
        }
        let before = self.channels.of(user);
        let (mut new, mut behind) = (false, false);
        for read in channels {
            let channel = read.channel;
            let learned = self.channels.learn(user, read);
            behind |= learned.behind;
            if learned.new {
                new = true;
                self.interest(channel, true, out);
            }
        }
        if new {
            // What changed before the node was told of the channel shows in a second reading.
            self.read_channels(user, out);
        }
        behind |= self.channels.of(user) != before;
        if self.known.contains(&user) && behind {
            // What came before the node watched it was told to nobody here.
            for session in self.by_user.get(&user).cloned().unwrap_or_default() {
                self.counts.behind += 1;
                let given = Given::Behind { after_ms: 0 };
                out.push(Output::Give { session, given });
            }
        }
        self.known.insert(user);
        for session in self.by_user.get(&user).cloned().unwrap_or_default() {
            self.ready(session, out);
        }
    }
}
