//! What every roster must do. It may be joined from history or kept by itself; the cases hold for
//! both.

use std::sync::Arc;

use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::{self, Role, Shape};
use parlour_protocol::roster::{self, Change};
use parlour_protocol::row::Row;
use parlour_protocol::seq::{Head, Mark, Seq};

use crate::roster::{Entry, Roster, memory};
use crate::suite::rows::{Maker, Store};
use crate::suite::{Bench, at_once, conversation, shuffled, user};

/// Makes a test of each case. The bench's part is a [`Store`].
#[macro_export]
macro_rules! roster_suite {
    ($bench:expr) => {
        $crate::suite_tests! { roster, $bench,
            things_stand_as_they_were_left
            changes_come_in_any_order_and_again
            an_inbox_comes_in_pages
            members_come_in_pages
            marks_only_go_up
            mentions_are_counted_exactly
            who_left_and_who_was_removed
            who_shares_a_conversation
            a_raised_head_stays_raised
        }
    };
}

fn head(seq: u64, n: u64) -> Head {
    Head { seq: Seq(seq), n }
}

async fn entry(store: &Store, user: UserId, c: ConversationId) -> Entry {
    let entry = store.roster.entry(user, c).await;
    entry
        .expect("an entry is answered")
        .expect("there is an entry")
}

/// The roster answers as the reference does that got the same changes.
async fn agree(store: &Store, model: &memory::State, c: ConversationId, users: &[UserId]) {
    let r = &store.roster;
    let standing = r.standing(c).await.expect("a standing is answered");
    assert_eq!(standing, model.standing(c));
    let members = r.members(c, None, 1_000).await.expect("members");
    assert_eq!(members, model.members(c, None, 1_000));
    for user in users {
        let found = r.entry(*user, c).await.expect("an entry is answered");
        let mut wanted = model.entry(*user, c);
        // Who is out is promised no head behind that, and may be told of one.
        if let (Some(found), Some(wanted)) = (&found, &mut wanted)
            && let Some(until) = found.member.and_then(|m| m.until)
        {
            assert!(found.standing.head.seq >= until.seq, "{user}");
            wanted.standing.head = found.standing.head;
        }
        assert_eq!(found, wanted, "{user}");
    }
    let marks = r.marks(c, users.to_vec()).await.expect("marks");
    assert_eq!(marks, model.marks(c, users));
}

/// Records of a group in which everything happens.
fn story(case: &str, number: u64) -> (Maker, Vec<UserId>, Vec<Vec<Row>>) {
    let users: Vec<UserId> = (0..4).map(|n| user(case, n)).collect();
    let (a, b, c, d) = (users[0], users[1], users[2], users[3]);
    let (mut m, rows) = Maker::new(case, number, Shape::Group, &[a, b]);
    let mut records = vec![rows];
    records.push(m.set(a, "name", "first"));
    records.push(m.say(a, &[b]));
    records.push(m.add(a, c));
    records.push(m.set(a, "topic", "of the day"));
    records.push(m.role(a, b, Role::Admin));
    records.push(m.say(b, &[UserId::NIL]));
    records.push(m.remove(b, c));
    records.push(m.add(b, d));
    records.push(m.set(b, "name", "second"));
    records.push(m.say(d, &[a, b]));
    records.push(m.remove(d, d));
    records.push(m.add(b, c));
    (m, users, records)
}

fn changes(m: &Maker, records: &[Vec<Row>]) -> Vec<Change> {
    let each = records.iter().map(|rows| {
        let mut changes = roster::changes(rows);
        changes.extend(m.raise(rows));
        changes
    });
    each.collect::<Vec<_>>().concat()
}

