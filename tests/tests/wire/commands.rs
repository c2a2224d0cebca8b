//! The node's commands with wrong arguments: each is refused in a sentence that names what is wrong
//! and says what to do, and nothing is made.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use parlour_tests::Node;
use parlour_tests::node::binary;

/// A folder with what commands can be wrong about.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let this = Self { dir };
        std::fs::write(this.at("file"), "text").unwrap();
        std::fs::write(this.at("cut.backup"), b"PARLOURBAK\x01\0\0\0\x09half").unwrap();
        std::fs::write(this.at("newer.backup"), b"PARLOURBAK\x09\0\0\0\0").unwrap();
        for folder in ["empty", "wrong", "others", "others/d"] {
            std::fs::create_dir(this.at(folder)).unwrap();
        }
        std::fs::write(this.at("wrong/2020-13-45.log"), "[10:00] <ann> hello\n").unwrap();
        std::fs::write(this.at("wrong/2021-01-02.log"), "no line\nnone either\n").unwrap();
        this
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs it within the folder: its exit code, and all that it said.
    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let done = Command::new(binary())
            .current_dir(self.dir.path())
            .args(args)
            .output()
            .unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.code(), String::from_utf8(said).unwrap())
    }

    /// That it is refused, saying each of these.
    #[track_caller]
    fn refused(&self, args: &[&str], words: &[&str]) -> String {
        let before = names(self.dir.path());
        let (code, said) = self.run(args);
        assert_eq!(code, Some(1), "{args:?}: {said}");
        for word in words {
            assert!(
                said.contains(word),
                "{args:?}: {word} is missing in: {said}"
            );
        }
        // What the system or a parser calls it is no sentence for people.
        for word in ["os error", "unknown variant", "Error {", "panicked"] {
            assert!(!said.contains(word), "{args:?}: {said}");
        }
        assert_eq!(before, names(self.dir.path()), "{args:?} made something");
        said
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    names
}

#[test]
fn stores_and_backups_that_are_none_are_refused_with_what_to_do() {
    let place = Place::new();
    for command in ["verify", "backup"] {
        for dir in ["nosuch", "file", "empty"] {
            let args = [command, dir, "new.backup"];
            let args = if command == "verify" {
                &args[..2]
            } else {
                &args[..]
            };
            place.refused(args, &["there is no store in", dir, "parlour serve --data"]);
        }
    }
    for (file, words) in [
        ("file", ["is no backup", "`parlour backup DIR FILE` wrote"]),
        (
            "cut.backup",
            ["is damaged: it ends too early", "an older backup"],
        ),
        ("newer.backup", ["has format 9", "a newer one"]),
        ("nosuch", ["nosuch: it is not there", "look at how"]),
        ("empty", ["it is a folder", "a file is wanted"]),
    ] {
        place.refused(&["restore", file, "new"], &words);
    }
    place.refused(&["restore", "file", "wrong"], &["wrong is there already"]);

    let node = Node::start();
    let data = node.data().display().to_string();
    place.refused(&["backup", &data, "empty"], &["empty is there already"]);
    let nowhere = ["nosuch: it is not there"];
    place.refused(&["backup", &data, "nosuch/new.backup"], &nowhere);
    let pid = node.pid().to_string();
    std::fs::write(place.at("wrong/2021-01-01.log"), "[10:00] <ann> hello\n").unwrap();
    let in_use = ["already in use by process", &pid, "stop that first"];
    for args in [
        &["verify", &data][..],
        &["serve", "--listen", "127.0.0.1:0", "--data", &data],
        &[
            "import",
            "irc",
            "wrong",
            "--conversation",
            "x",
            "--data",
            &data,
        ],
    ] {
        place.refused(args, &in_use);
    }
}

#[test]
fn logs_of_which_no_line_can_be_read_are_an_error_and_some_lines_are_counted() {
    let place = Place::new();
    let import = |dir| ["import", "irc", dir, "--conversation", "x", "--data", "new"];
    let none = [
        "no line of these logs can be read",
        "nothing was imported",
        "YYYY-MM-DD.log",
    ];
    place.refused(&import("wrong"), &none);
    place.refused(
        &import("empty"),
        &["empty", "there are no logs", "YYYY-MM-DD.log"],
    );
    for name in ["a.txt", "b.log.gz", "c"] {
        std::fs::write(place.at("others").join(name), "text").unwrap();
    }
    place.refused(
        &import("others"),
        &[
            "there are no logs",
            "YYYY-MM-DD.log",
            "4 that are no files named *.log: a.txt, b.log.gz, c, d/",
        ],
    );
    place.refused(
        &import("file"),
        &["file is a file", "the folder that the logs are in"],
    );
    place.refused(
        &import("nosuch"),
        &["nosuch is not there", "the folder that the logs are in"],
    );
    place.refused(
        &import("file/below"),
        &["file/below is not there", "the folder that the logs are in"],
    );
    let stop = [&import("wrong")[..], &["--on-error", "stop"]].concat();
    place.refused(
        &stop,
        &[
            "there is no day 2020-13-45",
            "rename it",
            "Nothing was imported",
        ],
    );

    // One line that can be read: the rest was asked to be left out, and is counted by file.
    std::fs::write(
        place.at("wrong/2021-01-01.log"),
        "[10:00] <ann> hello\nno\n",
    )
    .unwrap();
    // Controls, line separators, and what turns the direction of reading.
    for (n, c) in "\n\u{2028}\u{202e}\u{2066}\u{7}\u{9b}\r"
        .chars()
        .enumerate()
    {
        let name = format!("wrong/notes-{}{c}.txt", n + 1);
        std::fs::write(place.at(&name), "text").unwrap();
    }
    // Named like logs, and no files.
    std::fs::create_dir(place.at("wrong/2020-01-02.log")).unwrap();
    std::os::unix::fs::symlink("nowhere", place.at("wrong/2020-01-03.log")).unwrap();
    let (code, said) = place.run(&import("wrong"));
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "wrong: passed over 9 that are no files named *.log: 2020-01-02.log/, 2020-01-03.log, \
         notes-1\u{fffd}.txt, notes-2\u{fffd}.txt, notes-3\u{fffd}.txt and 4 more\n",
        "2021-01-02.log: 2 of 2 lines left out, 0 refused",
        "2020-13-45.log: left out whole",
        "2021-01-01.log: 1 of 2 lines left out, 0 refused",
        "5 lines of 3 files: 1 message added; 0 lines there already, 4 left out, 0 refused",
    ] {
        assert!(said.contains(line), "{line} is missing in: {said}");
    }
}

