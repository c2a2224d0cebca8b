//! What every account store must do: what happens once happens once under any race, and what is
//! revoked stays so.

use std::sync::Arc;

use parlour_protocol::http::{Scope, UserType};

use crate::accounts::{Accounts, Device, Holder, Invitations, Made, NAME_BYTES_MAX, User};
use crate::suite::{self, Bench, at_once, device, hash};

/// Accounts and invitations of one store.
#[derive(Clone)]
pub struct Door {
    /// Who may speak for whom.
    pub accounts: Arc<dyn Accounts>,
    /// Who may come in.
    pub invitations: Arc<dyn Invitations>,
}

/// Makes a test of each case. The bench's part is a [`Door`].
#[macro_export]
macro_rules! accounts_suite {
    ($bench:expr) => {
        $crate::suite_tests! { accounts, $bench,
            a_name_is_given_once
            making_a_user_again_is_making_it_once
            of_changes_at_once_one_holds
            a_renamed_user_leaves_the_name_behind
            users_are_found_by_how_they_begin
            a_name_too_long_for_any_key_is_nobodys
            a_user_has_no_more_devices_than_may_be
            a_token_leads_to_its_device_alone
            revocations_are_numbered
            a_revocation_beats_its_token_whichever_clock_is_ahead
            an_invitation_is_used_no_oftener_than_said
            an_invitation_expires_by_the_clock_that_is_given
            accounts_survive_a_restart
        }
    };
}

fn user(case: &str, n: u64, name: &str) -> User {
    User {
        user: suite::user(case, n),
        // Names are unique in a store: each case has its own.
        name: format!("{case}-{name}"),
        display: name.to_owned(),
        kind: UserType::Person,
        status: None,
        password: Some("$argon2id$".to_owned()),
        version: 0,
    }
}

fn login(case: &str, of: u64, n: u64) -> Device {
    Device {
        device: device(case, n),
        user: suite::user(case, of),
        name: format!("device {n}"),
        token_hash: hash(case, n),
        scopes: vec![Scope::Full, Scope::Import],
        created_ms: 1_700_000_000_000 + n,
    }
}

async fn create(door: &Door, user: User) -> Made {
    let made = door.accounts.create(user).await;
    made.expect("making a user is answered")
}

async fn add(door: &Door, device: Device, max: usize) -> Made {
    let made = door.accounts.add_device(device, max).await;
    made.expect("making a device is answered")
}

async fn holder(door: &Door, hash: [u8; 32]) -> Holder {
    let holder = door.accounts.verify(hash).await;
    holder.expect("a token is answered")
}

async fn verify(door: &Door, hash: [u8; 32]) -> Option<Device> {
    holder(door, hash).await.device()
}

/// A name is given once, without regard to case, however many ask at once.
pub async fn a_name_is_given_once<B: Bench<Part = Door>>(bench: &mut B) {
    let doors = [bench.open().await, bench.open().await];
    let case = "name";
    let calls = (0..48).map(|n| {
        let door = doors[n % 2].clone();
        let name = ["Ada", "ada", "ADA", "aDa"][n % 4];
        async move { create(&door, user(case, n as u64, name)).await }
    });
    let made = at_once(calls.collect::<Vec<_>>()).await;
    let won: Vec<usize> = (0..48).filter(|n| made[*n] == Made::Yes).collect();
    assert_eq!(won.len(), 1, "{made:?}");
    assert!(made.iter().all(|m| matches!(m, Made::Yes | Made::Taken)));
    let found = doors[0].accounts.find("NAME-ADA", true, 9).await;
    let found = found.expect("users are found");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].user, suite::user(case, won[0] as u64));
}

