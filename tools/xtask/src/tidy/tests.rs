//! Every rule over this repository, and every rule over samples that break it.
//!
//! A rule without a sample fails too: a check that was never seen to fail is none.

use std::fmt;

use super::{RULES, Rule, Tree, judge};

fn rule(id: &str) -> &'static Rule {
    RULES
        .iter()
        .find(|rule| rule.id == id)
        .expect("a rule of that name")
}

/// A report, shown as it is: a stack trace would say nothing.
struct Broken(String);

impl fmt::Debug for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Holds a rule over this repository.
fn holds(id: &str) -> Result<(), Broken> {
    let tree = Tree::load().map_err(|error| Broken(format!("{error:#}")))?;
    judge(rule(id), &tree).map_or(Ok(()), |report| Err(Broken(report)))
}

/// Gives one test per rule, and the list of them.
macro_rules! rules_hold {
    ($($name:ident $id:literal)*) => {
        $(#[test]
        fn $name() -> Result<(), Broken> {
            holds($id)
        })*

        const HELD: &[&str] = &[$($id),*];
    };
}

rules_hold! {
    arrows_hold "arrows"
    pure_holds "pure"
    panics_hold "panics"
    stages_hold "stages"
    ports_hold "ports"
    names_hold "names"
    mod_files_hold "mod-files"
    length_holds "length"
    opening_holds "opening"
    output_holds "output"
    ignored_holds "ignored"
    sleeps_hold "sleeps"
    manifests_hold "manifests"
    machine_holds "machine"
    links_hold "links"
    generated_holds "generated"
}

/// What `cargo metadata` says of one package with one dependency of a kind.
macro_rules! metadata {
    ($name:literal, $folder:literal, $to:literal, $kind:literal) => {
        (
            "cargo metadata",
            concat!(
                "{\"packages\": [{\"name\": \"",
                $name,
                "\", \"manifest_path\": \"/sample/",
                $folder,
                "/Cargo.toml\", \"dependencies\": [{\"name\": \"",
                $to,
                "\", \"kind\": ",
                $kind,
                ", \"features\": []}]}]}"
            ),
        )
    };
}

/// One broken thing: the rule that it breaks, the files, and what the report must say.
type Sample = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