/// Things stand as they were left, over a restart.
pub async fn things_stand_as_they_were_left<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let (m, users, records) = story("stand", 0);
    for rows in &records {
        store.write(&m, rows).await;
    }
    let mark = Mark {
        delivered: head(5, 1),
        read: head(3, 1),
    };
    let told = store
        .roster
        .mark(users[1], vec![(m.conversation, mark)])
        .await;
    assert_eq!(told.expect("marks are stored"), [(m.conversation, mark)]);
    let store = bench.reopen(store).await;
    let mut model = memory::State::default();
    let changes = changes(&m, &records);
    changes.iter().for_each(|change| model.apply(change));
    model.mark(users[1], m.conversation, mark);
    agree(&store, &model, m.conversation, &users).await;
    // By hand, so that the reference is tried too.
    let b = entry(&store, users[1], m.conversation).await;
    assert_eq!(
        b.standing.name.as_ref().map(|(_, name)| name.as_str()),
        Some("second")
    );
    assert_eq!((b.standing.head, b.standing.members), (m.head, 3));
    assert_eq!(
        b.member.map(|m| (m.role, m.joined)),
        Some((Role::Admin, Seq(1)))
    );
    // After place 3: everyone at 7, and by name at 11.
    assert_eq!(b.mentions, 2);
    let nobody = store.roster.entry(user("stand", 99), m.conversation).await;
    assert_eq!(nobody.expect("an entry is answered"), None);
    let nothing = store.roster.standing(conversation("stand", 99)).await;
    assert_eq!(nothing.expect("a standing is answered"), None);
}

/// Changes come in any order, one by one or many at once, and again, through `apply` alone.
pub async fn changes_come_in_any_order_and_again<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    for seed in 0..8 {
        let (m, users, records) = story("any order", seed);
        let changes = changes(&m, &records);
        let mut model = memory::State::default();
        changes.iter().for_each(|change| model.apply(change));
        let other = shuffled(&changes, seed);
        for some in other.chunks(1 + seed as usize) {
            let apply = store.roster.apply(some.to_vec());
            apply.await.expect("changes are stored");
        }
        let again = store.roster.apply(shuffled(&changes, seed + 100));
        again.await.expect("changes are stored");
        agree(&store, &model, m.conversation, &users).await;
        // The events come last of all.
        store.write(&m, &records.concat()).await;
        agree(&store, &model, m.conversation, &users).await;
    }
}

/// An inbox comes in pages, rising, each conversation once, left ones and direct ones too.
pub async fn an_inbox_comes_in_pages<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let (a, b) = (user("inbox", 0), user("inbox", 1));
    let mut wanted = Vec::new();
    for number in 0..24 {
        let shape = if number % 3 == 0 {
            Shape::Channel
        } else {
            Shape::Group
        };
        let (mut m, rows) = Maker::new("inbox", number, shape, &[a, b]);
        store.write(&m, &rows).await;
        let rows = m.say(a, &[]);
        store.write(&m, &rows).await;
        if number % 4 == 0 {
            let rows = m.remove(a, b);
            store.write(&m, &rows).await;
        }
        wanted.push(m.conversation);
    }
    // Of somebody else's, nothing.
    let (other, rows) = Maker::new("inbox", 99, Shape::Group, &[a]);
    store.write(&other, &rows).await;
    let (direct, rows) = Maker::say_to("inbox direct", a, b);
    store.write(&direct, &rows).await;
    wanted.push(direct.conversation);
    wanted.sort();
    for limit in [1, 7, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.roster.inbox(b, after, limit).await;
            let page = page.expect("an inbox is answered");
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some(last.standing.conversation);
            for listed in page {
                let c = listed.standing.conversation;
                assert_eq!(listed, entry(&store, b, c).await);
                assert_eq!(listed.member.is_none(), c == direct.conversation);
                found.push(c);
            }
        }
        assert_eq!(found, wanted, "in pages of {limit}");
    }
    let direct = entry(&store, b, direct.conversation).await;
    assert_eq!(direct.standing.direct, Some((a.min(b), a.max(b))));
    assert_eq!(direct.other, Some(Mark::default()));
    assert_eq!(direct.standing.members, 2);
}