/// A certificate and its key in this folder, for `localhost`.
fn certificate(folder: &Path, name: &str) -> (String, String) {
    let at = |end: &str| folder.join(format!("{name}.{end}")).display().to_string();
    let (cert, key) = (at("cert"), at("key"));
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '))
        .args(["-subj", "/CN=localhost", "-keyout", &key, "-out", &cert])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    (cert, key)
}

#[test]
fn config_check_refuses_what_serve_refuses_in_the_same_words() {
    let place = Place::new();
    let (cert, key) = certificate(place.dir.path(), "one");
    let (_, other) = certificate(place.dir.path(), "other");
    let toml = |text: &str| std::fs::write(place.at("parlour.toml"), text).unwrap();
    toml("[http]\nlisten = \"127.0.0.1:0\"\n\n[accounts]\nsign_up = \"x\"\n");
    let free = ["--listen", "127.0.0.1:0", "--data", "new"];
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["--listen", "foo"],
            &["--listen: `foo` is no address", "127.0.0.1:7400"],
        ),
        (&["--tls-cert", &cert], &["http.tls_key: TLS needs both"]),
        (&["--tls-key", &key], &["http.tls_cert: TLS needs both"]),
        (
            &["--tls-cert", "nosuch", "--tls-key", &key],
            &["--tls-cert: nosuch: it is not there"],
        ),
        (
            &["--tls-cert", "file", "--tls-key", &key],
            &["--tls-cert: file: there is no certificate"],
        ),
        (
            &["--tls-cert", &cert, "--tls-key", "file"],
            &["--tls-key: file: there is no private key"],
        ),
        (
            &["--tls-cert", &cert, "--tls-key", &other],
            &["--tls-key", "does not fit", "one.cert"],
        ),
        (
            &["--data", "file"],
            &["--data: file is a file", "name a folder"],
        ),
        (&["--data", ""], &["--data: it is empty", "name a folder"]),
        (
            &["--sign-up", "x"],
            &["--sign-up: `x`", "\"open\", \"invitation\" or \"closed\""],
        ),
        (
            &["--config", "parlour.toml"],
            &["parlour.toml:5: accounts.sign_up", "\"invitation\""],
        ),
        (&["--config", "nosuch"], &["nosuch: there is no such file"]),
        (&["file"], &["by its flag, --config file"]),
        (
            &["./empty"],
            &["the data folder by its flag, --data ./empty"],
        ),
        (
            &["nosuch"],
            &["nosuch is not there", "--data nosuch", "--config nosuch"],
        ),
        (
            &["--set", "telemetry.level=inof"],
            &["telemetry.level: `inof` is no level", "hyper=info"],
        ),
        (
            &["--set", "http.lissten=x"],
            &["http.lissten", "did you mean `http.listen`?"],
        ),
    ];
    for (wrong, words) in cases {
        // Whatever is given again counts, and a free port else: nothing that serves may stay.
        let checked = place.refused(&[&["config", "check"][..], &free, wrong].concat(), words);
        let served = place.refused(&[&["serve"][..], &free, wrong].concat(), words);
        assert_eq!(checked, served, "{wrong:?}");
    }
    // Empty variables, as compose files make them, set no secret and take none away.
    let secret = place.at("secret").display().to_string();
    std::fs::write(&secret, "canary-7f3a-1234").unwrap();
    for (file, token) in [("", ""), ("", "canary-7f3a-1234"), (&*secret, "")] {
        let done = Command::new(binary())
            .current_dir(place.dir.path())
            .args(["config", "check", "--data", "new"])
            .env("PARLOUR_ACCOUNTS_ADMIN_TOKEN", token)
            .env("PARLOUR_ACCOUNTS_ADMIN_TOKEN_FILE", file)
            .output()
            .unwrap();
        assert!(done.status.success(), "{token}, {file}: {done:?}");
        let said = String::from_utf8(done.stdout).unwrap();
        let keys = if token.is_empty() && file.is_empty() {
            "1 key is"
        } else {
            "2 keys are"
        };
        assert!(said.contains(keys), "{said}");
    }
    let (code, said) = place.run(&["config", "check", "--data", "new"]);
    assert!(code == Some(0) && said.contains("1 key is set"), "{said}");
    let right = [
        &["config", "check"][..],
        &free,
        &["--tls-cert", &cert, "--tls-key", &key],
    ];
    let (code, said) = place.run(&right.concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("nothing is wrong") && !place.at("new").exists(),
        "{said}"
    );
}

#[test]
fn an_address_that_cannot_be_had_is_refused_with_what_to_do() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let serve = |listen| ["serve", "--data", "new", "--listen", listen];
    place.refused(&serve(&taken), &[&taken, "is in use", "--listen"]);
    place.refused(
        &serve("192.0.2.1:7400"),
        &["192.0.2.1 is no address of this machine"],
    );
    place.refused(
        &serve("nosuch.invalid:7400"),
        &["`nosuch.invalid` is not known"],
    );
}
