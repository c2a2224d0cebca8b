//! Copies: what comes back is what went in, under another id; a copy that was touched is refused.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parlour_embedded::backup::{backup, restore};
use parlour_embedded::verify::verify;
use parlour_embedded::{Error, Store};
use parlour_protocol::seq::Seq;

use crate::rows::{check, conversation, fill};

#[tokio::test]
async fn a_restored_store_has_everything_and_another_id() {
    let at = tempfile::tempdir().unwrap();
    let (folder, file, made) = (
        at.path().join("data"),
        at.path().join("chat.backup"),
        at.path().join("made"),
    );
    let c = conversation(1);
    fill(&folder, c, 3_000).await;
    let copied = backup(&folder, &file, &mut |_, _| {}).unwrap();
    assert_eq!(restore(&file, &made, &mut |_, _| {}).unwrap(), copied.rows);
    let report = check(&made);
    assert_eq!((report.events, report.breaches), (3_000, 0));
    let (old, new) = (Store::open(&folder).unwrap(), Store::open(&made).unwrap());
    assert_ne!(old.history().store(), new.history().store());
    let all = |store: &Store| {
        let history = store.history();
        async move {
            history
                .range(c, Seq::ZERO, Seq::MAX, false, 5_000)
                .await
                .unwrap()
        }
    };
    assert_eq!(all(&old).await, all(&new).await);
    drop(new);
    let first = Store::open(&made).unwrap().history().store();
    assert_eq!(first, Store::open(&made).unwrap().history().store());
    assert_ne!(first, old.history().store());
}

#[tokio::test]
async fn nothing_that_is_there_is_written_over() {
    let at = tempfile::tempdir().unwrap();
    let (folder, file) = (at.path().join("data"), at.path().join("chat.backup"));
    // A neighbour whose name only ends otherwise is none of a backup's business.
    let neighbour = at.path().join("chat.new");
    std::fs::write(&neighbour, "mine").unwrap();
    fill(&folder, conversation(1), 5).await;
    backup(&folder, &file, &mut |_, _| {}).unwrap();
    assert_eq!(std::fs::read(&neighbour).unwrap(), b"mine");
    let again = backup(&folder, &file, &mut |_, _| {});
    assert!(matches!(again, Err(Error::Exists { .. })), "{again:?}");
    let over = restore(&file, &folder, &mut |_, _| {});
    assert!(matches!(over, Err(Error::Exists { .. })), "{over:?}");
    assert_eq!(check(&folder).events, 5);
}

#[tokio::test]
async fn a_copy_that_was_cut_or_changed_makes_no_store() {
    let at = tempfile::tempdir().unwrap();
    let (folder, file) = (at.path().join("data"), at.path().join("chat.backup"));
    fill(&folder, conversation(1), 20).await;
    backup(&folder, &file, &mut |_, _| {}).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let made = at.path().join("made");
    let refused = |bytes: &[u8], what: String| {
        std::fs::write(&file, bytes).unwrap();
        let result = restore(&file, &made, &mut |_, _| {});
        assert!(
            matches!(
                result,
                Err(Error::NoBackup { .. }
                    | Error::BackupDamaged { .. }
                    | Error::BackupNewer { .. })
            ),
            "{what}: {result:?}"
        );
        assert!(!made.exists(), "{what}");
    };
    for at in (0..whole.len())
        .step_by(41)
        .chain(whole.len() - 45..whole.len())
    {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        refused(&changed, format!("a bit of byte {at}"));
        refused(&whole[..at], format!("cut at {at}"));
    }
}

const ROUNDS: u32 = 24;
const FILE: &str = "PARLOUR_TEST_FILE";
const MADE: &str = "PARLOUR_TEST_MADE";