/// Members come in pages, rising; who went out is none, and a new role keeps where one joined.
pub async fn members_come_in_pages<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let users: Vec<UserId> = (0..60).map(|n| user("members", n)).collect();
    let (mut m, mut rows) = Maker::new("members", 0, Shape::Group, &users);
    for n in (10..40).step_by(3) {
        rows.extend(m.remove(users[0], users[n]));
    }
    rows.extend(m.role(users[0], users[1], Role::Admin));
    rows.extend(m.remove(users[0], users[2]));
    rows.extend(m.add(users[0], users[2]));
    let rejoined = m.head.seq;
    store.write(&m, &rows).await;
    let gone: Vec<UserId> = (10..40).step_by(3).map(|n| users[n]).collect();
    let mut wanted: Vec<(UserId, Role, Seq)> = users
        .iter()
        .filter(|user| !gone.contains(user))
        .map(|user| match users.iter().position(|u| u == user) {
            Some(0) => (*user, Role::Owner, Seq(1)),
            Some(1) => (*user, Role::Admin, Seq(1)),
            Some(2) => (*user, Role::Member, rejoined),
            _ => (*user, Role::Member, Seq(1)),
        })
        .collect();
    wanted.sort_by_key(|(user, _, _)| *user);
    for limit in [1, 7, 100] {
        let mut found: Vec<(UserId, Role, Seq)> = Vec::new();
        loop {
            let after = found.last().map(|(user, _, _)| *user);
            let page = store.roster.members(m.conversation, after, limit).await;
            let page = page.expect("members are answered");
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, wanted, "in pages of {limit}");
    }
}

/// Each field of a mark goes up alone, whoever writes, over a restart; the answer is what stands.
pub async fn marks_only_go_up<B: Bench<Part = Store>>(bench: &mut B) {
    let (store, other) = (bench.open().await, bench.open().await);
    let (a, b) = (user("marks", 0), user("marks", 1));
    let (mut m, mut rows) = Maker::new("marks", 0, Shape::Group, &[a, b]);
    for _ in 0..50 {
        rows.extend(m.say(a, &[]));
    }
    store.write(&m, &rows).await;
    let c = m.conversation;
    let mark = |delivered: u64, read: u64| Mark {
        delivered: head(delivered, delivered.saturating_sub(1)),
        read: head(read, read.saturating_sub(1)),
    };
    for (told, stands) in [
        (mark(9, 3), mark(9, 3)),
        (mark(4, 6), mark(9, 6)),
        (mark(9, 3), mark(9, 6)),
        (mark(1, 1), mark(9, 6)),
    ] {
        let answer = store.roster.mark(b, vec![(c, told)]).await;
        assert_eq!(answer.expect("marks are stored"), [(c, stands)]);
    }
    // From two nodes, in any order.
    let raises = shuffled(&(2..=40).collect::<Vec<u64>>(), 9);
    at_once(raises.into_iter().map(|n| {
        let roster: Arc<dyn Roster> = if n % 2 == 0 { &store } else { &other }.roster.clone();
        async move {
            let answer = roster.mark(b, vec![(c, mark(n, n / 2))]).await;
            let answer = answer.expect("marks are stored");
            let stands = answer[0].1;
            assert!(stands.delivered >= mark(n, 0).delivered, "{stands:?}");
            assert!(stands.read >= mark(0, n / 2).read, "{stands:?}");
        }
    }))
    .await;
    drop(other);
    let store = bench.reopen(store).await;
    let marks = store.roster.marks(c, vec![a, b]).await;
    let wanted = [(a, Mark::default()), (b, mark(40, 20))];
    assert_eq!(marks.expect("marks are answered"), wanted);
    assert_eq!(entry(&store, b, c).await.mark, mark(40, 20));
}

/// Mentions are counted from behind the read mark and from where one joined, up to where one left;
/// a message that names a user and everyone is one; rows that come again are none more.
pub async fn mentions_are_counted_exactly<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let (a, b, late) = (user("mention", 0), user("mention", 1), user("mention", 2));
    let all = UserId::NIL;
    let (mut m, mut rows) = Maker::new("mention", 0, Shape::Group, &[a, b]);
    let mut count = 0;
    for n in 0..30 {
        let whom: &[UserId] = match n % 5 {
            0 => &[b],
            1 => &[all],
            2 => &[b, all],
            3 => &[a],
            _ => &[],
        };
        rows.extend(m.say(a, whom));
        count += u32::from(n % 5 < 3);
        if n == 14 {
            rows.extend(m.add(a, late));
        }
    }
    for _ in 0..2 {
        store.write(&m, &rows).await;
    }
    let c = m.conversation;
    assert_eq!(entry(&store, b, c).await.mentions, count);
    // Who joined after the fifteenth is told of no mention of everyone before.
    assert_eq!(entry(&store, late, c).await.mentions, 6);
    // Places 2, 3 and 4 are mentions of the first five messages.
    let read = |seq: u64| {
        vec![(
            c,
            Mark {
                read: head(seq, seq - 1),
                ..Mark::default()
            },
        )]
    };
    for (seq, left) in [
        (2, count - 1),
        (3, count - 2),
        (6, count - 3),
        (3, count - 3),
    ] {
        let marked = store.roster.mark(b, read(seq)).await;
        marked.expect("marks are stored");
        assert_eq!(entry(&store, b, c).await.mentions, left, "read {seq}");
    }
    let mut more = m.remove(a, b);
    more.extend(m.say(a, &[b, all]));
    store.write(&m, &more).await;
    let store = bench.reopen(store).await;
    assert_eq!(
        entry(&store, b, c).await.mentions,
        count - 3,
        "after leaving"
    );
    let marked = store.roster.mark(b, read(m.head.seq.0)).await;
    marked.expect("marks are stored");
    assert_eq!(entry(&store, b, c).await.mentions, 0);
}