const SAMPLES: &[Sample] = &[
    // Arrows.
    (
        "arrows",
        &[metadata!(
            "parlour-engine",
            "server/engine",
            "parlour-ports",
            "null"
        )],
        "parlour-engine depends on parlour-ports",
    ),
    (
        "arrows",
        &[metadata!(
            "parlour-embedded",
            "adapters/embedded",
            "parlour-engine",
            "null"
        )],
        "parlour-embedded depends on parlour-engine",
    ),
    (
        "arrows",
        &[metadata!(
            "parlour-sdk",
            "client/sdk",
            "parlour-runtime",
            "\"dev\""
        )],
        "for its tests, parlour-sdk depends on parlour-runtime",
    ),
    (
        "arrows",
        &[metadata!(
            "parlour-engine",
            "server/engine",
            "tokio",
            "null"
        )],
        "parlour-engine is pure and depends on tokio",
    ),
    (
        "arrows",
        &[metadata!("parlour-node", "server/node", "fjall", "null")],
        "parlour-node depends on fjall, which is for parlour-embedded",
    ),
    (
        "arrows",
        &[metadata!("parlour-brandnew", "brandnew", "tokio", "null")],
        "parlour-brandnew: has no line in the table",
    ),
    (
        "arrows",
        &[
            metadata!(
                "parlour-engine",
                "server/engine",
                "parlour-protocol",
                "null"
            ),
            (
                "server/engine/src/log.rs",
                "//! Log.\n// parlour_ports in a comment is no matter\nuse parlour_ports::History;\n",
            ),
        ],
        "server/engine/src/log.rs:3: parlour-engine names parlour-ports",
    ),
    (
        "arrows",
        &[
            metadata!("parlour-runtime", "server/runtime", "parlour-ports", "null"),
            (
                "server/runtime/src/log.rs",
                "fn open() -> parlour_embedded::Store {}\n",
            ),
        ],
        "parlour-runtime names parlour-embedded",
    ),
    // Pure crates.
    (
        "pure",
        &[(
            "protocol/src/id.rs",
            "let now = std::time::SystemTime::now();\n",
        )],
        "a clock",
    ),
    (
        "pure",
        &[(
            "client/core/src/outbox.rs",
            "use std::{collections::BTreeMap, env};\n",
        )],
        "`std::env` is the environment",
    ),
    (
        "pure",
        &[("server/engine/src/log.rs", "let id = Uuid::now_v7();\n")],
        "`now_v7`",
    ),
    (
        "pure",
        &[("server/engine/src/log.rs", "let x: u8 = rand::random();\n")],
        "`rand` is randomness",
    ),
    (
        "pure",
        &[("server/engine/src/router.rs", "\nasync fn route() {}\n")],
        "router.rs:2: `async`",
    ),
    (
        "pure",
        &[("server/engine/src/push.rs", "tokio::spawn(x);\n")],
        "`tokio` is a runtime",
    ),
    (
        "pure",
        &[(
            "server/engine/src/log.rs",
            "use std::collections::HashMap;\n",
        )],
        "`HashMap` goes through its entries at random",
    ),
    // Panics.
    (
        "panics",
        &[(
            "protocol/src/lib.rs",
            "//! Words.\n#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::panic))]\n",
        )],
        "clippy::expect_used",
    ),
    (
        "panics",
        &[(
            "server/engine/src/lib.rs",
            "//! Machines. #![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]\n",
        )],
        "clippy::panic",
    ),
    (
        "panics",
        &[("client/core/src/gap.rs", "fn f() { x.unwrap(); }\n")],
        "gap.rs:1: `.unwrap()`",
    ),
    (
        "panics",
        &[(
            "client/core/src/gap.rs",
            "fn f() { unreachable!(\"never\") }\n",
        )],
        "`unreachable!`",
    ),
    // Stages.
    (
        "stages",
        &[
            ("server/engine/src/gateway.rs", ""),
            ("server/engine/src/sequencer.rs", ""),
        ],
        "server/engine/src: has no module `log`",
    ),
    // Ports.
    (
        "ports",
        &[(
            "server/ports/src/log.rs",
            "\npub trait Log {\n fn a(); fn b(); fn c() { fn not_counted() {} } fn d(); fn e();\n fn f(); fn g(); fn h(); fn i(); fn j();\n}\n",
        )],
        "log.rs:2: a port of 10 methods",
    ),
    // Names.
    (
        "names",
        &[("a/src/session.rs", "pub struct SessionManager;\n")],
        "`SessionManager` has `manager`",
    ),
    (
        "names",
        &[("a/src/a.rs", "fn parse_helper() {}\n")],
        "`parse_helper`",
    ),
    (
        "names",
        &[("a/src/string_utils.rs", "")],
        "`string_utils.rs` has `utils`",
    ),
    (
        "names",
        &[("tests/common/server.rs", "")],
        "`common` has `common`",
    ),
    (
        "names",
        &[("a/src/router.rs", "pub enum RouterError {}\n")],
        "call it `router::Error`",
    ),
    // Files.
    (
        "mod-files",
        &[("a/src/b/mod.rs", "//! B.\n")],
        "a/src/b/mod.rs: a mod.rs",
    ),
    (
        "opening",
        &[("a/src/b.rs", "// A comment is not enough.\nuse x;\n")],
        "a/src/b.rs",
    ),
    ("opening", &[("a/src/b.rs", "//!\nuse x;\n")], "a/src/b.rs"),
    // Output.
    (
        "output",
        &[("server/engine/src/log.rs", "fn f() { println!(\"x\"); }\n")],
        "`println!`",
    ),
    (
        "output",
        &[("client/sdk/src/net.rs", "fn f() { dbg!(x); }\n")],
        "`dbg!`",
    ),
    // Tests.
    (
        "ignored",
        &[(
            "a/tests/b.rs",
            "#[test]\n#[ignore = \"flaky\"]\nfn f() {}\n",
        )],
        "b.rs:2",
    ),
    (
        "ignored",
        &[("a/tests/b.rs", "#[cfg_attr(windows, ignore)]\nfn f() {}\n")],
        "b.rs:1",
    ),
    (
        "sleeps",
        &[("a/tests/b.rs", "fn f() {\n thread::sleep(x);\n}\n")],
        "b.rs:2: a sleep in a test",
    ),
    (
        "sleeps",
        &[(
            "a/src/b.rs",
            "#[cfg(test)]\nmod tests {\n fn f() { sleep(x).await; }\n}\n",
        )],
        "b.rs:3",
    ),
    (
        "sleeps",
        &[(
            "a/tests/b.rs",
            "fn f() {\n thread::sleep(x); // tidy: sleep, because \n}\n",
        )],
        "b.rs:2",
    ),
    // Manifests.
    (
        "manifests",
        &[
            metadata!("parlour-irc", "tools/irc", "serde", "null"),
            (
                "tools/irc/Cargo.toml",
                "[package]\nname = \"x\"\n[dependencies]\nserde.workspace = true\n",
            ),
        ],
        "does not take the workspace's lints",
    ),
    (
        "manifests",
        &[
            metadata!("parlour-irc", "tools/irc", "serde", "null"),
            (
                "tools/irc/Cargo.toml",
                "[lints]\nworkspace = true\n[dependencies]\nserde = \"1\"\n",
            ),
        ],
        "tools/irc/Cargo.toml:4: `serde = \"1\"`",
    ),
    // Paths of one machine, in two parts so that this file passes.
    (
        "machine",
        &[("README.md", concat!("see /ho", "me/me/x\n"))],
        "README.md:1",
    ),
    (
        "machine",
        &[("a.toml", concat!("path = \"/ro", "ot/x\"\n"))],
        "a.toml:1",
    ),
    // Links.
    (
        "links",
        &[
            (
                "docs/a.md",
                "See `server/b.rs` and `server/c.rs`, never `x/d.rs`.\n",
            ),
            ("server/b.rs", "//! B.\n"),
        ],
        "docs/a.md:1: `server/c.rs` is named, and not there",
    ),
    (
        "links",
        &[("docs/a.md", "\n[b](b.md)\n")],
        "docs/a.md:2: `b.md` leads to docs/b.md",
    ),
    (
        "links",
        &[("docs/a.md", "[b](../../b.md)\n")],
        "leads out of the repository",
    ),
    (
        "links",
        &[("a.md", "# One\n[b](#two)\n")],
        "a.md has no heading for #two",
    ),
    (
        "links",
        &[("a.md", "[b](b.md#two)\n"), ("b.md", "# One\n")],
        "b.md has no heading for #two",
    ),
];