/// Runs itself as a child that restores, and kills it somewhere: first at moments that are spread
/// over the whole restore, then where it was found to be short of its end.
#[tokio::test]
async fn a_restore_that_is_killed_leaves_all_or_nothing() {
    if let (Ok(file), Ok(made)) = (std::env::var(FILE), std::env::var(MADE)) {
        restore(file.as_ref(), made.as_ref(), &mut |_, _| {}).unwrap();
        return;
    }
    let at = tempfile::tempdir().unwrap();
    let (folder, file, made) = (
        at.path().join("data"),
        at.path().join("chat.backup"),
        at.path().join("made"),
    );
    fill(&folder, conversation(1), 6_000).await;
    let copied = backup(&folder, &file, &mut |_, _| {}).unwrap();
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "backup::a_restore_that_is_killed_leaves_all_or_nothing",
            ])
            .env(FILE, &file)
            .env(MADE, &made)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    // How long one takes that nobody kills.
    let began = Instant::now();
    assert!(start().wait().unwrap().success());
    let whole = began.elapsed();
    assert_eq!(check(&made).events, 6_000);
    std::fs::remove_dir_all(&made).unwrap();

    let (mut half, mut killed) = (0, 0);
    for round in 0..ROUNDS {
        let mut child = start();
        let spin = Instant::now();
        while spin.elapsed() < whole * round / ROUNDS {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        if made.join("store").exists() {
            let report = check(&made);
            assert_eq!((report.events, report.breaches), (6_000, 0), "{round}");
            assert!(Store::open(&made).is_ok());
            assert!(!made.join("restoring").exists());
            std::fs::remove_dir_all(&made).unwrap();
        } else if made.join("restoring").exists() {
            half += 1;
            for refused in [
                Store::open(&made).err(),
                verify(&made, &mut |_, _, _| {}).err(),
                backup(&made, &at.path().join("x"), &mut |_, _| {}).err(),
            ] {
                let why = refused.map(|e| e.to_string()).unwrap_or_default();
                assert!(why.contains("parlour restore"), "{round}: {why}");
            }
            // Now and then it is run again at once; else the next round does.
            if round % 4 == 0 {
                assert_eq!(restore(&file, &made, &mut |_, _| {}).unwrap(), copied.rows);
                assert_eq!(check(&made).events, 6_000);
                std::fs::remove_dir_all(&made).unwrap();
            }
        }
    }
    println!("{killed} were killed, {half} of them half way");
    assert!(half > 0, "no kill fell into the making of the store");
    if !made.join("store").exists() {
        assert_eq!(restore(&file, &made, &mut |_, _| {}).unwrap(), copied.rows);
    }
    assert_eq!(check(&made).events, 6_000);
}

/// The writer of `crash` writes on in a process of its own, and is copied again and again.
#[tokio::test]
async fn a_store_in_use_is_copied_as_it_stood_after_a_batch() {
    let at = tempfile::tempdir().unwrap();
    let data = at.path().join("data");
    let mut writer = crate::crash::writer(&data);
    let mut out = BufReader::new(writer.stdout.take().unwrap()).lines();
    let answered = Arc::new(AtomicU64::new(0));
    let heard = answered.clone();
    // One that waits is enough to wake whoever waits for more.
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let reader = std::thread::spawn(move || {
        while let Some(Ok(line)) = out.next() {
            if let Some((_, seq)) = line.split_once("answered ") {
                heard.store(seq.parse().unwrap(), Ordering::SeqCst);
                let _ = tell.try_send(());
            }
        }
    });
    told.recv().unwrap();
    let mut copied = 0;
    for round in 0..3 {
        let (file, made) = (at.path().join("chat.backup"), at.path().join("made"));
        let before = answered.load(Ordering::SeqCst);
        backup(&data, &file, &mut |_, _| {}).unwrap();
        restore(&file, &made, &mut |_, _| {}).unwrap();
        let report = check(&made);
        assert_eq!(report.said, Vec::<String>::new(), "round {round}");
        assert!(
            report.events >= before,
            "round {round}: {} of {before}",
            report.events
        );
        copied = report.events;
        std::fs::remove_file(&file).unwrap();
        std::fs::remove_dir_all(&made).unwrap();
        // The writer goes on between two of them.
        while answered.load(Ordering::SeqCst) <= before {
            told.recv().unwrap();
        }
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    reader.join().unwrap();
    // Nothing of it stays, and the store that was copied is whole.
    let left: Vec<_> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "store" && name != "lock")
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let report = check(&data);
    assert_eq!(report.said, Vec::<String>::new());
    assert!(report.events >= copied);
    println!("{} events at the end", report.events);
}

