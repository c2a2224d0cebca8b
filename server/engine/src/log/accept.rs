//! The rules of acceptance, number 1: whether a record becomes an event, and what it changes.
//!
//! A rule that changes needs a new number beside this one (decision 3): nodes one version apart
//! must store identical rows. Kinds named here are fixed for number 1 too; a kind that is not named
//! is judged by its class alone. Limits here are part of the rules and not of configuration.

use parlour_protocol::error::Code;
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::{self, Class, HistoryRule, Role, Shape, setting};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::position::Position;
use parlour_protocol::record::{Header, Named};
use parlour_protocol::row::{Carried, Edge, Interval};
use parlour_protocol::seq::Seq;

use crate::log::memory::Conversation;

/// Members of a group, by rules number 1.
pub const GROUP_MEMBERS: u32 = 500;

/// What an accepted record changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Its place.
    pub seq: Seq,
    /// What its event carries forward.
    pub carried: Carried,
    /// Memberships that it ends and begins, in that order per user.
    pub intervals: Vec<Interval>,
}

/// The key of a setting's row.
#[must_use]
pub fn setting_key(kind: &str, key: Option<&str>) -> String {
    match key {
        Some(key) => format!("{kind}:{key}"),
        None => kind.to_owned(),
    }
}

/// Judges a record that is no retry, is not given up, and was not refused by its gateway.
///
/// # Errors
/// The code of its final refusal.
pub fn accept(h: &Header, position: Position, c: &Conversation) -> Result<Effect, Code> {
    decide(h, position, c).map_err(|code| {
        // One who never was in it gets the same answer whether it is there or not, and whatever
        // they asked for. Who makes a conversation learns that its id is taken.
        let outside = h.create.is_none() && c.member(h.sender).is_none();
        match h.stranger {
            Some(true) if outside => Code::NOT_FOUND,
            _ => code,
        }
    })
}

fn decide(h: &Header, position: Position, c: &Conversation) -> Result<Effect, Code> {
    let seq = if planted(Mutant::SeqFromClock) {
        Seq(h.time_ms)
    } else {
        c.head.map_or(Seq(1), |(seq, _)| seq.next())
    };
    let shape = match h.peer {
        Some(peer) => {
            if ConversationId::direct(h.sender, peer) != h.conversation
                || c.shape().is_some_and(|s| s != Shape::Direct)
            {
                return Err(Code::BAD_CONVERSATION);
            }
            Shape::Direct
        }
        None => match (c.shape(), &h.create) {
            (Some(Shape::Direct), _) => return Err(Code::BAD_CONVERSATION),
            (Some(_), Some(_)) => return Err(Code::EXISTS),
            (Some(shape), None) => shape,
            (None, Some(create)) if create.shape != Shape::Direct && h.kind == kind::CREATE => {
                create.shape
            }
            (None, Some(_)) => return Err(Code::BAD_CONVERSATION),
            (None, None) => return Err(Code::NOT_FOUND),
        },
    };
    let judge = Judge {
        h,
        c,
        position,
        seq,
        shape,
    };
    let (members, intervals) = match (h.class, shape) {
        (Class::Cancel, _) => return Err(Code::CANCELLED),
        (Class::Membership, Shape::Direct) => return Err(Code::NOT_ALLOWED_HERE),
        (Class::Membership, _) => judge.membership()?,
        (class, Shape::Direct) => {
            match class {
                Class::Setting if h.peer != Some(h.sender) => return Err(Code::NOT_ALLOWED_HERE),
                Class::Setting => judge.base()?,
                Class::Change => judge.change(Role::Member, Seq::ZERO)?,
                Class::Content | Class::Membership | Class::Cancel => {}
            }
            (if h.peer == Some(h.sender) { 1 } else { 2 }, Vec::new())
        }
        (Class::Content, _) if planted(Mutant::NonMembersAct) => (judge.members(), Vec::new()),
        (class, _) => {
            let member = judge.sender()?;
            match class {
                Class::Content => {
                    if c.setting(&setting_key(kind::SETTING, Some(setting::POST)))
                        == Some(setting::ADMINS)
                        && member.role < Role::Admin
                    {
                        return Err(Code::FORBIDDEN);
                    }
                }
                Class::Change => judge.change(member.role, judge.readable_from(member))?,
                Class::Setting => {
                    if member.role < Role::Admin {
                        return Err(Code::FORBIDDEN);
                    }
                    judge.base()?;
                }
                Class::Membership | Class::Cancel => {}
            }
            (judge.members(), Vec::new())
        }
    };
    // What is answered, or whose thread it is, is there before it.
    let names = [h.reply_to, h.thread].into_iter().flatten();
    if h.class == Class::Content && names.into_iter().any(|place| place >= seq) {
        return Err(Code::SEQ_AHEAD);
    }
    let quiet = shape == Shape::Channel && h.class == Class::Membership && h.kind != kind::CREATE;
    let counts = h.class == Class::Content || planted(Mutant::CountsEverything);
    let n = c.head.map_or(0, |(_, carried)| carried.n) + u64::from(counts);
    let prev = match c.head {
        None => Seq::ZERO,
        Some((_, carried)) if carried.quiet && !planted(Mutant::PrevNamesQuiet) => carried.prev,
        Some((seq, _)) => seq,
    };
    let history = match (c.head, &h.create) {
        (Some((_, carried)), _) => carried.history,
        (None, Some(create)) => create.history,
        (None, None) => HistoryRule::All,
    };
    let intervals = intervals
        .into_iter()
        .map(|mut i| {
            if i.joined == seq {
                i.n = n;
            }
            i
        })
        .collect();
    Ok(Effect {
        seq,
        carried: Carried {
            n,
            prev,
            members,
            shape,
            history,
            quiet,
        },
        intervals,
    })
}

