//! What a connection needs, read from and written to the ports.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use parlour_engine::gateway::need::{Admit, Entry, Have, History, Need};
use parlour_engine::log::accept::setting_key;
use parlour_ports::{Error, roster};
use parlour_protocol::error::Code;
use parlour_protocol::id::{ConversationId, DeviceId, UserId};
use parlour_protocol::kind::{self, setting};
use parlour_protocol::seq::Seq;

use crate::ports::Ports;
use crate::telemetry;

/// Conversations read at once.
const INBOX: usize = 200;
/// Mail read at once.
const MAIL: usize = 64;
/// Members whose marks are read.
const MEMBERS: usize = 1_000;
/// Users whose rights are looked up at once.
const AT_ONCE: usize = 32;
/// Newer lists of devices that a refusal has room for, in bytes, beside the last.
const LISTS_BYTES: usize = 16_384;
/// Users that do not exist, of whom a refusal tells.
const NOBODY: usize = 5;

fn entry(e: roster::Entry) -> Entry {
    Entry {
        standing: e.standing,
        mark: e.mark,
        other: e.other,
        member: e.member,
        removed: e.removed,
        mentions: e.mentions,
    }
}

/// The code of a port's error, for whoever asked.
pub(crate) fn code(port: &'static str, error: &Error) -> Code {
    metrics::counter!(telemetry::PORT_FAILED, "port" => port).increment(1);
    tracing::warn!(%error, "a request met a port that failed");
    match error {
        Error::Unavailable { .. } | Error::Unknown { .. } => Code::UNAVAILABLE,
        Error::Full { .. } => Code::STORAGE_FULL,
        Error::Broken { .. } => Code::FAILED,
    }
}

/// Gets what is needed, for this user on this device.
///
/// # Errors
/// A code of the retry range.
pub(crate) async fn get(
    ports: &Ports,
    user: UserId,
    device: DeviceId,
    need: Need,
) -> Result<Have, Code> {
    answer(ports, user, device, need)
        .await
        .map_err(|e| code("gateway", &e))
}

async fn answer(ports: &Ports, user: UserId, device: DeviceId, need: Need) -> Result<Have, Error> {
    Ok(match need {
        Need::Admit {
            conversation,
            peer,
            named,
            lists,
        } => {
            let mut admit = admit(ports, user, conversation, peer, lists).await?;
            // Whoever is not in it is told so, and costs no more; what is not there is being made.
            let theirs = match &admit.entry {
                Some(entry) => entry.is_member(),
                None => !named.is_empty() && ports.roster.standing(conversation).await?.is_none(),
            };
            if theirs {
                admit.nobody = nobody(ports, named).await?;
            }
            Have::Admit(Box::new(admit))
        }
        Need::Inbox { after } => {
            let page = ports.roster.inbox(user, after, INBOX).await?;
            Have::Inbox(page.into_iter().map(entry).collect())
        }
        Need::Entry { conversation } => {
            let found = ports.roster.entry(user, conversation).await?;
            Have::Entry(found.map(|e| Box::new(entry(e))))
        }
        need @ Need::History { .. } => Have::History(history(ports, user, need).await?),
        Need::Marks { conversation } => {
            let users = members(ports, conversation).await?;
            Have::Marks(ports.roster.marks(conversation, users).await?)
        }
        Need::StoreMarks { marks } => Have::Stored(ports.roster.mark(user, marks).await?),
        Need::PutMail { mail } => {
            ports.keys.put(mail).await?;
            Have::Done
        }
        Need::Mail { after } => Have::Mail(ports.keys.mail(device, after, MAIL).await?),
        Need::AckMail { from } => {
            for (from, k) in from {
                ports.keys.acknowledge(device, from, k).await?;
            }
            Have::Done
        }
        Need::Rights { users } => Have::Rights(rights(ports, user, users).await?),
    })
}

/// Everyone in a direct or group conversation.
async fn members(ports: &Ports, conversation: ConversationId) -> Result<Vec<UserId>, Error> {
    let Some(standing) = ports.roster.standing(conversation).await? else {
        return Ok(Vec::new());
    };
    if let Some((a, b)) = standing.direct {
        return Ok(if a == b { vec![a] } else { vec![a, b] });
    }
    let members = ports.roster.members(conversation, None, MEMBERS).await?;
    Ok(members.into_iter().map(|(user, _, _)| user).collect())
}

/// A setting that is a switch: on if its value says something other than off.
fn is_on(settings: &[parlour_protocol::row::Setting], key: &str) -> bool {
    settings
        .iter()
        .find(|s| s.key == key)
        .and_then(|s| s.value.as_deref())
        .is_some_and(kind::is_on)
}

