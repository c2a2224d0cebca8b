//! The first start, cut off between each two of its steps: by a kill, at moments spread over all of
//! it; and by a loss of power, made by hand, for that may keep one step and lose an earlier one.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use parlour_embedded::Store;
use parlour_protocol::position::Partition;
use parlour_protocol::seq::Seq;

use crate::damage::copy;
use crate::rows::{check, conversation, messages};

const FOLDER: &str = "PARLOUR_TEST_FIRST";
const ROUNDS: u32 = 60;

/// What there is of a store, in words.
fn stands(folder: &Path) -> String {
    let store = folder.join("store");
    [
        "",
        "0.jnl",
        "version",
        "keyspaces/0/current",
        "keyspaces/1",
        "keyspaces/1/current",
        "rows.new",
        "rows",
        "answered",
    ]
    .into_iter()
    .filter(|name| store.join(name).exists())
    .collect::<Vec<_>>()
    .join(" ")
}

/// That a folder opens, takes rows, and has them when it is opened again.
async fn goes_on(folder: &Path, what: &str) {
    let rows = |from: u64| messages(conversation(1), from..=from + 9);
    let mut events = 0;
    for _ in 0..2 {
        let store = Store::open(folder).unwrap_or_else(|e| panic!("{what}: {e}"));
        let history = store.history();
        let whole = history.range(conversation(1), Seq::ZERO, Seq::MAX, false, 100);
        assert_eq!(whole.await.unwrap().events.len() as u64, events, "{what}");
        history
            .append(Partition(0), rows(events + 1))
            .await
            .unwrap();
        events += 10;
    }
    let report = check(folder);
    assert_eq!((report.events, report.said), (events, Vec::new()), "{what}");
    assert_eq!(std::fs::read(folder.join("store/rows")).unwrap().len(), 24);
}

/// Runs itself as a child that opens a store which is not there, and kills it.
#[tokio::test]
async fn a_first_start_that_is_killed_is_made_good_by_the_next() {
    if let Ok(folder) = std::env::var(FOLDER) {
        // Nothing more than opens: it is killed, or ends.
        drop(Store::open(folder.as_ref()).unwrap());
        return;
    }
    let at = tempfile::tempdir().unwrap();
    let start = |folder: &Path| {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "first::a_first_start_that_is_killed_is_made_good_by_the_next",
            ])
            .env(FOLDER, folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        child.unwrap()
    };
    // From its first sign on the disk to its end, if nobody kills it.
    let began = |folder: &Path| {
        let asked = Instant::now();
        while !folder.exists() {
            assert!(asked.elapsed() < Duration::from_secs(30), "it made nothing");
            std::hint::spin_loop();
        }
        Instant::now()
    };
    let folder = at.path().join("whole");
    let mut child = start(&folder);
    let first = began(&folder);
    assert!(child.wait().unwrap().success());
    let whole = first.elapsed();

    let mut met = BTreeSet::new();
    for round in 0..ROUNDS {
        let folder = at.path().join(format!("{round}"));
        let mut child = start(&folder);
        let first = began(&folder);
        let wait: Duration = whole * round / ROUNDS;
        while first.elapsed() < wait {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let stood = stands(&folder);
        goes_on(&folder, &stood).await;
        met.insert(stood);
        std::fs::remove_dir_all(&folder).unwrap();
    }
    println!("killed with {met:#?}");
    assert!(met.len() > 3, "{met:?}");
}

