//! What is read of the client for the screen: the list, and a window of the open conversation.

use parlour_sdk::core;
use parlour_sdk::protocol::{ConversationId, Seq, kind};

use super::Run;
use crate::model::chat::{WINDOW, Window};
use crate::model::page::Wants;
use crate::model::{Msg, OwnAffairs};
use crate::unsent::Count;

impl Run {
    /// Reads the views that are stale.
    pub(super) async fn read(&mut self) {
        // A window that came may want the next one; more than a few in a row wait for the next
        // turn, so that keys are never held up.
        for _ in 0..4 {
            let list = std::mem::take(&mut self.list_stale);
            let wanted = self.model.chat.as_ref().map(|c| Wanted {
                conversation: c.conversation,
                at: c.at,
                seek: c.seek,
                beside: self.model.wants(),
            });
            let wanted = wanted.filter(|_| std::mem::take(&mut self.window_stale));
            self.window_stale = false;
            let Some(client) = self.client.clone().filter(|_| list || wanted.is_some()) else {
                return;
            };
            let own = ConversationId::own(client.user());
            let views = client.with(move |core| {
                let window = wanted.map(|wanted| wanted.window(core));
                let list = list.then(|| (core.conversations(), own_affairs(core, own)));
                (list, window)
            });
            let Ok((list, window)) = views.await else {
                return;
            };
            if let Some((list, affairs)) = list {
                self.take(Msg::Affairs(affairs)).await;
                self.take(Msg::List(list)).await;
            }
            if let Some(mut window) = window {
                if let Some(pins) = window.pins.take() {
                    self.take(Msg::Pins(window.timeline.conversation, pins))
                        .await;
                }
                self.take(Msg::Window(Box::new(window))).await;
            }
        }
    }
}

/// What is wanted of the open conversation.
#[derive(Clone, Copy)]
struct Wanted {
    conversation: ConversationId,
    at: Option<Seq>,
    seek: Option<u64>,
    beside: Wants,
}

impl Wanted {
    fn window(self, core: &core::Client) -> Window {
        let conversation = self.conversation;
        let rules = || {
            let set = core.set(conversation, &[kind::SETTING]);
            // One on its way has its place when it comes.
            let set = set.into_iter().filter(|(_, (seq, _))| *seq != Seq::MAX);
            set.map(|((_, key), value)| (key, value)).collect()
        };
        Window {
            timeline: core.timeline(conversation, self.at, WINDOW),
            at: self.at,
            head: core
                .summary(conversation)
                .map(|s| s.head)
                .unwrap_or_default(),
            receipts: core.receipts(conversation),
            shown: core.shown(conversation),
            reach: self.seek.map(|n| core.reach(conversation, n)),
            rules: (self.beside == Wants::Rules).then(rules),
            pins: (self.beside == Wants::Pins).then(|| core.pinned(conversation)),
        }
    }
}

/// What is blocked and muted, as far as it is held or on its way.
fn own_affairs(core: &core::Client, own: ConversationId) -> OwnAffairs {
    let summary = core.summary(own);
    let mut all = OwnAffairs {
        store: core.store(),
        unanswered_since_ms: summary.as_ref().and_then(|s| s.unanswered_since_ms),
        slowed: summary.is_some_and(|s| s.slowed),
        unsent: Count::of(core.outbox().map(AsRef::as_ref)),
        ..OwnAffairs::default()
    };
    for (key, (seq, value)) in core.set(own, &[kind::BLOCK, kind::MUTE]) {
        let on = kind::is_on(&value);
        if seq == Seq::MAX {
            all.underway.insert(key, on);
        } else {
            all.set.insert(key, (seq, on));
        }
    }
    all
}
