//! [`Kept`]: what the screen keeps from one run to the next: drafts, names, the open conversation.
//!
//! Promises: what is another user's is never given back, and what is another store's of the server
//! is left out.
//!
//! A file is whole or not there: it is written beside and moved into place, readable for
//! its owner alone. What cannot be read is as if it were not there; nothing else hangs on it.

use std::collections::BTreeMap;
use std::path::Path;

use parlour_sdk::protocol::{ConversationId, Seq, StoreId, UserId};
use serde::{Deserialize, Serialize};

use crate::people::Person;
use crate::unsent::Message;

const FILE: &str = "screen.json";

/// What the screen keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    /// Whose it is.
    pub(crate) user: Option<UserId>,
    /// Which store of the server the affairs are of.
    pub(crate) store: Option<StoreId>,
    pub(crate) names: BTreeMap<UserId, Person>,
    pub(crate) drafts: BTreeMap<ConversationId, String>,
    /// With whom those are that are between two: a chat that is not begun is known to nobody else.
    pub(crate) peers: BTreeMap<ConversationId, UserId>,
    pub(crate) open: Option<ConversationId>,
    /// One's own affairs: kind, key, where it was set last, and whether it is on.
    pub(crate) affairs: Vec<(String, String, Seq, bool)>,
}

impl Kept {
    /// What is kept in a folder of this user.
    pub(crate) fn read(folder: &Path, user: UserId) -> Self {
        Self::found(folder, |kept| kept.user == Some(user)).unwrap_or_else(|| Self::of(user))
    }

    /// The same, where the folder's store says that it is this user's: what was written before a
    /// file said whose it is, is theirs.
    pub(crate) fn read_own(folder: &Path, user: UserId) -> Self {
        let kept = Self::found(folder, |kept| kept.user.is_none_or(|u| u == user));
        Self {
            user: Some(user),
            ..kept.unwrap_or_default()
        }
    }

    fn found(folder: &Path, is_own: impl Fn(&Self) -> bool) -> Option<Self> {
        let bytes = std::fs::read(folder.join(FILE)).ok()?;
        let kept = serde_json::from_slice::<Self>(&bytes).ok()?;
        is_own(&kept).then_some(kept)
    }

    fn of(user: UserId) -> Self {
        Self {
            user: Some(user),
            ..Self::default()
        }
    }

    /// As it means something with this store of the server: places are of one store alone. What
    /// one wrote, and whom one knows, stays.
    pub(crate) fn with(mut self, store: Option<StoreId>) -> Self {
        if self.store != store {
            self.affairs.clear();
            self.store = store;
        }
        self
    }

    /// What was accepted for sending and cannot be sent any more goes back to where it was written,
    /// before what is being written there.
    pub(crate) fn take_back(&mut self, unsent: &[Message]) {
        let mut back: BTreeMap<ConversationId, Vec<&str>> = BTreeMap::new();
        for one in unsent {
            back.entry(one.conversation).or_default().push(&one.text);
            if let Some(peer) = one.peer {
                self.peers.insert(one.conversation, peer);
            }
        }
        for (conversation, texts) in back {
            let texts = texts.join("\n");
            let draft = self.drafts.entry(conversation).or_default();
            let rest = draft.strip_prefix(&texts);
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('\n')) {
                // It was taken back already, and nobody has logged in since.
                continue;
            }
            *draft = if draft.is_empty() {
                texts
            } else {
                format!("{texts}\n{draft}")
            };
        }
        self.open = self.open.or(unsent.first().map(|one| one.conversation));
    }

    /// Keeps it in a folder.
    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        crate::whole::write(&folder.join(FILE), &serde_json::to_vec(self)?).map(|_| ())
    }

    /// Keeps nothing any more.
    pub(crate) fn forget(folder: &Path) {
        crate::whole::remove(&folder.join(FILE));
    }

    /// Keeps nothing that does not say that it is this user's.
    pub(crate) fn forget_others(folder: &Path, user: UserId) {
        if Self::found(folder, |kept| kept.user == Some(user)).is_none() {
            Self::forget(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_sent_any_more_is_a_draft_again() {
        let [ada, ben, cid] = [b"ada", b"ben", b"cid"].map(|n| UserId::derived("test", &[n]));
        let (with_ben, with_cid) = (
            ConversationId::direct(ada, ben),
            ConversationId::direct(ada, cid),
        );
        let mut kept = Kept::of(ada);
        kept.drafts.insert(with_ben, "three".to_owned());
        let unsent = |conversation, peer, text: &str| Message {
            conversation,
            peer,
            text: text.to_owned(),
        };
        let all = [
            unsent(with_ben, None, "one"),
            unsent(with_cid, Some(cid), "four"),
            unsent(with_ben, Some(ben), "two"),
        ];
        kept.take_back(&all);
        // Whoever is told twice that they are out has it once.
        kept.take_back(&all);
        assert_eq!(kept.drafts[&with_ben], "one\ntwo\nthree");
        assert_eq!(kept.drafts[&with_cid], "four");
        assert_eq!((kept.peers[&with_ben], kept.peers[&with_cid]), (ben, cid));
        assert_eq!(kept.open, Some(with_ben));
    }

    #[test]
    fn what_is_another_s_is_not_given_back() {
        let folder = std::env::temp_dir().join(format!("parlour-kept-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (ada, ben) = (
            UserId::derived("test", &[b"ada"]),
            UserId::derived("test", &[b"ben"]),
        );
        let (one, two) = (StoreId::from_bytes([1; 16]), StoreId::from_bytes([2; 16]));
        let mut kept = Kept::read(&folder, ada);
        kept.store = Some(one);
        kept.drafts
            .insert(ConversationId::direct(ada, ben), "half".to_owned());
        kept.affairs
            .push(("block".to_owned(), ben.to_string(), Seq(7), true));
        kept.write(&folder).unwrap();
        assert_eq!(Kept::read(&folder, ada).with(Some(one)), kept);
        let other = Kept::read(&folder, ada).with(Some(two));
        assert_eq!((other.affairs.len(), other.drafts.len()), (0, 1));
        assert!(Kept::read(&folder, ben).drafts.is_empty());
        assert!(Kept::read_own(&folder, ben).drafts.is_empty());
        // A file from before it said whose it is: the folder's store says that.
        kept.user = None;
        kept.write(&folder).unwrap();
        assert!(Kept::read(&folder, ada).drafts.is_empty());
        let own = Kept::read_own(&folder, ada);
        assert_eq!((own.user, own.drafts.len()), (Some(ada), 1));
        own.write(&folder).unwrap();
        Kept::forget_others(&folder, ada);
        assert!(folder.join(FILE).exists());
        kept.write(&folder).unwrap();
        Kept::forget_others(&folder, ada);
        assert!(!folder.join(FILE).exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