#[tokio::test]
async fn a_first_start_that_lost_its_power_is_made_good_by_the_next() {
    let at = tempfile::tempdir().unwrap();
    // What the engine makes before anything of ours is there: its files, and the named keyspace.
    let (empty, named, whole) = (
        at.path().join("empty"),
        at.path().join("named"),
        at.path().join("whole"),
    );
    let engine = |folder: &Path| {
        fjall::Database::builder(folder.join("store"))
            .open()
            .unwrap()
    };
    for folder in [&empty, &named] {
        std::fs::create_dir(folder).unwrap();
    }
    drop(engine(&empty));
    let db = engine(&named);
    drop(
        db.keyspace("data", fjall::KeyspaceCreateOptions::default)
            .unwrap(),
    );
    drop(db);
    drop(Store::open(&whole).unwrap());
    let rows = std::fs::read(whole.join("store/rows")).unwrap();
    let none = answered_nothing();
    let lists = |folder: &Path| folder.join("store/keyspaces");

    type Cut<'a> = &'a dyn Fn(&Path);
    let steps: &[(&str, &Path, Cut<'_>)] = &[
        ("a folder alone", &empty, &|f| {
            std::fs::remove_dir_all(f.join("store")).unwrap()
        }),
        ("the lock", &empty, &|f| {
            std::fs::remove_dir_all(f.join("store")).unwrap();
            std::fs::write(f.join("lock"), "1\n").unwrap();
        }),
        ("an empty store", &empty, &|f| {
            std::fs::remove_dir_all(f.join("store")).unwrap();
            std::fs::create_dir(f.join("store")).unwrap();
        }),
        ("the engine's files", &empty, &|_| {}),
        ("the keyspace of the rows, empty", &empty, &|f| {
            std::fs::create_dir(lists(f).join("1")).unwrap();
        }),
        ("the keyspace of the rows, without its name", &empty, &|f| {
            copy(&lists(&named).join("1"), &lists(f).join("1"));
        }),
        ("the name, and no keyspace", &named, &|f| {
            std::fs::remove_dir_all(lists(f).join("1")).unwrap();
        }),
        ("the name, and an empty keyspace", &named, &|f| {
            std::fs::remove_dir_all(lists(f).join("1")).unwrap();
            std::fs::create_dir(lists(f).join("1")).unwrap();
        }),
        ("the named keyspace, before `rows`", &named, &|_| {}),
        ("half of `rows`", &named, &|f| {
            std::fs::write(f.join("store/rows.new"), &rows[..9]).unwrap();
        }),
        ("`rows` under its first name", &named, &|f| {
            std::fs::write(f.join("store/rows.new"), &rows).unwrap();
        }),
        ("`rows` of zeros", &named, &|f| {
            std::fs::write(f.join("store/rows"), [0; 24]).unwrap();
        }),
        ("`rows`, before `answered`", &named, &|f| {
            std::fs::write(f.join("store/rows"), &rows).unwrap();
        }),
        ("`answered` with nothing in it", &named, &|f| {
            std::fs::write(f.join("store/rows"), &rows).unwrap();
            std::fs::write(f.join("store/answered"), "").unwrap();
        }),
        ("`answered` of zeros", &named, &|f| {
            std::fs::write(f.join("store/rows"), &rows).unwrap();
            std::fs::write(f.join("store/answered"), [0; 32]).unwrap();
        }),
        ("all but the first batch", &named, &|f| {
            // `answered` says that no batch was.
            std::fs::write(f.join("store/rows"), &rows).unwrap();
            std::fs::write(f.join("store/answered"), &none).unwrap();
        }),
        ("the first batch, and no `rows`", &whole, &|f| {
            std::fs::remove_file(f.join("store/rows")).unwrap();
        }),
        ("all of it", &whole, &|_| {}),
    ];
    for (n, (what, from, cut)) in steps.iter().enumerate() {
        let folder = at.path().join(format!("{n}"));
        copy(from, &folder);
        cut(&folder);
        goes_on(&folder, what).await;
    }
}

/// The file `answered` before the first batch: magic, version, two zeros, and the hash of that.
fn answered_nothing() -> Vec<u8> {
    use sha2::Digest as _;
    let mut bytes = b"PARLANSW\x01".to_vec();
    bytes.extend([0; 16]);
    let hash = sha2::Sha256::digest(&bytes);
    bytes.extend(&hash[..7]);
    bytes
}

/// Damage where there is nothing yet: no backup was ever made of it, and none is asked for.
#[tokio::test]
async fn a_store_that_never_had_a_batch_is_not_to_be_restored() {
    let at = tempfile::tempdir().unwrap();
    let named = at.path().join("named");
    std::fs::create_dir(&named).unwrap();
    let db = fjall::Database::builder(named.join("store"))
        .open()
        .unwrap();
    drop(
        db.keyspace("data", fjall::KeyspaceCreateOptions::default)
            .unwrap(),
    );
    drop(db);
    for (n, file) in ["version", "keyspaces/0/current", "keyspaces/1/current"]
        .iter()
        .enumerate()
    {
        let folder = at.path().join(format!("{n}"));
        copy(&named, &folder);
        std::fs::write(folder.join("store/answered"), answered_nothing()).unwrap();
        let path = folder.join("store").join(file);
        let len = std::fs::read(&path).unwrap().len();
        std::fs::write(&path, vec![0; len]).unwrap();
        let file = at.path().join("x.backup");
        for why in [
            Store::open(&folder).unwrap_err(),
            parlour_embedded::backup::backup(&folder, &file, &mut |_, _| {}).unwrap_err(),
        ] {
            let why = why.to_string();
            assert!(!why.contains("restore") && why.contains("move"), "{why}");
            let store = folder.join("store").display().to_string();
            assert!(why.contains(&*store) && why.contains(&*path.display().to_string()));
        }
        let report = check(&folder);
        assert!(report.damaged > 0 && report.never_used, "{report:?}");
        // And so it is good again.
        std::fs::rename(folder.join("store"), folder.join("old")).unwrap();
        goes_on(&folder, "moved away").await;
    }
}

/// A store of an older version has rows, and no `rows`: so it stands between the two.
#[tokio::test]
async fn a_store_with_rows_that_gets_the_file_which_names_them_keeps_them() {
    let at = tempfile::tempdir().unwrap();
    let whole = at.path().join("whole");
    let right = crate::damage::store(&whole).await;
    let rows = std::fs::read(whole.join("store/rows")).unwrap();
    std::fs::remove_file(whole.join("store/rows")).unwrap();
    for (n, left) in [None, Some(0), Some(12), Some(24)].into_iter().enumerate() {
        let folder = at.path().join(format!("{n}"));
        copy(&whole, &folder);
        if let Some(left) = left {
            std::fs::write(folder.join("store/rows.new"), &rows[..left]).unwrap();
        }
        assert_eq!(
            crate::damage::read(&folder).await.unwrap(),
            right,
            "{left:?}"
        );
        assert_eq!(std::fs::read(folder.join("store/rows")).unwrap(), rows);
        assert!(!folder.join("store/rows.new").exists());
        assert_eq!(check(&folder).said, Vec::<String>::new());
    }
}