struct Judge<'a> {
    h: &'a Header,
    c: &'a Conversation,
    position: Position,
    seq: Seq,
    shape: Shape,
}

impl Judge<'_> {
    fn members(&self) -> u32 {
        self.c.head.map_or(0, |(_, carried)| carried.members)
    }

    /// The sender's membership, which lets them act at this place: from < s.
    fn sender(&self) -> Result<&Interval, Code> {
        self.c
            .member(self.h.sender)
            .filter(|i| i.acts(self.seq))
            .ok_or(Code::NOT_MEMBER)
    }

    fn readable_from(&self, member: &Interval) -> Seq {
        match self.c.head.map(|(_, carried)| carried.history) {
            Some(HistoryRule::FromJoin) => member.joined,
            _ => Seq::ZERO,
        }
    }

    fn base(&self) -> Result<(), Code> {
        let key = setting_key(&self.h.kind, self.h.key.as_deref());
        match self.h.base {
            Some(base) if base != self.c.setting_seq(&key) => Err(Code::BASE_CHANGED),
            _ => Ok(()),
        }
    }

    fn change(&self, role: Role, readable_from: Seq) -> Result<(), Code> {
        let target = self.h.target.ok_or(Code::NO_TARGET)?;
        if target < readable_from || target >= self.seq {
            return Err(Code::NO_TARGET);
        }
        let found = self.c.target(target).ok_or(Code::NO_TARGET)?;
        if found.class != Class::Content {
            return Err(Code::NO_TARGET);
        }
        if found.erased {
            return Err(Code::DELETED);
        }
        let own = found.sender == self.h.sender;
        let allowed = match self.h.kind.as_str() {
            kind::EDIT => own,
            kind::DELETE => own || role >= Role::Admin,
            kind::PIN => self.shape != Shape::Channel || role >= Role::Admin,
            _ => true,
        };
        if allowed {
            Ok(())
        } else {
            Err(Code::FORBIDDEN)
        }
    }

    fn membership(&self) -> Result<(u32, Vec<Interval>), Code> {
        match self.h.kind.as_str() {
            kind::CREATE => self.create(),
            kind::ADD => self.add(),
            kind::JOIN => self.join(),
            kind::LEAVE => {
                let member = *self.sender()?;
                Ok((self.members().saturating_sub(1), vec![self.end(member)]))
            }
            kind::REMOVE => self.remove(),
            kind::ROLE => self.role(),
            _ => Err(Code::UNKNOWN_KIND),
        }
    }

    /// The users named, each once, in the order of the record.
    fn named(&self) -> Vec<Named> {
        let mut seen = std::collections::BTreeSet::new();
        self.h
            .named
            .iter()
            .filter(|n| seen.insert(n.user))
            .copied()
            .collect()
    }

    fn begin(&self, user: UserId, role: Role) -> Interval {
        Interval {
            conversation: self.h.conversation,
            user,
            from: Edge {
                seq: self.seq,
                position: self.position,
            },
            until: None,
            role,
            n: 0,
            joined: self.seq,
        }
    }

    fn end(&self, mut member: Interval) -> Interval {
        member.until = Some(Edge {
            seq: self.seq,
            position: self.position,
        });
        member
    }

    fn room_for(&self, members: u32) -> Result<u32, Code> {
        if self.shape == Shape::Group && members > GROUP_MEMBERS {
            Err(Code::GROUP_FULL)
        } else {
            Ok(members)
        }
    }

    fn create(&self) -> Result<(u32, Vec<Interval>), Code> {
        if self.c.head.is_some() {
            return Err(Code::EXISTS);
        }
        if self.h.create.is_none() {
            return Err(Code::NOT_FOUND);
        }
        let mut intervals = vec![self.begin(self.h.sender, Role::Owner)];
        intervals.extend(
            self.named()
                .into_iter()
                .filter(|n| n.user != self.h.sender)
                .map(|n| self.begin(n.user, n.role)),
        );
        let members = self.room_for(u32::try_from(intervals.len()).unwrap_or(u32::MAX))?;
        Ok((members, intervals))
    }

    fn add(&self) -> Result<(u32, Vec<Interval>), Code> {
        let sender = self.sender()?;
        let who = self
            .c
            .setting(&setting_key(kind::SETTING, Some(setting::ADD)));
        let by_admins = match who {
            Some(who) => who == setting::ADMINS,
            None => self.shape == Shape::Channel,
        };
        if by_admins && sender.role < Role::Admin {
            return Err(Code::FORBIDDEN);
        }
        let mut intervals = Vec::new();
        for named in self.named() {
            if named.role > sender.role {
                return Err(Code::FORBIDDEN);
            }
            if self.c.member(named.user).is_none() {
                intervals.push(self.begin(named.user, named.role));
            }
        }
        if intervals.is_empty() {
            return Err(Code::EXISTS);
        }
        let more = u32::try_from(intervals.len()).unwrap_or(u32::MAX);
        Ok((
            self.room_for(self.members().saturating_add(more))?,
            intervals,
        ))
    }

    fn join(&self) -> Result<(u32, Vec<Interval>), Code> {
        if self.c.head.is_none() {
            return Err(Code::NOT_FOUND);
        }
        if self.c.member(self.h.sender).is_some() {
            return Err(Code::EXISTS);
        }
        if self
            .c
            .setting(&setting_key(kind::SETTING, Some(setting::JOIN)))
            != Some(setting::OPEN)
        {
            return Err(Code::FORBIDDEN);
        }
        let members = self.room_for(self.members().saturating_add(1))?;
        Ok((members, vec![self.begin(self.h.sender, Role::Member)]))
    }

    fn remove(&self) -> Result<(u32, Vec<Interval>), Code> {
        let sender = self.sender()?;
        let mut intervals = Vec::new();
        for named in self.named() {
            let Some(member) = self.c.member(named.user) else {
                continue;
            };
            let allowed = sender.role == Role::Owner
                || (sender.role >= Role::Admin && member.role < sender.role);
            if !allowed {
                return Err(Code::FORBIDDEN);
            }
            if planted(Mutant::RemovedStay) {
                return Ok((self.members().saturating_sub(1), Vec::new()));
            }
            intervals.push(self.end(*member));
        }
        if intervals.is_empty() {
            return Err(Code::CONFLICT);
        }
        let fewer = u32::try_from(intervals.len()).unwrap_or(u32::MAX);
        Ok((self.members().saturating_sub(fewer), intervals))
    }

    fn role(&self) -> Result<(u32, Vec<Interval>), Code> {
        let sender = self.sender()?;
        let mut intervals = Vec::new();
        for named in self.named() {
            let Some(member) = self.c.member(named.user) else {
                continue;
            };
            if member.role == named.role {
                continue;
            }
            let own_down = named.user == self.h.sender && named.role < sender.role;
            let allowed = own_down
                || sender.role == Role::Owner
                || (sender.role >= Role::Admin
                    && member.role < sender.role
                    && named.role <= sender.role);
            if !allowed {
                return Err(Code::FORBIDDEN);
            }
            intervals.push(self.end(*member));
            let (n, joined) = (member.n, member.joined);
            intervals.push(Interval {
                n,
                joined,
                ..self.begin(named.user, named.role)
            });
        }
        if intervals.is_empty() {
            return Err(Code::CONFLICT);
        }
        Ok((self.members(), intervals))
    }
}