/// Making the same user again, as after an answer that was lost, is `Yes` and changes nothing.
pub async fn making_a_user_again_is_making_it_once<B: Bench<Part = Door>>(bench: &mut B) {
    let door = bench.open().await;
    let case = "again";
    let ada = user(case, 0, "Ada");
    for _ in 0..3 {
        assert_eq!(create(&door, ada.clone()).await, Made::Yes);
    }
    // The same id under another name is another thing.
    assert_eq!(create(&door, user(case, 0, "bob")).await, Made::Taken);
    assert_eq!(create(&door, user(case, 1, "ADA")).await, Made::Taken);
    let there = door.accounts.user(ada.user).await;
    assert_eq!(there.expect("a user is answered"), Some(ada));
    let bob = door.accounts.find("again-bob", true, 9).await;
    assert_eq!(bob.expect("users are found"), []);
    let nobody = door.accounts.user(suite::user(case, 9)).await;
    assert_eq!(nobody.expect("a user is answered"), None);
}

/// Of changes to the same version one holds, and raises it.
pub async fn of_changes_at_once_one_holds<B: Bench<Part = Door>>(bench: &mut B) {
    let doors = [bench.open().await, bench.open().await];
    let case = "change";
    let ada = user(case, 0, "ada");
    create(&doors[0], ada.clone()).await;
    for version in 0..5 {
        let calls = (0..16).map(|n| {
            let door = doors[n % 2].clone();
            let mut new = ada.clone();
            new.version = version;
            new.display = format!("{version} by {n}");
            async move {
                let changed = door.accounts.change(new).await;
                changed.expect("a change is answered")
            }
        });
        let held = at_once(calls.collect::<Vec<_>>()).await;
        let won: Vec<usize> = (0..16).filter(|n| held[*n]).collect();
        assert_eq!(won.len(), 1, "version {version}");
        let there = doors[1].accounts.user(ada.user).await;
        let there = there.expect("a user is answered").expect("she is there");
        assert_eq!(there.version, version + 1);
        assert_eq!(there.display, format!("{version} by {}", won[0]));
    }
    let ghost = doors[0].accounts.change(user(case, 9, "ghost")).await;
    assert!(!ghost.expect("a change is answered"));
}

/// A renamed user is found by the new name; the old one is free; a name that is taken stays so.
pub async fn a_renamed_user_leaves_the_name_behind<B: Bench<Part = Door>>(bench: &mut B) {
    let door = bench.open().await;
    let case = "rename";
    let (ada, bob) = (user(case, 0, "ada"), user(case, 1, "bob"));
    create(&door, ada.clone()).await;
    create(&door, bob.clone()).await;
    let rename = |name: &str, version| User {
        name: format!("{case}-{name}"),
        version,
        ..ada.clone()
    };
    for (name, version, holds) in [("BOB", 0, false), ("eve", 0, true), ("EVE", 1, true)] {
        let changed = door.accounts.change(rename(name, version)).await;
        assert_eq!(changed.expect("a change is answered"), holds, "{name}");
    }
    let exact = |name: &'static str| {
        let accounts = door.accounts.clone();
        async move {
            let found = accounts.find(name, true, 9).await;
            let found = found.expect("users are found");
            found.iter().map(|u| u.user).collect::<Vec<_>>()
        }
    };
    assert_eq!(exact("rename-eve").await, [ada.user]);
    assert_eq!(exact("rename-ada").await, []);
    assert_eq!(exact("rename-bob").await, [bob.user]);
    assert_eq!(create(&door, user(case, 2, "Ada")).await, Made::Yes);
}

/// Users are found by how their names begin, rising, so many as asked for.
pub async fn users_are_found_by_how_they_begin<B: Bench<Part = Door>>(bench: &mut B) {
    let door = bench.open().await;
    let case = "find";
    for (n, name) in (0..).zip(["anna", "ANN", "annabel", "bert", "an", "Anton"]) {
        create(&door, user(case, n, name)).await;
    }
    for (begin, exact, limit, wanted) in [
        (
            "find-ann",
            false,
            9,
            vec!["find-ANN", "find-anna", "find-annabel"],
        ),
        ("FIND-ANN", false, 2, vec!["find-ANN", "find-anna"]),
        ("find-ann", true, 9, vec!["find-ANN"]),
        ("find-c", false, 9, vec![]),
        ("find-ber", true, 9, vec![]),
    ] {
        let found = door.accounts.find(begin, exact, limit).await;
        let found = found.expect("users are found");
        let names: Vec<_> = found.iter().map(|u| u.name.as_str()).collect();
        assert_eq!(names, wanted, "{begin} {exact} {limit}");
    }
}

