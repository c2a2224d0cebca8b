//! Seeds: the same one gives the same world, and some of them run clean in this build, whose
//! arithmetic is checked.

#[test]
fn the_same_seed_gives_the_same_world() {
    let mut hashes = std::collections::BTreeSet::new();
    for seed in 1..=10 {
        let (one, two) = (parlour_sim::run(seed, true), parlour_sim::run(seed, true));
        assert_eq!(one.hash, two.hash, "seed {seed}: the outcome differs");
        let differs = one
            .trace
            .iter()
            .zip(&two.trace)
            .enumerate()
            .find(|(_, (a, b))| a != b);
        assert_eq!(differs, None, "seed {seed}: the story differs");
        assert_eq!(one.trace.len(), two.trace.len(), "seed {seed}");
        hashes.insert(one.hash);
    }
    assert_eq!(hashes.len(), 10, "other seeds give other worlds");
}

#[test]
fn telling_the_story_changes_nothing() {
    for seed in [11, 12] {
        let (told, untold) = (parlour_sim::run(seed, true), parlour_sim::run(seed, false));
        assert_eq!(told.hash, untold.hash, "seed {seed}");
        assert!(untold.trace.is_empty());
    }
}

#[test]
fn some_seeds_run_clean() {
    for seed in 21..=28 {
        let outcome = parlour_sim::run(seed, false);
        let none: &[String] = &[];
        assert_eq!(outcome.breaches, none, "seed {seed}");
        assert!(outcome.figures.faults > 0 && outcome.figures.messages > 50);
    }
}
