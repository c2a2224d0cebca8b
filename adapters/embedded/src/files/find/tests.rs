//! When files are searched, and what is said of what was found.

use super::*;

fn error() -> fjall::Error {
    fjall::Error::InvalidTrailer
}

/// Waits until so many searches ended.
fn ended(watch: &Watch, searches: u64) {
    let state = watch.0.state();
    let changed = &watch.0.changed;
    let (state, waited) = changed
        .wait_timeout_while(state, Duration::from_secs(30), |s| s.ended < searches)
        .unwrap();
    assert!(!waited.timed_out(), "{} searches", state.ended);
}

#[test]
fn one_search_runs_at_a_time_and_errors_do_not_claim_a_cause() {
    let at = tempfile::tempdir().unwrap();
    let store = at.path().join("store");
    std::fs::create_dir(&store).unwrap();
    let watch = Watch::new(at.path());
    assert_eq!(watch.damage(), None);
    // Many at once: one thread.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let why = watch.broken("a row cannot be read", &error()).to_string();
                    assert!(why.starts_with("store: a row cannot be read: "), "{why}");
                }
            });
        }
    });
    ended(&watch, 1);
    {
        let state = watch.0.state();
        assert_eq!((state.began, state.ended, state.thread), (1, 1, true));
    }
    let marker = store.join("version").display().to_string();
    let why = watch.broken("a row cannot be read", &error()).to_string();
    assert!(
        why.contains(&format!(
            "Damaged, as far as is known: {marker}: it is missing"
        )),
        "{why}"
    );

    // The first damage is mended, and there is another: only that is named, once it was looked for.
    std::fs::write(store.join("version"), super::super::MARKER).unwrap();
    let why = watch.stopped().to_string();
    assert_eq!(watch.0.state().ended, 2);
    assert!(
        why.contains("keyspaces") && !why.contains(&marker) && why.contains("takes no more writes"),
        "{why}"
    );
    assert_eq!(
        watch.damage().unwrap(),
        "damaged: store/keyspaces/0/current; the log says what to do"
    );
}

#[test]
fn a_process_that_ends_waits_for_the_names_and_for_nothing_else() {
    let at = tempfile::tempdir().unwrap();
    std::fs::create_dir(at.path().join("store")).unwrap();
    let watch = Watch::new(at.path());
    // Nothing is searched: nothing is waited for.
    watch.settled();
    assert_eq!(watch.0.state().began, 0);
    for search in 1..=2 {
        // The second comes within the pause behind the first, and does not wait for its end.
        let _ = watch.broken("a row cannot be read", &error());
        watch.settled();
        assert_eq!(watch.0.state().ended, search);
        assert!(watch.damage().unwrap().contains("store/version"));
    }
    watch.settled();
    assert_eq!(watch.0.state().began, 2);
}

#[test]
fn a_want_of_descriptors_is_no_reason_to_search() {
    let at = tempfile::tempdir().unwrap();
    let watch = Watch::new(at.path());
    let short = std::io::Error::from_raw_os_error(24);
    for error in [
        fjall::Error::Io(super::super::again(&short)),
        fjall::Error::Storage(fjall::LsmError::Io(short)),
    ] {
        let error = watch.unreadable(b"Zid", &error);
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains("raise `ulimit -n`"), "{error}");
    }
    assert_eq!(watch.0.state().began, 0);
    assert!(!watch.0.state().thread);
}

#[test]
fn a_disk_that_is_gone_is_told_as_that_until_it_is_back() {
    let at = tempfile::tempdir().unwrap();
    let store = at.path().join("store");
    std::fs::create_dir(&store).unwrap();
    std::fs::write(store.join("version"), super::super::MARKER).unwrap();
    let watch = Watch::new(at.path());
    let stale = || std::io::Error::from(rustix::io::Errno::STALE);
    watch.0.is_gone("before");
    assert!(watch.gone().unwrap().ends_with(": before"));
    for error in [
        fjall::Error::Io(stale()),
        fjall::Error::Storage(fjall::LsmError::Io(stale())),
    ] {
        for error in [
            watch.unreadable(b"Zid", &error),
            watch.broken("a batch cannot be written", &error),
        ] {
            assert!(matches!(error, Error::Broken { .. }), "{error}");
            let why = error.to_string();
            assert!(
                why.contains("disk or mount") && !why.contains("restore"),
                "{why}"
            );
        }
    }
    // The search reads the files, so it is back: and what it finds is what is there.
    watch.settled();
    assert_eq!(watch.gone(), None);
    assert!(watch.damage().unwrap().contains("keyspaces"));
}

/// Nothing asks for a search once the disk is back: it is found by looking again and again.
#[test]
fn a_disk_that_is_back_is_found_without_being_asked_for() {
    let at = tempfile::tempdir().unwrap();
    let (data, disk) = (at.path().join("data"), at.path().join("disk"));
    std::fs::create_dir(&data).unwrap();
    std::os::unix::fs::symlink(&disk, data.join("store")).unwrap();
    let watch = Watch::again_after(&data, std::time::Duration::from_millis(5));
    let _ = watch.broken("a row cannot be read", &error());
    watch.settled();
    assert!(watch.gone().unwrap().contains("No such file"));
    // It goes on looking, and nobody has to wait for that.
    while watch.0.state().ended < 3 {
        std::thread::yield_now();
    }
    watch.settled();
    assert!(watch.gone().is_some());
    std::fs::create_dir(&disk).unwrap();
    while watch.gone().is_some() {
        std::thread::yield_now();
    }
    assert!(watch.damage().unwrap().contains("store/version"));
}