/// A name that no engine's keys have room for is nobody's, and no fault.
pub async fn a_name_too_long_for_any_key_is_nobodys<B: Bench<Part = Door>>(bench: &mut B) {
    let door = bench.open().await;
    create(&door, user("long", 0, "x")).await;
    for name in ["x".repeat(NAME_BYTES_MAX + 1), "x".repeat(200_000)] {
        for exact in [true, false] {
            let found = door.accounts.find(&name, exact, 9).await;
            assert_eq!(found.expect("a name is answered"), []);
        }
    }
    // Small letters can have more bytes.
    let name = "\u{23a}".repeat(NAME_BYTES_MAX / 2);
    let found = door.accounts.find(&name, true, 9).await;
    assert_eq!(found.expect("a name is answered"), []);
}

/// A user has no more devices than may be, however many log in at once.
pub async fn a_user_has_no_more_devices_than_may_be<B: Bench<Part = Door>>(bench: &mut B) {
    let doors = [bench.open().await, bench.open().await];
    let case = "devices";
    create(&doors[0], user(case, 0, "ada")).await;
    let calls = (0..20).map(|n| {
        let door = doors[n % 2].clone();
        async move { add(&door, login(case, 0, n as u64), 5).await }
    });
    let made = at_once(calls.collect::<Vec<_>>()).await;
    let there: Vec<u64> = (0..20).filter(|n| made[*n as usize] == Made::Yes).collect();
    assert_eq!(there.len(), 5, "{made:?}");
    assert!(made.iter().all(|m| matches!(m, Made::Yes | Made::TooMany)));
    // Again, as after an answer that was lost.
    assert_eq!(add(&doors[0], login(case, 0, there[0]), 5).await, Made::Yes);
    let devices = doors[1].accounts.devices(suite::user(case, 0)).await;
    let mut devices = devices.expect("devices are answered");
    devices.sort_by_key(|d| d.created_ms);
    let wanted: Vec<Device> = there.iter().map(|n| login(case, 0, *n)).collect();
    assert_eq!(devices, wanted);
    // One that goes makes room for one.
    let gone = doors[0]
        .accounts
        .revoke(suite::user(case, 0), device(case, there[0]))
        .await;
    assert!(gone.expect("a revocation is answered"));
    assert_eq!(add(&doors[0], login(case, 0, 30), 5).await, Made::Yes);
    assert_eq!(add(&doors[0], login(case, 0, 31), 5).await, Made::TooMany);
}

/// A token leads to its device, whole, and to no other; ids and tokens belong to one.
pub async fn a_token_leads_to_its_device_alone<B: Bench<Part = Door>>(bench: &mut B) {
    let door = bench.open().await;
    let case = "token";
    for n in 0..2 {
        create(&door, user(case, n, &format!("u{n}"))).await;
        assert_eq!(add(&door, login(case, n, n), 5).await, Made::Yes);
    }
    for n in 0..2 {
        assert_eq!(verify(&door, hash(case, n)).await, Some(login(case, n, n)));
    }
    assert_eq!(holder(&door, hash(case, 9)).await, Holder::Nobody);
    // Another's device id, and another's token.
    let stolen_id = Device {
        token_hash: hash(case, 7),
        ..login(case, 1, 0)
    };
    let stolen_token = Device {
        device: device(case, 8),
        ..login(case, 1, 0)
    };
    for stolen in [stolen_id, stolen_token] {
        assert_eq!(add(&door, stolen, 5).await, Made::Taken);
    }
    assert_eq!(verify(&door, hash(case, 0)).await, Some(login(case, 0, 0)));
    assert_eq!(verify(&door, hash(case, 7)).await, None);
    let devices = door.accounts.devices(suite::user(case, 1)).await;
    assert_eq!(devices.expect("devices are answered"), [login(case, 1, 1)]);
}