#[test]
fn each_rule_fails_on_its_bad_samples() {
    for (id, files, says) in SAMPLES {
        let report = judge(rule(id), &Tree::sample(files));
        let report = report.unwrap_or_else(|| panic!("{id} is content with {files:?}"));
        assert!(
            report.contains(says),
            "{id} does not say {says:?}, but:\n{report}"
        );
        assert!(
            report.contains("why: ") && report.contains("what to do: "),
            "{report}"
        );
    }
}

#[test]
fn length_fails_on_a_long_file_alone() {
    let long = "//! Long.\n".repeat(801);
    let report = judge(rule("length"), &Tree::sample(&[("a/src/b.rs", &long)]));
    assert!(report.is_some_and(|report| report.contains("a/src/b.rs: 801 lines")));
    let longest = "//! Long.\n".repeat(800);
    let tree = Tree::sample(&[("a/src/b.rs", &longest), ("CHANGELOG.md", &long)]);
    assert_eq!(judge(rule("length"), &tree), None);
}

#[test]
fn generated_fails_on_a_stale_a_missing_and_an_unmakeable_file() {
    let mut tree = Tree::sample(&[("docs/a.json", "old"), ("docs/b.json", "same")]);
    tree.generated = || {
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let files = vec![
            file("docs/a.json", "new"),
            file("docs/b.json", "same"),
            file("docs/c.json", ""),
        ];
        vec![Err(anyhow::anyhow!("the types do not compile")), Ok(files)]
    };
    let report = judge(rule("generated"), &tree).expect("a report");
    assert!(report.contains("docs/a.json: is stale"), "{report}");
    assert!(
        report.contains("docs/c.json: is generated, but not there"),
        "{report}"
    );
    assert!(!report.contains("b.json"), "{report}");
    assert!(report.contains("the types do not compile"), "{report}");
}

