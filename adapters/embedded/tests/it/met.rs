//! Damage that is met while a store is in use: by a read, and by the engine's merging of tables.

use parlour_embedded::Store;
use parlour_protocol::fact::{Fact, Question};
use parlour_protocol::position::Partition;
use parlour_protocol::seq::Seq;

use crate::damage::{known, read, store, tables, to_table};
use crate::rows::{at as place, check, conversation, messages};

#[tokio::test]
async fn a_block_that_is_met_in_use_is_an_error_that_names_its_file() {
    let at = tempfile::tempdir().unwrap();
    let whole = at.path().join("whole");
    store(&whole).await;
    // Events of the older table: a start does not read them.
    let mut file = tables(&whole);
    file.retain(|path| path.metadata().unwrap().len() > 8_192);
    let file = file.pop().unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let rows = bytes.len() / 2;
    for byte in &mut bytes[64..rows] {
        *byte ^= 0x55;
    }
    std::fs::write(&file, bytes).unwrap();

    let store = Store::open(&whole).unwrap();
    assert_eq!(store.damage(), None);
    let history = store.history();
    let ask = || history.range(conversation(1), Seq::ZERO, Seq::MAX, false, 10_000);
    // Who meets it first does not wait for the name.
    let why = ask().await.unwrap_err().to_string();
    for word in ["cannot be read", "parlour restore"] {
        assert!(why.contains(word), "{word} is missing in: {why}");
    }
    known(&store).await;
    let why = ask().await.unwrap_err().to_string();
    for word in [&*file.display().to_string(), "at byte 0", "parlour restore"] {
        assert!(why.contains(word), "{word} is missing in: {why}");
    }
    // By key as well: never an answer that says that there is none.
    let (mut met, mut there) = (0, 0);
    for seq in (1..=200).map(Seq) {
        let conversation = conversation(1);
        let questions = vec![Question::Target { conversation, seq }];
        match history.facts(place(u64::MAX), questions).await {
            Ok(facts) => {
                assert!(
                    matches!(facts[..], [Fact::Target(Some(_))]),
                    "{seq:?}: {facts:?}"
                );
                there += 1;
            }
            Err(error) => {
                assert!(error.to_string().contains("Damaged, as far"), "{error}");
                met += 1;
            }
        }
    }
    assert!(met > 0, "{there} were there");
    let known = store.damage().unwrap();
    let within = file.strip_prefix(&whole).unwrap().display().to_string();
    assert!(known.contains(&within), "{known}");
    // What does not touch it goes on.
    let rows = messages(conversation(2), 1..=3);
    history.append(Partition(0), rows).await.unwrap();
    let other = history.range(conversation(2), Seq::ZERO, Seq::MAX, false, 9);
    assert_eq!(other.await.unwrap().events.len(), 3);

    // No copy is made of it, and nothing is left of the one that was begun.
    drop((store, history));
    let backup = at.path().join("chat.backup");
    let why = parlour_embedded::backup::backup(&whole, &backup, &mut |_, _| {}).unwrap_err();
    assert!(
        why.to_string().contains(&file.display().to_string()),
        "{why}"
    );
    let left: Vec<_> = std::fs::read_dir(at.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn a_table_that_is_cut_under_an_open_store_is_damage_and_is_named() {
    for left in [0, 100, 5_000] {
        let at = tempfile::tempdir().unwrap();
        let whole = at.path().join("whole");
        store(&whole).await;
        // Opened whole: the start has read its end, and has the file open.
        let store = Store::open(&whole).unwrap();
        let mut cut = Vec::new();
        for file in tables(&whole) {
            let len = file.metadata().unwrap().len();
            // Tables of rows. The names of keyspaces are not read again.
            if len > 8_192 {
                let table = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
                table.set_len(left).unwrap();
                cut.push(file);
            }
        }
        assert!(!cut.is_empty());
        let history = store.history();
        let ask = || history.range(conversation(1), Seq::ZERO, Seq::MAX, false, 10_000);
        let error = ask().await.unwrap_err();
        // Not `Unavailable`: to try again helps nobody.
        assert!(
            matches!(error, parlour_ports::Error::Broken { .. }),
            "{left} left: {error}"
        );
        let said = known(&store).await;
        let why = ask().await.unwrap_err().to_string();
        for file in &cut {
            let within = file.strip_prefix(&whole).unwrap().display().to_string();
            assert!(said.contains(&within), "{left} left: {said}");
            assert!(why.contains(&file.display().to_string()), "{why}");
        }
        assert!(why.contains("parlour restore"), "{why}");
    }
}

#[tokio::test]
async fn a_damaged_table_that_is_to_be_merged_stops_writes_and_is_named() {
    let at = tempfile::tempdir().unwrap();
    let whole = at.path().join("whole");
    let right = store(&whole).await;
    // The third table: with the fourth they are merged.
    to_table(&whole);
    let file = tables(&whole).swap_remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&file, bytes).unwrap();

    let store = Store::open(&whole).unwrap();
    let history = store.history();
    let path = file.display().to_string();
    let mut upto = 0;
    // As many rows as make tables by themselves; then the engine merges, and fails.
    let why = loop {
        let rows = messages(conversation(2), upto + 1..=upto + 500);
        match history.append(Partition(0), rows).await {
            Ok(()) => upto += 500,
            Err(error) => break error.to_string(),
        }
        assert!(upto < 200_000, "it was merged, and nobody noticed");
    };
    assert!(
        why.contains(&path) && why.contains("parlour restore"),
        "{why}"
    );
    let known = store.damage().unwrap();
    assert!(known.contains("tables/"), "{known}");
    // What was answered is there, in tables and in journals: a repaired file opens.
    drop((store, history));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(read(&whole).await.unwrap(), right);
    assert_eq!(check(&whole).said, Vec::<String>::new());
}