/// Revocations are numbered, each number once, rising; whoever polls misses none.
pub async fn revocations_are_numbered<B: Bench<Part = Door>>(bench: &mut B) {
    let doors = [bench.open().await, bench.open().await];
    let case = "numbers";
    let before = {
        let all = doors[0].accounts.revoked(0, usize::MAX).await;
        let all = all.expect("revocations are answered");
        all.last().map_or(0, |(n, _)| *n)
    };
    for n in 0..24 {
        create(&doors[0], user(case, n, &format!("u{n}"))).await;
        add(&doors[0], login(case, n, n), 5).await;
    }
    // Not one's own: nothing.
    let not_hers = doors[0]
        .accounts
        .revoke(suite::user(case, 0), device(case, 1))
        .await;
    assert!(!not_hers.expect("a revocation is answered"));
    // Each twice at once: one of the two is the first.
    let calls = (0..48).map(|n| {
        let door = doors[n % 2].clone();
        let n = n as u64 / 2;
        async move {
            let done = door.accounts.revoke(suite::user(case, n), device(case, n));
            done.await.expect("a revocation is answered")
        }
    });
    let done = at_once(calls.collect::<Vec<_>>()).await;
    assert_eq!(done.iter().filter(|done| **done).count(), 24, "{done:?}");
    let mut polled = Vec::new();
    let mut after = before;
    loop {
        let page = doors[1].accounts.revoked(after, 5).await;
        let page = page.expect("revocations are answered");
        assert!(page.len() <= 5);
        let Some((last, _)) = page.last() else { break };
        assert!(page.iter().all(|(n, _)| *n > after));
        after = *last;
        polled.extend(page);
    }
    assert!(polled.windows(2).all(|two| two[0].0 < two[1].0));
    let mut listed: Vec<_> = polled.iter().map(|(_, device)| *device).collect();
    listed.retain(|d| (0..24).any(|n| *d == device(case, n)));
    listed.sort();
    let mut wanted: Vec<_> = (0..24).map(|n| device(case, n)).collect();
    wanted.sort();
    assert_eq!(listed, wanted, "each once");
}

/// A revocation beats its token's row, though that was written by a node whose clock is a day
/// ahead, and though it is written again after.
pub async fn a_revocation_beats_its_token_whichever_clock_is_ahead<B: Bench<Part = Door>>(
    bench: &mut B,
) {
    let (door, other) = (bench.open().await, bench.open().await);
    let case = "beats";
    create(&door, user(case, 0, "ada")).await;
    let ahead = Device {
        created_ms: 1_700_000_000_000 + 86_400_000,
        ..login(case, 0, 0)
    };
    assert_eq!(add(&door, ahead.clone(), 5).await, Made::Yes);
    let done = other.accounts.revoke(ahead.user, ahead.device).await;
    assert!(done.expect("a revocation is answered"));
    assert_eq!(holder(&door, ahead.token_hash).await, Holder::Revoked);
    // The first node's call comes again, and with another token.
    let anew = Device {
        token_hash: hash(case, 1),
        ..ahead.clone()
    };
    for device in [ahead.clone(), anew.clone()] {
        assert_eq!(add(&door, device, 5).await, Made::Taken);
    }
    drop(other);
    let door = bench.reopen(door).await;
    assert_eq!(holder(&door, ahead.token_hash).await, Holder::Revoked);
    assert_eq!(verify(&door, anew.token_hash).await, None);
    let devices = door.accounts.devices(ahead.user).await;
    assert_eq!(devices.expect("devices are answered"), []);
}

