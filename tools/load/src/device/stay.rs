//! A person's device in a channel, from opening it until going: what it is held to.
//!
//! Promises: it leaves on the server what was said before the page that it opened with, and nothing
//! else. A connection that was away for long may leave holes above that page, as a client on a
//! screen does; before it goes it scrolls back through them, and then it has everything.

use parlour_sdk::core::saved::Stretch;
use parlour_sdk::protocol::frame::Ref;
use parlour_sdk::protocol::frame::client::History;
use parlour_sdk::protocol::{ConversationId, Seq};

/// One stay.
#[derive(Clone, Debug)]
pub(crate) struct Stay {
    /// The channel.
    pub(crate) channel: ConversationId,
    had: Seq,
    /// The first place of what it opened with.
    opened: Option<Seq>,
    /// The question that is on its way, until it has opened.
    question: Option<Ref>,
    /// Whether it scrolls back.
    scrolls: bool,
}

impl Stay {
    /// It was here before and had read up to `had`, or zero.
    pub(crate) const fn new(channel: ConversationId, had: Seq) -> Self {
        Self {
            channel,
            had,
            opened: None,
            question: None,
            scrolls: false,
        }
    }

    /// The device asks for history.
    pub(crate) fn asks(&mut self, ask: &History) {
        if ask.conversation == self.channel && self.opened.is_none() {
            self.question = Some(ask.r#ref);
        }
    }

    /// Whether this answers its first question. Ask before the device sees the answer: it may have
    /// the next question at once.
    pub(crate) fn opens(&mut self, r#ref: Ref) -> bool {
        self.question.take_if(|q| *q == r#ref).is_some()
    }

    /// Its first question was answered, and `held` is what it holds now. Gives the places that it
    /// leaves on the server, if any.
    pub(crate) fn opened(&mut self, held: &[Stretch]) -> Option<(Seq, Seq)> {
        let from = held.last()?.from;
        self.opened = Some(from);
        let left = (self.had.next(), from.prev());
        (left.0 <= left.1).then_some(left)
    }

    /// The first place that it must have. Who got everything as it came never asked for any.
    pub(crate) fn from(&self) -> Seq {
        self.opened.unwrap_or_else(|| self.had.next())
    }

    /// From now on it scrolls back to where it opened.
    pub(crate) const fn scroll(&mut self) {
        self.scrolls = true;
    }

    /// Whether it scrolls back and is not there yet.
    pub(crate) fn is_scrolling(&self, held: &[Stretch]) -> bool {
        let top = held.last().map_or(Seq::MAX, |s| s.from);
        self.scrolls && top > self.from()
    }
}

#[cfg(test)]
mod tests {
    use super::Stay;
    use parlour_sdk::core::saved::Stretch;
    use parlour_sdk::protocol::frame::client::History;
    use parlour_sdk::protocol::{ConversationId, Seq};

    const CHANNEL: ConversationId = ConversationId::from_bytes([7; 16]);

    fn asks(stay: &mut Stay, r#ref: u64) {
        stay.asks(&History {
            r#ref,
            conversation: CHANNEL,
            before: None,
            after: None,
            changes_since: None,
            limit: Some(100),
        });
    }

    fn held(of: &[(u64, u64)]) -> Vec<Stretch> {
        let stretch = |&(from, to): &(u64, u64)| Stretch {
            from: Seq(from),
            to: Seq(to),
            as_of: Seq(to),
        };
        of.iter().map(stretch).collect()
    }

    #[test]
    fn it_leaves_what_lies_before_the_page_it_opened_with() {
        let mut stay = Stay::new(CHANNEL, Seq(40));
        asks(&mut stay, 1);
        assert!(!stay.opens(2));
        assert!(stay.opens(1));
        let left = stay.opened(&held(&[(12, 14), (901, 1_000)]));
        assert_eq!(left, Some((Seq(41), Seq(900))));
        assert_eq!(stay.from(), Seq(901));
        // Later questions open nothing.
        asks(&mut stay, 3);
        assert!(!stay.opens(3));
    }

    #[test]
    fn it_leaves_nothing_that_it_had() {
        let mut stay = Stay::new(CHANNEL, Seq(950));
        asks(&mut stay, 1);
        assert!(stay.opens(1));
        assert_eq!(stay.opened(&held(&[(901, 1_000)])), None);
        assert_eq!(stay.from(), Seq(901));
    }

    #[test]
    fn who_never_asked_must_have_everything_since() {
        let mut stay = Stay::new(CHANNEL, Seq::ZERO);
        assert_eq!(stay.from(), Seq(1));
        stay.scroll();
        assert!(!stay.is_scrolling(&held(&[(1, 12)])));
        assert!(stay.is_scrolling(&held(&[(4, 12)])));
    }

    #[test]
    fn it_scrolls_back_to_where_it_opened() {
        let mut stay = Stay::new(CHANNEL, Seq::ZERO);
        asks(&mut stay, 1);
        assert!(stay.opens(1));
        stay.opened(&held(&[(101, 200)]));
        let holes = held(&[(101, 200), (301, 400)]);
        assert!(!stay.is_scrolling(&holes));
        stay.scroll();
        assert!(stay.is_scrolling(&holes));
        assert!(!stay.is_scrolling(&held(&[(101, 400)])));
        assert!(stay.is_scrolling(&[]));
    }
}
