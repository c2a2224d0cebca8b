//! How the open conversation stands, as its page needs it: members, roles, settings, one's own
//! affairs. Asks for nothing, changes nothing.

use parlour_sdk::protocol::kind::{self, Role, Shape, setting};
use parlour_sdk::protocol::{ConversationId, UserId};

use super::Page;
use crate::model::Model;

/// Of more members no list is whole.
pub(crate) const MEMBERS_LISTED_MAX: u32 = 500;

impl Model {
    /// A setting of the open conversation, as far as it is known.
    pub(crate) fn rule(&self, key: &str) -> Option<&str> {
        let rule = self.chat.as_ref()?.rules.get(key)?;
        Some(rule.1.as_str())
    }

    /// Whether one is a member who may read, and not write.
    pub(crate) fn only_reads(&self) -> bool {
        self.is_group()
            && self.my_role() < Role::Admin
            && self.rule(setting::POST) == Some(setting::ADMINS)
    }

    /// Whether a conversation is muted.
    pub(crate) fn is_muted(&self, conversation: ConversationId) -> bool {
        self.is_on(kind::MUTE, conversation.to_string())
    }

    /// Whether one has blocked a user.
    pub(crate) fn is_blocked(&self, user: UserId) -> bool {
        self.is_on(kind::BLOCK, user.to_string())
    }

    fn is_on(&self, kind: &str, key: String) -> bool {
        let key = (kind.to_owned(), key);
        match self.affairs.underway.get(&key) {
            Some(on) => *on,
            None => self.affairs.set.get(&key).is_some_and(|(_, on)| *on),
        }
    }

    /// The members as they stand on the page: owners first, then by name.
    pub(crate) fn members_listed(&self) -> Option<Vec<(UserId, Role)>> {
        if self.is_group() && self.is_out() {
            // Those known are of before.
            return None;
        }
        let chat = self.chat.as_ref()?;
        let mut users: Vec<(UserId, Role)> = match (&chat.members, chat.peer) {
            (Some(members), _) => members.iter().map(|m| (m.user, m.role)).collect(),
            (None, Some(peer)) => {
                let me = self.me.as_ref().map(|me| me.user).filter(|me| *me != peer);
                let both = me.into_iter().chain([peer]);
                both.map(|u| (u, Role::Member)).collect()
            }
            (None, None) => return None,
        };
        users.sort_by_cached_key(|(u, role)| {
            let name = self.people.name(*u).to_lowercase();
            (std::cmp::Reverse(*role), name, *u)
        });
        Some(users)
    }

    /// The member that the page points at: the first as long as none was chosen. Of one who left
    /// meanwhile it is nobody, and never another.
    pub(crate) fn member_chosen(&self, page: &Page) -> Option<(UserId, Role)> {
        let members = self.members_listed()?;
        match page.chosen {
            Some(user) => members.into_iter().find(|(u, _)| *u == user),
            None => members.into_iter().next(),
        }
    }

    /// How many members the open conversation has. Of channels nobody is told who comes and goes:
    /// what was asked for last is nearer the truth.
    pub(crate) fn member_count(&self) -> u32 {
        let told = self.open_summary().map_or(0, |s| s.members);
        let listed = self.chat.as_ref().and_then(|c| c.members.as_ref());
        let listed = listed.and_then(|m| u32::try_from(m.len()).ok());
        match listed {
            Some(listed) if self.is_channel() && listed < MEMBERS_LISTED_MAX => listed,
            _ => told,
        }
    }

    pub(crate) fn my_role(&self) -> Role {
        self.open_summary().map(|s| s.role).unwrap_or_default()
    }

    pub(crate) fn is_channel(&self) -> bool {
        self.open_summary().and_then(|s| s.shape) == Some(Shape::Channel)
    }

    /// Whether one may give a member another role, or remove them.
    pub(crate) fn is_over(&self, user: UserId, role: Role) -> bool {
        let mine = self.my_role();
        !self.is_me(user) && (mine == Role::Owner || (mine == Role::Admin && role < mine))
    }
}
