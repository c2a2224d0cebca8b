//! [`People`]: what users are called, as far as it is known here.
//!
//! Promises: a name that comes out is harmless to a terminal, and short. Names are those of the
//! server, as old as the last time they were asked for.

use std::collections::{BTreeMap, BTreeSet};

use parlour_sdk::protocol::UserId;
use parlour_sdk::protocol::frame::server::UserPresence;
use parlour_sdk::protocol::http::Profile;
use serde::{Deserialize, Serialize};

use crate::{shown, text};

/// Cells of a name.
const NAME_MAX: usize = 32;
/// Names kept; more are forgotten, and asked for again.
const KEPT_MAX: usize = 10_000;

/// What one user is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    /// Unique, and what mentions are made of.
    pub(crate) name: String,
    /// What they want to be called.
    pub(crate) display: String,
}

/// What users are called, and who is here.
#[derive(Debug, Default)]
pub(crate) struct People {
    known: BTreeMap<UserId, Person>,
    /// Asked for and not answered, or answered without them.
    asked: BTreeSet<UserId>,
    presence: BTreeMap<UserId, UserPresence>,
}

impl People {
    pub(crate) fn restored(known: BTreeMap<UserId, Person>) -> Self {
        Self {
            known,
            ..Self::default()
        }
    }

    pub(crate) const fn kept(&self) -> &BTreeMap<UserId, Person> {
        &self.known
    }

    pub(crate) fn learn(&mut self, profiles: &[Profile]) {
        for p in profiles {
            if self.known.len() >= KEPT_MAX && !self.known.contains_key(&p.user) {
                self.known.pop_first();
            }
            let person = Person {
                name: p.name.clone(),
                display: p.display.clone(),
            };
            self.known.insert(p.user, person);
        }
    }

    /// This user is called so, as far as is known.
    pub(crate) fn is_called(&mut self, user: UserId, name: &str) {
        self.known.entry(user).or_insert_with(|| Person {
            name: name.to_owned(),
            display: name.to_owned(),
        });
    }

    /// Those of these who are not known and were not asked for: they count as asked for now.
    pub(crate) fn unasked(&mut self, users: impl IntoIterator<Item = UserId>) -> Vec<UserId> {
        let mut wanted = Vec::new();
        for user in users {
            if wanted.len() < 100 && !self.known.contains_key(&user) && self.asked.insert(user) {
                wanted.push(user);
            }
        }
        wanted
    }

    /// Whoever is not known may be asked for again.
    pub(crate) fn ask_again(&mut self) {
        self.asked.clear();
    }

    /// What they want to be called.
    pub(crate) fn name(&self, user: UserId) -> String {
        let Some(person) = self.known.get(&user) else {
            return format!("user {:06x}", user.low32() & 0xff_ffff);
        };
        let name = if person.display.trim().is_empty() {
            &person.name
        } else {
            &person.display
        };
        text::cut(&shown::name(name), NAME_MAX)
    }

    /// Both names where they differ: nobody can be taken for another.
    pub(crate) fn full_name(&self, user: UserId) -> String {
        let shown = self.name(user);
        let handle = self.handle(user).map(shown::name);
        match handle.map(|h| text::cut(&h, NAME_MAX)) {
            Some(handle) if handle != shown => format!("{shown} (@{handle})"),
            _ => shown,
        }
    }

    /// The unique name.
    pub(crate) fn handle(&self, user: UserId) -> Option<&str> {
        self.known.get(&user).map(|p| p.name.as_str())
    }

    pub(crate) fn present(&mut self, users: Vec<UserPresence>) {
        for p in users {
            self.presence.insert(p.user, p);
        }
    }

    /// Nothing is known of who is here: the connection is gone.
    pub(crate) fn absent(&mut self) {
        self.presence.clear();
    }

    pub(crate) fn presence(&self, user: UserId) -> Option<&UserPresence> {
        self.presence.get(&user)
    }
}
