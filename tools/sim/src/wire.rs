//! What crosses a link to a client, judged frame by frame, before a core that forgives much has it.
//!
//! Holds what `docs/protocol.md` promises of one connection: `welcome` comes first, the live events
//! of a conversation rise, a page names every place that it covers.

use std::collections::BTreeMap;

use parlour_protocol::frame::Server;
use parlour_protocol::frame::server::Stretch;
use parlour_protocol::id::ConversationId;
use parlour_protocol::seq::Seq;

/// What came over one link so far.
#[derive(Debug, Default)]
pub struct Heard {
    link: u64,
    welcomed: bool,
    live: BTreeMap<ConversationId, Seq>,
}

impl Heard {
    /// A frame came over a link. Says what is wrong with it.
    pub fn frame(&mut self, link: u64, frame: &Server) -> Option<String> {
        if self.link != link {
            *self = Self {
                link,
                ..Self::default()
            };
        }
        match frame {
            Server::Welcome(_) => self.welcomed = true,
            _ if !self.welcomed => {
                return Some(format!("wire: before `welcome` came {frame:?}"));
            }
            Server::Event(event) => {
                let newest = self.live.entry(event.conversation).or_default();
                if event.seq <= *newest {
                    return Some(format!(
                        "wire: {:?} of {} came live behind {newest:?}",
                        event.seq, event.conversation
                    ));
                }
                *newest = event.seq;
            }
            Server::Page(page) => return page.stretch.as_ref().and_then(page_is_whole),
            _ => {}
        }
        None
    }
}

/// A page covers consecutive places: each is an event of it, or is named as withheld.
fn page_is_whole(page: &Stretch) -> Option<String> {
    let rising = page
        .events
        .iter()
        .zip(page.events.iter().skip(1))
        .all(|(a, b)| a.seq < b.seq);
    let inside = |seq: Seq| page.from <= seq && seq <= page.to;
    if !rising || !page.events.iter().all(|e| inside(e.seq)) {
        return Some(format!("wire: a page's events do not rise in it: {page:?}"));
    }
    if page.changes {
        return None;
    }
    let withheld: u64 = page
        .withheld
        .iter()
        .map(|w| (w.to.0 + 1).saturating_sub(w.from.0))
        .sum();
    let covered = (page.to.0 + 1).saturating_sub(page.from.0);
    (page.events.len() as u64 + withheld != covered).then(|| {
        format!(
            "wire: a page of {} from {:?} to {:?} has {} events and withholds {withheld}",
            page.conversation,
            page.from,
            page.to,
            page.events.len()
        )
    })
}