#[tokio::test]
async fn of_two_copies_to_one_name_the_first_to_end_is_there_and_whole() {
    let at = tempfile::tempdir().unwrap();
    let (data, file) = (at.path().join("data"), at.path().join("chat.backup"));
    fill(&data, conversation(1), 2_000).await;
    // Someone's own, of a name that a copy once had for a while.
    let own = at.path().join("chat.backup.new");
    std::fs::write(&own, "mine").unwrap();
    let whole = |file: &Path, n: u32| {
        let made = at.path().join(format!("made {n}"));
        restore(file, &made, &mut |_, _| {}).unwrap();
        let report = check(&made);
        assert_eq!((report.events, report.said), (2_000, Vec::new()));
    };
    // One is in its midst while the other begins and ends.
    let mut inner = None;
    let outer = backup(&data, &file, &mut |done, of| {
        if done < of && inner.is_none() {
            inner = Some(backup(&data, &file, &mut |_, _| {}));
        }
    });
    assert!(inner.unwrap().is_ok());
    assert!(
        matches!(&outer, Err(Error::Exists { path }) if *path == file),
        "{outer:?}"
    );
    whole(&file, 1);
    std::fs::remove_file(&file).unwrap();
    // One is dropped in its midst, with the other behind it.
    let dropped = std::panic::catch_unwind(|| {
        let mut inner = false;
        backup(&data, &file, &mut |done, of| {
            if done < of && !inner {
                inner = true;
                backup(&data, &file, &mut |_, _| {}).unwrap();
                panic!("dropped");
            }
        })
    });
    assert!(dropped.is_err());
    whole(&file, 2);
    assert_eq!(std::fs::read(&own).unwrap(), b"mine");
    let left = names(at.path());
    assert_eq!(
        left,
        ["chat.backup", "chat.backup.new", "data", "made 1", "made 2"]
    );
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What a child does in `a_command_that_is_killed_...`, and where.
const COMMAND: &str = "PARLOUR_TEST_COMMAND";
const DATA: &str = "PARLOUR_TEST_DATA";

/// Runs itself as a child that stops in the midst of a backup or a check, and kills it there. The next
/// command finds what it left and takes it away, but nothing of one that still runs.
#[tokio::test]
async fn a_command_that_is_killed_leaves_what_the_next_one_takes_away() {
    if let (Ok(command), Ok(data), Ok(file)) = (
        std::env::var(COMMAND),
        std::env::var(DATA),
        std::env::var(FILE),
    ) {
        let mut stopped = false;
        let mut midst = || {
            if !stopped {
                stopped = true;
                println!("in the midst");
                let _ = std::io::stdin().read_line(&mut String::new());
            }
        };
        match command.as_str() {
            "backup" => drop(backup(data.as_ref(), file.as_ref(), &mut |_, _| midst()).unwrap()),
            _ => drop(
                verify(data.as_ref(), &mut |stage, _, _| {
                    if stage == parlour_embedded::verify::Stage::Rows {
                        midst();
                    }
                })
                .unwrap(),
            ),
        }
        return;
    }
    let at = tempfile::tempdir().unwrap();
    let [data, tmp, copies] = ["data", "tmp", "copies"].map(|name| at.path().join(name));
    for folder in [&tmp, &copies] {
        std::fs::create_dir(folder).unwrap();
    }
    fill(&data, conversation(1), 5_000).await;
    let start = |command: &str, file: &Path| {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("backup::a_command_that_is_killed_leaves_what_the_next_one_takes_away")
            .env(COMMAND, command)
            .env(DATA, &data)
            .env(FILE, file)
            .env("TMPDIR", &tmp)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("in the midst") {
            line.clear();
            assert_ne!(out.read_line(&mut line).unwrap(), 0, "{command} ended");
        }
        (child, out)
    };
    let left = |folder: &Path| {
        let own =
            |name: &String| name.starts_with("parlour-aside-") || name.starts_with(".parlour");
        names(folder).into_iter().filter(own).count()
    };
    // Where locks may be known to one machine alone, a copy is left when nothing was written for an hour.
    let age = || {
        for name in names(&copies).iter().filter(|n| n.starts_with(".parlour")) {
            let mut file = std::fs::File::options();
            let file = file.write(true).open(copies.join(name)).unwrap();
            let then = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 60 * 60);
            file.set_modified(then).unwrap();
        }
    };
    let finish = |command: &str, file: &Path| {
        // Nobody is at the other end of its standard input: it goes on by itself.
        let (mut child, _out) = start(command, file);
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success(), "{command}");
    };
    let file = copies.join("chat.backup");
    for beside in [false, true] {
        // Beside a server, what is looked at lies in the store's folder.
        let served = beside.then(|| Store::open(&data).unwrap());
        let aside = if beside { &data } else { &tmp };
        let commands = if beside {
            &["backup"][..]
        } else {
            &["backup", "verify"]
        };
        for killed in commands {
            for next in commands {
                let (mut child, _out) = start(killed, &file);
                child.kill().unwrap();
                child.wait().unwrap();
                assert_eq!(left(aside), 1, "{killed}");
                if *killed == "backup" {
                    assert_eq!(left(&copies), 1);
                    age();
                }
                finish(next, &file);
                assert_eq!(left(aside), 0, "{killed}, then {next}");
                if *next == "backup" {
                    assert_eq!(names(&copies), ["chat.backup"], "{killed}, then {next}");
                    std::fs::remove_file(&file).unwrap();
                }
            }
        }
        // A server that starts takes away what lies in its folder.
        if let Some(served) = served {
            let (mut child, _out) = start("backup", &file);
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(left(&data), 1);
            age();
            drop(served);
            drop(Store::open(&data).unwrap());
            assert_eq!(left(&data), 0);
        }
    }
    // One that runs keeps what is its own, whatever begins meanwhile, a server too.
    let served = Store::open(&data).unwrap();
    let (mut child, _out) = start("backup", &file);
    finish("backup", &copies.join("other.backup"));
    drop(served);
    drop(Store::open(&data).unwrap());
    assert_eq!((left(&data), left(&copies)), (1, 1));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(names(&copies), ["chat.backup", "other.backup"]);
    let made = at.path().join("made");
    restore(&file, &made, &mut |_, _| {}).unwrap();
    assert_eq!(check(&made).events, 5_000);
    assert_eq!((left(&data), left(&tmp)), (0, 0));
}

