//! A process that is killed: what it was answered is there, and the store is whole.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use parlour_embedded::Store;
use parlour_protocol::position::Partition;
use parlour_protocol::seq::Seq;

use crate::rows::{body, check, conversation, messages};

const FOLDER: &str = "PARLOUR_TEST_FOLDER";
const ROUNDS: u64 = 25;

/// Writes batches until it is killed, and says after each how far it was answered.
async fn write_on(folder: &str) {
    let store = Store::open(std::path::Path::new(folder)).unwrap();
    let (c, history) = (conversation(1), store.history());
    let mut last = history
        .range(c, Seq::ZERO, Seq::MAX, true, 1)
        .await
        .unwrap()
        .as_of
        .seq
        .0;
    for batch in (1..=64).cycle() {
        history
            .append(Partition(0), messages(c, last + 1..=last + batch))
            .await
            .unwrap();
        last += batch;
        let mut out = std::io::stdout().lock();
        writeln!(out, "answered {last}").unwrap();
        out.flush().unwrap();
    }
}

/// A child that writes into a folder until it is killed.
pub(crate) fn writer(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("crash::what_was_answered_survives_a_kill_at_any_moment")
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Runs itself as a child that writes, and kills it after another number of answers in each round;
/// the kill falls wherever the next batch is by then.
#[tokio::test]
async fn what_was_answered_survives_a_kill_at_any_moment() {
    if let Ok(folder) = std::env::var(FOLDER) {
        write_on(&folder).await;
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let c = conversation(1);
    let mut answered = 0;
    for round in 0..ROUNDS {
        let mut child = writer(folder.path());
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut heard = 0;
        // What was printed before the kill counts too: everything is read to its end.
        let kill_after = 1 + round * 7 % 11;
        loop {
            line.clear();
            if out.read_line(&mut line).unwrap() == 0 {
                break;
            }
            // A line that was cut by the kill has no end, and is not counted.
            if let Some(rest) = line.strip_suffix('\n')
                && let Some((_, seq)) = rest.split_once("answered ")
            {
                answered = seq.parse().unwrap();
                heard += 1;
                if heard == kill_after {
                    // From a microsecond to a few thousand later: inside a write or a sync.
                    let spin = std::time::Instant::now();
                    let wait = std::time::Duration::from_micros(round * round * 13);
                    while spin.elapsed() < wait {
                        std::hint::spin_loop();
                    }
                    child.kill().unwrap();
                }
            }
        }
        assert!(!child.wait().unwrap().success());
        assert!(heard >= kill_after, "the child ended by itself");

        let report = check(folder.path());
        assert_eq!(report.said, Vec::<String>::new(), "round {round}");
        assert!(report.events >= answered, "round {round}");
        let store = Store::open(folder.path()).unwrap();
        let newest = store
            .history()
            .range(c, Seq::ZERO, Seq::MAX, true, 64)
            .await
            .unwrap();
        assert_eq!(newest.as_of.seq.0, report.events);
        for event in &newest.events {
            assert_eq!(event.payload, body(event.seq.0));
        }
    }
    assert!(answered > 0);
}