/// Whether one left or was removed, and where; who comes in again is in.
pub async fn who_left_and_who_was_removed<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let (a, b, c) = (user("left", 0), user("left", 1), user("left", 2));
    let (mut m, rows) = Maker::new("left", 0, Shape::Group, &[a, b, c]);
    store.write(&m, &rows).await;
    for rows in [m.remove(b, b), m.remove(a, c)] {
        store.write(&m, &rows).await;
    }
    for (user, place, removed) in [(b, 2, false), (c, 3, true)] {
        let entry = entry(&store, user, m.conversation).await;
        let until = entry.member.and_then(|m| m.until).map(|u| u.seq);
        assert_eq!((until, entry.removed), (Some(Seq(place)), removed));
    }
    // A late repetition of an earlier place takes nothing back.
    store.write(&m, &rows).await;
    assert!(entry(&store, c, m.conversation).await.removed);
    let rows = m.add(a, c);
    store.write(&m, &rows).await;
    let entry = entry(&store, c, m.conversation).await;
    assert_eq!(
        entry.member.map(|m| (m.until, m.joined)),
        Some((None, Seq(4)))
    );
    assert!(!entry.removed);
}

/// Two share a direct conversation, or a group that both are in: no channel, and none that one left.
pub async fn who_shares_a_conversation<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let users: Vec<UserId> = (0..6).map(|n| user("share", n)).collect();
    let (a, b, c, d, e, f) = (users[0], users[1], users[2], users[3], users[4], users[5]);
    let (mut group, rows) = Maker::new("share", 0, Shape::Group, &[a, b, c]);
    store.write(&group, &rows).await;
    let rows = group.remove(c, c);
    store.write(&group, &rows).await;
    let (channel, rows) = Maker::new("share", 1, Shape::Channel, &[a, d]);
    store.write(&channel, &rows).await;
    let (direct, rows) = Maker::say_to("share direct", a, e);
    store.write(&direct, &rows).await;
    for (other, shares) in [(b, true), (c, false), (d, false), (e, true), (f, false)] {
        for (one, two) in [(a, other), (other, a)] {
            let answer = store.roster.share(one, two).await;
            assert_eq!(answer.expect("an answer"), shares, "{one} {two}");
        }
    }
}

/// A raised head stays raised: an older raise that comes late lowers nothing.
pub async fn a_raised_head_stays_raised<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let (a, b) = (user("raise", 0), user("raise", 1));
    for (number, shape) in [(0, Shape::Group), (1, Shape::Channel)] {
        let (mut m, rows) = Maker::new("raise", number, shape, &[a, b]);
        let early = m.raise(&rows);
        store.write(&m, &rows).await;
        for _ in 0..3 {
            let rows = m.say(a, &[]);
            store.write(&m, &rows).await;
        }
        let late = store.roster.apply(early.into_iter().collect());
        late.await.expect("changes are stored");
        let other = bench.open().await;
        for user in [a, b] {
            let entry = entry(&other, user, m.conversation).await;
            assert_eq!(entry.standing.head, m.head);
        }
        let edit = m.alter(a, kind::EDIT, "", Seq(2));
        store.write(&m, &edit).await;
        let entry = entry(&store, b, m.conversation).await;
        assert_eq!(entry.standing.head, m.head);
    }
}