/// What has the name of what a killed command leaves, and is something else, is told to whoever looks.
#[tokio::test]
async fn what_cannot_be_taken_away_is_handed_back() {
    let at = tempfile::tempdir().unwrap();
    let (data, copies) = (at.path().join("data"), at.path().join("copies"));
    fill(&data, conversation(1), 10).await;
    let aside = data.join("parlour-aside-abcdef");
    std::fs::create_dir_all(&aside).unwrap();
    std::fs::write(aside.join("letter"), "mine").unwrap();
    std::fs::create_dir(&copies).unwrap();
    let copy = copies.join(".parlour-backup-abcdef");
    std::fs::write(&copy, "mine").unwrap();
    let told = |stays: &[String], path: &Path| {
        let path = path.display().to_string();
        stays.iter().filter(|said| said.contains(&path)).count()
    };
    let report = verify(&data, &mut |_, _, _| {}).unwrap();
    assert_eq!((report.breaches, told(&report.stays, &aside)), (0, 1));
    for served in [None, Some(Store::open(&data).unwrap())] {
        let file = copies.join(format!("{}.backup", served.is_some()));
        let stays = backup(&data, &file, &mut |_, _| {}).unwrap().stays;
        assert_eq!(
            (told(&stays, &aside), told(&stays, &copy)),
            (1, 1),
            "{stays:?}"
        );
    }
    assert_eq!(std::fs::read(aside.join("letter")).unwrap(), b"mine");
    assert_eq!(std::fs::read(copy).unwrap(), b"mine");
}
