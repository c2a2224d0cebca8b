//! What must happen once, tried by many at a time.

use parlour_embedded::Store;
use parlour_ports::accounts::{Device, Holder, Made, User};
use parlour_protocol::bytes::Bytes;
use parlour_protocol::http::{Scope, UserType};
use parlour_protocol::node::Mail;

use crate::rows::{check, device, user};

fn account(n: u8, name: &str) -> User {
    User {
        user: user(n),
        name: name.to_owned(),
        display: name.to_owned(),
        kind: UserType::Person,
        status: None,
        password: None,
        version: 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_name_is_given_once() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = Store::open(folder.path()).unwrap();
        let tasks: Vec<_> = (1..=64u8)
            .map(|n| {
                let accounts = store.accounts();
                let name = if n % 2 == 0 { "Ada" } else { "ada" };
                tokio::spawn(async move { (n, accounts.create(account(n, name)).await.unwrap()) })
            })
            .collect();
        let mut made = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                (n, Made::Yes) => made.push(user(n)),
                (_, other) => assert_eq!(other, Made::Taken),
            }
        }
        assert_eq!(made.len(), 1, "{made:?}");
        let found = store.accounts().find("ADA", true, 9).await.unwrap();
        assert_eq!(found.iter().map(|u| u.user).collect::<Vec<_>>(), made);
    }
    assert_eq!(check(folder.path()).breaches, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_one_time_key_is_claimed_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let keys = |from: u64| -> Vec<(u64, Bytes)> {
        (from..from + 20)
            .map(|n| (n, Bytes::from(n.to_be_bytes().as_slice())))
            .collect()
    };
    store.keys().add_one_time(device(1), keys(1)).await.unwrap();
    let tasks: Vec<_> = (2..=41u8)
        .map(|n| {
            let port = store.keys();
            tokio::spawn(async move {
                let first = port.claim(device(1), device(n)).await.unwrap();
                let again = port.claim(device(1), device(n)).await.unwrap();
                // Who has one is given the same; who came too late is given none.
                assert_eq!(first, again);
                first
            })
        })
        .collect();
    let mut given = Vec::new();
    for task in tasks {
        given.extend(task.await.unwrap());
    }
    given.sort();
    assert_eq!(given, keys(1));
    // The same keys published again are not given out again.
    store.keys().add_one_time(device(1), keys(1)).await.unwrap();
    assert_eq!(
        store.keys().claim(device(1), device(99)).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_mailbox_never_takes_again_what_it_forgot() {
    let folder = tempfile::tempdir().unwrap();
    let (to, from) = (device(1), device(2));
    let mail = |k: u64| {
        let mail = Mail {
            from_user: user(2),
            from,
            k,
            bytes: Bytes::from(b"sealed".as_slice()),
        };
        vec![(to, mail)]
    };
    for round in 0..2 {
        let store = Store::open(folder.path()).unwrap();
        for k in [3, 1, 2, 2, 5] {
            store.keys().put(mail(k)).await.unwrap();
        }
        let there = store.keys().mail(to, None, 9).await.unwrap();
        let there: Vec<u64> = there.iter().map(|m| m.k).collect();
        let wanted: &[u64] = if round == 0 { &[1, 2, 3, 5] } else { &[5] };
        assert_eq!(there, wanted);
        store.keys().acknowledge(to, from, 3).await.unwrap();
        // An older acknowledgement that comes late opens nothing.
        store.keys().acknowledge(to, from, 1).await.unwrap();
    }
}

#[tokio::test]
async fn a_revocation_beats_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let (hash, other) = ([7; 32], [8; 32]);
    let made = |token_hash| Device {
        device: device(1),
        user: user(1),
        name: "laptop".to_owned(),
        token_hash,
        scopes: vec![Scope::Full],
        created_ms: 1,
    };
    {
        let store = Store::open(folder.path()).unwrap();
        let accounts = store.accounts();
        accounts.create(account(1, "ada")).await.unwrap();
        assert_eq!(accounts.add_device(made(hash), 4).await.unwrap(), Made::Yes);
        let holder = accounts.verify(hash).await.unwrap();
        assert_eq!(holder, Holder::Device(made(hash)));
        assert!(accounts.revoke(user(1), device(1)).await.unwrap());
        assert!(!accounts.revoke(user(1), device(1)).await.unwrap());
    }
    let store = Store::open(folder.path()).unwrap();
    let accounts = store.accounts();
    assert_eq!(accounts.verify(hash).await.unwrap(), Holder::Revoked);
    assert_eq!(accounts.revoked(0, 9).await.unwrap(), vec![(1, device(1))]);
    assert_eq!(accounts.revoked(1, 9).await.unwrap(), vec![]);
    assert_eq!(
        accounts.add_device(made(other), 4).await.unwrap(),
        Made::Taken
    );
    assert_eq!(accounts.verify(other).await.unwrap(), Holder::Nobody);
}
