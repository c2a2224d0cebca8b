//! A disk that fills: writes are refused as retryable, reading goes on, and once there is room again
//! the store heals, if need be by the process starting again.

use std::path::Path;
use std::process::Command;

use parlour_embedded::{Options, Store};
use parlour_ports::Error;
use parlour_protocol::bytes::Bytes;
use parlour_protocol::position::Partition;
use parlour_protocol::row::Row;
use parlour_protocol::seq::Seq;

use crate::rows::{check, conversation, message};

const FOLDER: &str = "PARLOUR_TEST_DISK";
const BALLAST: usize = 80 << 20;

/// A message that no compression makes small.
fn noise(seq: u64) -> Vec<Row> {
    let mut rows = message(conversation(1), seq);
    if let Some(Row::Event(event)) = rows.first_mut() {
        let mut body = vec![0; 60_000];
        getrandom::fill(&mut body).unwrap();
        event.payload = Bytes::from(body);
    }
    rows
}

async fn newest(store: &Store) -> u64 {
    let history = store.history();
    let range = history.range(conversation(1), Seq::ZERO, Seq::MAX, true, 3);
    range.await.unwrap().as_of.seq.0
}

/// Appends until refused, `most` messages at most; how it ended, if it was refused.
async fn append(store: &Store, last: &mut u64, most: u64) -> Option<Error> {
    for _ in 0..most {
        let done = store.history().append(Partition(0), noise(*last + 1)).await;
        if let Err(error) = done {
            return Some(error);
        }
        *last += 1;
    }
    None
}

/// Fills the disk and makes room, again and again. Answers how often it took a restart.
async fn scenario(folder: &Path, options: Options) -> u32 {
    let (data, ballast) = (folder.join("data"), folder.join("ballast"));
    let bare = options.work_bytes_max == 0;
    let mut store = Store::open_with(&data, options).unwrap();
    let mut last = 0;
    let (mut refused, mut restarts) = (0, 0);
    for round in 0..if bare { 1 } else { 3 } {
        std::fs::write(&ballast, vec![1; BALLAST]).unwrap();
        // However often it is tried while there is no room.
        for _ in 0..200 {
            match append(&store, &mut last, 5_000).await {
                Some(Error::Full { .. }) => refused += 1,
                // Only if nothing is kept free: then a write itself meets the end of the disk.
                Some(Error::Broken { why, .. }) if bare => {
                    assert!(why.contains("tart the process again"), "{why}");
                }
                other => panic!("round {round}: {other:?}"),
            }
            assert_eq!(newest(&store).await, last);
        }
        std::fs::remove_file(&ballast).unwrap();
        let with_room = last;
        if let Some(error) = append(&store, &mut last, 20).await {
            restarts += 1;
            let why = error.to_string();
            println!("{last} messages, {refused} refused: {why}");
            assert!(matches!(error, Error::Broken { .. }), "{why}");
            assert!(why.contains("tart the process again"), "{why}");
            drop(store);
            store = Store::open_with(&data, options).unwrap();
            // A write that was not answered may be there as well.
            last = newest(&store).await;
            assert!(last >= with_room);
            let refused = append(&store, &mut last, 20).await;
            assert!(refused.is_none(), "{refused:?}");
        }
        assert!(last > with_room, "it does not heal");
    }
    drop(store);
    let report = check(&data);
    assert_eq!((report.events, report.said), (last, Vec::new()));
    println!("{last} messages, {refused} refused, {restarts} restarts");
    std::fs::remove_dir_all(&data).unwrap();
    restarts
}

/// Runs itself as a child in a small file system of its own.
#[tokio::test]
async fn a_full_disk_refuses_reads_on_and_heals() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let options = Options::default();
        assert_eq!(scenario(folder.as_ref(), options).await, 0);
        // With next to nothing kept free, fjall's own work meets the end of the disk.
        let options = Options {
            reserve_bytes: 1 << 20,
            work_bytes_max: 0,
            ..options
        };
        for attempt in 1.. {
            if scenario(folder.as_ref(), options).await > 0 {
                break;
            }
            assert!(attempt < 5, "it never did");
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mount = format!(
        "mount -t tmpfs -o size=220m tmpfs {0} && exec \"$@\"",
        folder.path().display()
    );
    let done = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            &mount,
            "sh",
        ])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "full::a_full_disk_refuses_reads_on_and_heals",
        ])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&done.stdout);
    let err = String::from_utf8_lossy(&done.stderr);
    println!("{out}{err}");
    assert!(done.status.success(), "{out}{err}");
}
