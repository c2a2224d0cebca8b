//! Copies: what comes back is what went in, under another id; a copy that was touched is refused.

use parlour_embedded::backup::{backup, restore};
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
    assert_eq!(restore(&file, &made, &mut |_, _| {}).unwrap(), copied);
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
            matches!(result, Err(Error::Damaged { .. } | Error::Newer { .. })),
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