/// An invitation is used no oftener than said, however many come at once; the same user again
/// uses it once.
pub async fn an_invitation_is_used_no_oftener_than_said<B: Bench<Part = Door>>(bench: &mut B) {
    let doors = [bench.open().await, bench.open().await];
    let case = "invited";
    let made = doors[0].invitations.invite(hash(case, 0), 5, 0).await;
    made.expect("an invitation is made");
    let redeem = |n: usize| {
        let door = doors[n % 2].clone();
        async move {
            let user = suite::user(case, n as u64 / 2);
            let used = door.invitations.redeem(hash(case, 0), user, 1).await;
            used.expect("an invitation is answered")
        }
    };
    // Each user twice at once.
    let used = at_once((0..40).map(redeem).collect::<Vec<_>>()).await;
    let came: Vec<usize> = (0..20).filter(|n| used[n * 2] || used[n * 2 + 1]).collect();
    assert_eq!(came.len(), 5, "{used:?}");
    // Made again, it has no more uses.
    let again = doors[0].invitations.invite(hash(case, 0), 5, 0).await;
    again.expect("an invitation is made");
    for n in 0..20 {
        assert_eq!(redeem(n * 2).await, came.contains(&n), "user {n}");
    }
    let unknown = doors[0]
        .invitations
        .redeem(hash(case, 9), suite::user(case, 0), 1)
        .await;
    assert!(!unknown.expect("an invitation is answered"));
}

/// Expiry is judged by the time that is given, and by nothing else.
pub async fn an_invitation_expires_by_the_clock_that_is_given<B: Bench<Part = Door>>(
    bench: &mut B,
) {
    let door = bench.open().await;
    let case = "expires";
    let made = door.invitations.invite(hash(case, 0), 9, 1_000).await;
    made.expect("an invitation is made");
    for (n, now_ms, holds) in [
        (0, 999, true),
        (1, 1_000, false),
        (2, 86_400_000, false),
        // Whoever came in time is in, also when asked again later.
        (0, 86_400_000, true),
        // A node whose clock is behind.
        (3, 0, true),
    ] {
        let used = door
            .invitations
            .redeem(hash(case, 0), suite::user(case, n), now_ms)
            .await;
        let used = used.expect("an invitation is answered");
        assert_eq!(used, holds, "user {n} at {now_ms}");
    }
}

/// Everything that was answered is there after a restart, and numbers go on.
pub async fn accounts_survive_a_restart<B: Bench<Part = Door>>(bench: &mut B) {
    let door = bench.open().await;
    let case = "survive";
    let ada = User {
        kind: UserType::Bot,
        status: Some("out".to_owned()),
        ..user(case, 0, "Ada")
    };
    create(&door, ada.clone()).await;
    for n in 0..3 {
        add(&door, login(case, 0, n), 5).await;
    }
    let done = door.accounts.revoke(ada.user, device(case, 1)).await;
    assert!(done.expect("a revocation is answered"));
    let made = door.invitations.invite(hash(case, 0), 1, 0).await;
    made.expect("an invitation is made");
    let used = door.invitations.redeem(hash(case, 0), ada.user, 1).await;
    assert!(used.expect("an invitation is answered"));
    let all = door.accounts.revoked(0, usize::MAX).await;
    let all = all.expect("revocations are answered");
    let door = bench.reopen(door).await;
    let there = door.accounts.user(ada.user).await;
    assert_eq!(there.expect("a user is answered"), Some(ada.clone()));
    assert_eq!(create(&door, user(case, 1, "ADA")).await, Made::Taken);
    for n in 0..3 {
        let wanted = (n != 1).then(|| login(case, 0, n));
        assert_eq!(verify(&door, hash(case, n)).await, wanted);
    }
    let other = door
        .invitations
        .redeem(hash(case, 0), suite::user(case, 1), 1)
        .await;
    assert!(!other.expect("an invitation is answered"), "it was used up");
    let done = door.accounts.revoke(ada.user, device(case, 2)).await;
    assert!(done.expect("a revocation is answered"));
    let later = door.accounts.revoked(0, usize::MAX).await;
    let later = later.expect("revocations are answered");
    assert_eq!(later[..all.len()], all[..]);
    assert!(later.len() > all.len());
}