#[test]
fn every_rule_is_held_here_and_shown_failing() {
    let ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(
        HELD, ids,
        "tests.rs holds each rule over this repository, in the same order"
    );
    for id in ids {
        let shown =
            SAMPLES.iter().any(|(of, ..)| *of == id) || ["length", "generated"].contains(&id);
        assert!(shown, "{id} was never seen to fail: give it a bad sample");
    }
}

#[test]
fn good_code_passes_every_rule() {
    let lib = "//! Words.\n#![cfg_attr(\n    not(test),\n    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)\n)]\npub mod id;\n";
    let id = "//! Ids; never tokio, never .unwrap().\nuse std::time::Duration;\n/// An id from a string such as \"std::env\".\npub fn id<'a>(now_ms: u64) -> &'a str { \"println! async std::fs\" }\n\n#[cfg(test)]\nmod tests {\n    use std::env;\n    #[test]\n    fn f() { let x = env::var(\"X\").unwrap(); println!(\"{x}\"); }\n    #[test]\n    fn slow() {\n        // tidy: sleep, because the passing of time is what is tested here\n        std::thread::sleep(X);\n    }\n}\n";
    let mut files = vec![
        metadata!("parlour-protocol", "protocol", "serde", "null"),
        (
            "protocol/Cargo.toml",
            "[lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\nuuid = { workspace = true, features = [\"serde\"] }\n",
        ),
        ("protocol/src/lib.rs", lib),
        ("protocol/src/id.rs", id),
        (
            "protocol/tests/wire.rs",
            "//! Wire.\nfn f() { std::fs::read(x).unwrap(); }\n",
        ),
        (
            "README.md",
            "# Read\n[that](docs/), [this](#read), [far](https://example.org/x), `[no](x)`\n",
        ),
        (
            "docs/a.md",
            "[up](../README.md#read) at https://example.org/work/x and docs/home/x\n",
        ),
        (
            "server/ports/src/log.rs",
            "//! Log.\npub trait Log {\n /// One fn of many.\n fn a(); fn b(); fn c(); fn d(); fn e(); fn f(); fn g(); fn h(); fn i();\n}\n",
        ),
    ];
    for port in ["accounts", "history", "roster", "relay", "sessions", "wake"] {
        let path: &'static str = format!("server/ports/src/{port}.rs").leak();
        files.push((path, "//! A need.\n"));
    }
    for folder in ["engine", "runtime"] {
        for stage in ["gateway", "log", "router", "session", "push"] {
            let path: &'static str = format!("server/{folder}/src/{stage}.rs").leak();
            files.push((path, "//! A stage.\n"));
        }
    }
    let tree = Tree::sample(&files);
    for rule in RULES {
        if let Some(report) = judge(rule, &tree) {
            panic!("{report}");
        }
    }
}