/// Of these users, the first few that do not exist. One who exists does so for ever.
async fn nobody(ports: &Ports, named: Vec<UserId>) -> Result<Vec<UserId>, Error> {
    let mut nobody = Vec::new();
    let mut each = stream::iter(named)
        .map(|user| async move {
            let found = ports.accounts.user(user).await?;
            Ok::<_, Error>(found.is_none().then_some(user))
        })
        .buffered(AT_ONCE);
    while let Some(one) = each.next().await {
        nobody.extend(one?);
        if nobody.len() == NOBODY {
            break;
        }
    }
    Ok(nobody)
}

async fn admit(
    ports: &Ports,
    user: UserId,
    conversation: ConversationId,
    peer: Option<UserId>,
    lists: Vec<(UserId, Seq)>,
) -> Result<Admit, Error> {
    let found = ports.roster.entry(user, conversation).await?.map(entry);
    let mut admit = Admit::default();
    let peer = peer.or_else(|| found.as_ref().and_then(|e| e.peer(user)));
    match peer {
        Some(peer) if peer == user => admit.peer_exists = true,
        Some(peer) => {
            admit.peer_exists = ports.accounts.user(peer).await?.is_some();
            let theirs = ports.history.settings(ConversationId::own(peer)).await?;
            let key = setting_key(kind::BLOCK, Some(&user.to_string()));
            admit.blocked = is_on(&theirs, &key);
        }
        None if found.as_ref().is_none_or(|e| !e.is_member()) => {
            let key = setting_key(kind::SETTING, Some(setting::JOIN));
            let settings = ports.history.settings(conversation).await?;
            admit.open = settings
                .iter()
                .any(|s| s.key == key && s.value.as_deref() == Some(setting::OPEN));
        }
        None => {}
    }
    admit.entry = found;
    if !lists.is_empty() {
        let stated: BTreeMap<UserId, Seq> = lists.iter().copied().collect();
        let users = stated.keys().copied().collect();
        let mut bytes = 0;
        for (user, version, list) in ports.keys.lists(users).await? {
            if stated.get(&user).is_some_and(|s| version > *s) {
                bytes += list.len();
                admit.newer_lists.push((user, version, list));
            }
            // The next try is told of the others.
            if bytes > LISTS_BYTES {
                break;
            }
        }
    }
    Ok(admit)
}

async fn history(ports: &Ports, user: UserId, need: Need) -> Result<Option<Box<History>>, Error> {
    let Need::History {
        conversation,
        after,
        before,
        newest,
        limit,
        changes_since,
    } = need
    else {
        return Ok(None);
    };
    let Some(found) = ports.roster.entry(user, conversation).await?.map(entry) else {
        return Ok(None);
    };
    let intervals = if found.standing.direct.is_some() {
        Vec::new()
    } else {
        ports.history.intervals(conversation, user).await?
    };
    let store = &ports.history;
    let mut got = History {
        entry: found,
        intervals,
        as_of: Default::default(),
        events: Vec::new(),
        changes: Vec::new(),
        erased: Vec::new(),
        more: false,
    };
    let Some(since) = changes_since else {
        let range = store
            .range(conversation, after, before, newest, limit)
            .await?;
        got.as_of = range.as_of;
        got.events = range.events;
        got.changes = range.changes;
        got.erased = range.erased;
        return Ok(Some(Box::new(got)));
    };
    // The head first: every change up to it is then in what follows.
    got.as_of = store
        .range(conversation, after, before, false, 0)
        .await?
        .as_of;
    let mut targets = store
        .changed(conversation, since, after, before, limit.saturating_add(1))
        .await?;
    got.more = targets.len() > limit;
    targets.truncate(limit);
    let mut next = targets.into_iter().peekable();
    while let Some(first) = next.next() {
        // Neighbours are read together.
        let mut last = first;
        while next.next_if_eq(&last.next()).is_some() {
            last = last.next();
        }
        let many = usize::try_from(last.0 - first.0 + 1).unwrap_or(limit);
        let range = store
            .range(conversation, first.prev(), last.next(), false, many)
            .await?;
        got.events.extend(range.events);
        got.changes.extend(range.changes);
        got.erased.extend(range.erased);
    }
    Ok(Some(Box::new(got)))
}

/// Of these users, those whose presence the watcher may see: who share a direct or group
/// conversation with them or have them as a contact, and have not blocked them.
async fn rights(ports: &Ports, watcher: UserId, users: Vec<UserId>) -> Result<Vec<UserId>, Error> {
    let mut may = Vec::new();
    let mut each = stream::iter(users)
        .map(|user| async move {
            if user == watcher {
                return Ok(Some(user));
            }
            let theirs = ports.history.settings(ConversationId::own(user)).await?;
            let of = |kind: &str| is_on(&theirs, &setting_key(kind, Some(&watcher.to_string())));
            if of(kind::BLOCK) {
                return Ok(None);
            }
            let may = of(kind::CONTACT) || ports.roster.share(watcher, user).await?;
            Ok::<_, Error>(may.then_some(user))
        })
        .buffered(AT_ONCE);
    while let Some(one) = each.next().await {
        may.extend(one?);
    }
    Ok(may)
}
