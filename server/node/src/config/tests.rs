//! Layers, nearest keys, secrets, and the sample that is made of the doc comments.

use super::*;

fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("parlour.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn given(key: &str, text: &str) -> Given {
    Given {
        key: key.into(),
        text: text.into(),
        from: "--set".into(),
    }
}

fn env(list: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
    list.iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect::<Vec<_>>()
        .into_iter()
}

fn problems(text: &str) -> String {
    let (dir, path) = file(text);
    let said = load(Some(&path), env(&[]), Vec::new()).1.join("\n");
    said.replace(&dir.path().display().to_string(), "DIR")
}

#[test]
fn the_sample_says_every_default() {
    let sample = sample();
    let live: String = sample
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n");
    let (_dir, path) = file(&live);
    assert_eq!(
        right(Some(&path), env(&[]), Vec::new()).config,
        Config::default()
    );
    for full in known(&parts()) {
        let key = full.split_once('.').unwrap().1;
        assert!(live.contains(key), "{full} is missing");
    }
    let (_dir, untouched) = file(&sample);
    let untouched = right(Some(&untouched), env(&[]), Vec::new());
    assert_eq!(untouched.set(), 0, "the sample itself sets nothing");
}

#[test]
fn every_key_is_explained() {
    for part in parts() {
        assert!(!part.about.is_empty(), "[{}]", part.name);
        for key in part.keys {
            assert!(!key.about.is_empty(), "{}.{}", part.name, key.name);
        }
    }
}

#[test]
fn a_flag_goes_over_a_variable_and_that_over_the_file() {
    let (_dir, path) = file("[http]\nlisten = \"127.0.0.1:1\"\nupgrade_ms = 1\nplaced_ms = 1\n");
    let config = right(
        Some(&path),
        env(&[
            ("PARLOUR_HTTP_LISTEN", "127.0.0.1:2"),
            ("PARLOUR_HTTP_UPGRADE_MS", "2"),
            ("HOME", "/"),
        ]),
        vec![given("http.listen", "127.0.0.1:3")],
    )
    .config;
    assert_eq!(config.http.listen, "127.0.0.1:3");
    assert_eq!(config.http.upgrade_ms, 2);
    assert_eq!(config.http.placed_ms, 1);
}

#[test]
fn an_unknown_key_names_the_nearest() {
    assert_eq!(
        problems("[http]\nlissten = \"x\"\n[limit]\nsends_burst = 1\n[zzzzzz]\nqqqqqq = 1\n"),
        "DIR/parlour.toml:2: there is no key `http.lissten`; did you mean `http.listen`?\n\
         DIR/parlour.toml:4: there is no key `limit.sends_burst`; did you mean `limits.sends_burst`?\n\
         DIR/parlour.toml:6: there is no key `zzzzzz.qqqqqq`; `parlour config sample` shows those that exist"
    );
    assert_eq!(
        problems("listen = \"x\"\n"),
        "DIR/parlour.toml:1: there is no key `listen`; did you mean `http.listen`?"
    );
    let said = load(None, env(&[("PARLOUR_HTTP_LISTN", "x")]), Vec::new()).1;
    assert_eq!(
        said.join("\n"),
        "environment: there is no variable `PARLOUR_HTTP_LISTN`; did you mean `PARLOUR_HTTP_LISTEN`?"
    );
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_place() {
    assert_eq!(
        problems(
            "[http]\nupgrade_ms = \"soon\"\nlisten = 3\norigins = \"x\"\nbody_bytes = -1\n\
             [accounts]\n\nsign_up = \"maybe\"\n[telemetry]\nmetrics = 1\n"
        ),
        "DIR/parlour.toml:3: http.listen: `3` is no text in quotes, such as \"127.0.0.1:7400\"\n\
         DIR/parlour.toml:4: http.origins: `x` is no list of texts, such as []\n\
         DIR/parlour.toml:2: http.upgrade_ms: `soon` is no whole number, such as 5000\n\
         DIR/parlour.toml:5: http.body_bytes: `-1` is too small or too large: invalid value: \
         integer `-1`, expected u64\n\
         DIR/parlour.toml:8: accounts.sign_up: `maybe` is not among its values; write \"open\", \
         \"invitation\" or \"closed\"\n\
         DIR/parlour.toml:10: telemetry.metrics: `1` is neither true nor false"
    );
    let said = load(None, env(&[]), vec![given("limits.devices", "ten")]).1;
    assert_eq!(
        said.join("\n"),
        "--set: limits.devices: `ten` is no whole number"
    );
    let said = problems("[http]\nlisten = \"x\n");
    assert!(
        said.starts_with("DIR/parlour.toml:2: this is not TOML: "),
        "{said}"
    );
}

#[test]
fn limits_that_cannot_hold_together_are_named_with_their_place() {
    assert_eq!(
        problems("[limits]\nbody_bytes = 200_000\n"),
        "DIR/parlour.toml:2: limits.body_bytes: it is 200000, and limits.client_frame_bytes \
         131072: make that 201024 at least, or this 130048 at most"
    );
    assert_eq!(
        problems("[http]\nbody_bytes = 100\n"),
        "DIR/parlour.toml:2: http.body_bytes: it is 100, and limits.body_bytes is 65536: make this \
         at least as much, or lower `limits.body_bytes`"
    );
}

#[test]
fn a_mode_of_a_later_version_is_a_plain_sentence() {
    let said = problems("[node]\nlog = \"kafka\"\n");
    assert!(
        said.contains("node.log") && said.contains("embedded"),
        "{said}"
    );
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("token");
    std::fs::write(&secret, "canary-7f3a-1234\n").unwrap();
    let text = format!(
        "[accounts]\nadmin_token_file = {:?}\n",
        secret.display().to_string()
    );
    let (_dir, path) = file(&text);
    let config = right(Some(&path), env(&[]), Vec::new()).config;
    assert_eq!(config.accounts.admin_token.0, "canary-7f3a-1234");
    assert!(!format!("{config:?}").contains("canary"));
    // A variable with the plain value goes over the file's name.
    let config = right(
        Some(&path),
        env(&[("PARLOUR_ACCOUNTS_ADMIN_TOKEN", "another-1234-5678")]),
        Vec::new(),
    )
    .config;
    assert_eq!(config.accounts.admin_token.0, "another-1234-5678");
}

#[test]
fn a_list_can_be_given_as_text() {
    let config = right(
        None,
        env(&[(
            "PARLOUR_HTTP_ORIGINS",
            "https://a.example, https://b.example",
        )]),
        Vec::new(),
    )
    .config;
    assert_eq!(
        config.http.origins,
        ["https://a.example", "https://b.example"]
    );
}

#[test]
fn values_that_cannot_work_are_named_with_their_place() {
    let said = problems(
        "[http]\norigins = [\"chat.example.org\", \"https://a.example\", \"*\"]\nbody_bytes = 0\n\
         [telemetry]\nlevel = \"a=b=c\"\n[node]\nroles = [\"gateway\", \"router\"]\n",
    );
    for line in [
        "DIR/parlour.toml:7: node.roles: with embedded adapters",
        "DIR/parlour.toml:3: http.body_bytes: must be above 0",
        "DIR/parlour.toml:2: http.origins: `chat.example.org` is no origin; write it as",
        "DIR/parlour.toml:5: telemetry.level: `a=b=c` is no level",
    ] {
        assert!(said.contains(line), "{line} is missing in:\n{said}");
    }
    assert_eq!(said.lines().count(), 4, "{said}");
}

/// A configuration that is right.
fn right(
    file: Option<&Path>,
    env: std::vec::IntoIter<(String, String)>,
    flags: Vec<Given>,
) -> Loaded {
    let (loaded, wrong) = load(file, env, flags);
    assert_eq!(wrong, Vec::<String>::new());
    loaded
}

/// What is wrong with what a configuration names, given in flags.
fn named_wrong(flags: &[(&str, &str)]) -> String {
    let flags = flags.iter().map(|(key, text)| given(key, text)).collect();
    match whole(None, env(&[]), flags) {
        Ok(_) => String::new(),
        Err(problems) => problems.0.join("\n"),
    }
}

#[test]
fn what_is_named_outside_is_looked_at_and_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (file, data) = (at("file"), at("data"));
    std::fs::write(&file, "text").unwrap();
    assert_eq!(named_wrong(&[("node.data", &data)]), "");
    assert!(!std::path::Path::new(&data).exists());

    for listen in ["foo", "127.0.0.1", "127.0.0.1:99999", ":7400"] {
        let said = named_wrong(&[("node.data", &data), ("http.listen", listen)]);
        assert!(
            said.starts_with(&format!("--set: http.listen: `{listen}` is no address")),
            "{said}"
        );
    }
    let below = format!("{file}/below");
    for (data, why) in [
        ("", "it is empty"),
        (file.as_str(), "is a file"),
        (below.as_str(), "a part of this path is a file"),
    ] {
        let said = named_wrong(&[("node.data", data)]);
        assert!(
            said.starts_with("--set: node.data: ") && said.contains(why),
            "{said}"
        );
    }
    // Everything at once, what is wrong with values as well.
    let said = named_wrong(&[
        ("accounts.sign_up", "x"),
        ("node.data", &file),
        ("http.listen", "foo"),
        ("http.tls_cert", &file),
    ]);
    assert_eq!(said.lines().count(), 4, "{said}");
    assert!(said.contains("http.tls_key: TLS needs both"), "{said}");
}

#[test]
fn a_secret_s_file_that_gives_none_is_named_and_so_are_two_secrets_of_one_source() {
    let dir = tempfile::tempdir().unwrap();
    let (blank, secret) = (dir.path().join("blank"), dir.path().join("secret"));
    std::fs::write(&blank, " \n\t\n").unwrap();
    std::fs::write(&secret, "canary-7f3a-1234").unwrap();
    let (blank, secret) = (blank.display().to_string(), secret.display().to_string());
    assert_eq!(
        problems("[accounts]\nadmin_token_file = 3\n"),
        "DIR/parlour.toml:2: accounts.admin_token_file: `3` is no text in quotes, which should be \
         the path of a file"
    );
    let said = problems(&format!("[accounts]\nadmin_token_file = {blank:?}\n"));
    assert!(
        said.starts_with("DIR/parlour.toml:2: accounts.admin_token_file: ")
            && said.contains("there is nothing in it"),
        "{said}"
    );
    let both =
        format!("[accounts]\nadmin_token = \"plain-secret-of-a\"\nadmin_token_file = {secret:?}\n");
    assert_eq!(
        problems(&both),
        "DIR/parlour.toml:3: accounts.admin_token_file: accounts.admin_token is set beside it; \
         keep one of the two"
    );
    let variables = env(&[
        ("PARLOUR_ACCOUNTS_ADMIN_TOKEN", "plain-secret-of-a"),
        ("PARLOUR_ACCOUNTS_ADMIN_TOKEN_FILE", &secret),
    ]);
    assert_eq!(
        load(None, variables, Vec::new()).1,
        [
            "PARLOUR_ACCOUNTS_ADMIN_TOKEN_FILE: accounts.admin_token is set beside it; keep one of the \
          two"
        ]
    );
    let flags = vec![
        given("accounts.admin_token_file", &secret),
        given("accounts.admin_token", "plain-secret-of-a"),
    ];
    assert_eq!(
        load(None, env(&[]), flags).1,
        [
            "--set: accounts.admin_token_file: accounts.admin_token is set beside it; keep one of the \
          two"
        ]
    );
    // Of two sources the later word counts, as with any key.
    let (_dir, path) = file("[accounts]\nadmin_token = \"plain-secret-of-a\"\n");
    let variables = env(&[("PARLOUR_ACCOUNTS_ADMIN_TOKEN_FILE", &secret)]);
    let config = right(Some(&path), variables, Vec::new()).config;
    assert_eq!(config.accounts.admin_token.0, "canary-7f3a-1234");
}

#[test]
fn what_cannot_be_read_is_told_once_and_of_what_is_wrong_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (data, cert, key) = (at("data"), at("cert.pem"), at("key.pem"));
    let (_dir, path) = file(&format!("[http]\ntls_cert = {cert:?}\ntls_key = 3\n"));
    let flags = vec![given("node.data", &data)];
    let said = whole(Some(&path), env(&[]), flags).err().unwrap().0;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("http.tls_key: `3`"), "{said:?}");

    // A certificate that is PEM and nothing else, beside a key that is one.
    let made = std::process::Command::new("openssl")
        .args("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out".split(' '))
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(&cert, text).unwrap();
    let said = named_wrong(&[
        ("node.data", &data),
        ("http.tls_cert", &cert),
        ("http.tls_key", &key),
    ]);
    let start = format!("--set: http.tls_cert: {cert}: its first certificate cannot be used");
    assert!(said.starts_with(&start), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_secret_that_is_empty_is_none_wherever_it_is_given() {
    const PLAIN: &str = "PARLOUR_ACCOUNTS_ADMIN_TOKEN";
    const FILE: &str = "PARLOUR_ACCOUNTS_ADMIN_TOKEN_FILE";
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "canary-7f3a-1234").unwrap();
    let secret = secret.display().to_string();
    let plain = "[accounts]\nadmin_token = \"plain-secret-of-a\"\n";
    let named = format!("[accounts]\nadmin_token_file = {secret:?}\n");
    let both = |plain: &str, file: &str| {
        format!("[accounts]\nadmin_token = {plain:?}\nadmin_token_file = {file:?}\n")
    };
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let (token, token_file) = ("accounts.admin_token", "accounts.admin_token_file");
    let cases: &[(&str, Pairs<'_>, Pairs<'_>, &str)] = &[
        // The file says one, and a variable nothing.
        (plain, &[(PLAIN, "")], &[], "plain-secret-of-a"),
        (plain, &[(FILE, "")], &[], "plain-secret-of-a"),
        (&named, &[(PLAIN, "")], &[], "canary-7f3a-1234"),
        (&named, &[(FILE, "")], &[], "canary-7f3a-1234"),
        (plain, &[(PLAIN, ""), (FILE, "")], &[], "plain-secret-of-a"),
        // One variable says one, and the other nothing, in both orders.
        (
            "",
            &[(PLAIN, "plain-secret-of-b"), (FILE, "")],
            &[],
            "plain-secret-of-b",
        ),
        (
            "",
            &[(FILE, ""), (PLAIN, "plain-secret-of-b")],
            &[],
            "plain-secret-of-b",
        ),
        ("", &[(PLAIN, ""), (FILE, &secret)], &[], "canary-7f3a-1234"),
        (
            "",
            &[(FILE, &secret), (PLAIN, " ")],
            &[],
            "canary-7f3a-1234",
        ),
        (
            plain,
            &[(PLAIN, ""), (FILE, &secret)],
            &[],
            "canary-7f3a-1234",
        ),
        (
            &named,
            &[(PLAIN, "plain-secret-of-b"), (FILE, "")],
            &[],
            "plain-secret-of-b",
        ),
        // Within the file.
        (&both("", &secret), &[], &[], "canary-7f3a-1234"),
        (
            &both("plain-secret-of-a", ""),
            &[],
            &[],
            "plain-secret-of-a",
        ),
        (&both("", ""), &[], &[], ""),
        // A flag.
        (plain, &[], &[(token, "")], "plain-secret-of-a"),
        (plain, &[], &[(token_file, "")], "plain-secret-of-a"),
        (
            plain,
            &[(PLAIN, "plain-secret-of-b")],
            &[(token, "plain-secret-of-c"), (token_file, "")],
            "plain-secret-of-c",
        ),
        (
            "",
            &[],
            &[(token_file, &secret), (token, "")],
            "canary-7f3a-1234",
        ),
    ];
    for (text, variables, flags, expected) in cases {
        let (_dir, path) = file(text);
        let flags = flags.iter().map(|(key, text)| given(key, text)).collect();
        let config = right(Some(&path), env(variables), flags).config;
        assert_eq!(
            config.accounts.admin_token.0, *expected,
            "{text}{variables:?}"
        );
    }
}

#[test]
fn what_could_not_be_read_is_not_judged_against_what_could() {
    for (text, line) in [
        (
            "[http]\nbody_bytes = 100\n[limits]\nbody_bytes = \"x\"\n",
            "limits.body_bytes: `x`",
        ),
        (
            "[http]\nbody_bytes = \"x\"\n[limits]\nbody_bytes = 100_000\n",
            "http.body_bytes: `x`",
        ),
        (
            "[limits]\nbody_bytes = 200_000\nclient_frame_bytes = \"x\"\n",
            "client_frame_bytes: `x`",
        ),
        (
            "[session]\nrenew_ms = 9_000\nlease_ms = \"x\"\n",
            "session.lease_ms: `x`",
        ),
        (
            "[drain]\ndrain_ms_max = 10\njitter_ms_max = \"x\"\n",
            "drain.jitter_ms_max: `x`",
        ),
    ] {
        let said = problems(text);
        assert!(
            said.contains(line) && said.lines().count() == 1,
            "{text}{said}"
        );
    }
}

#[test]
fn what_could_not_be_read_of_a_variable_or_flag_is_not_judged_either() {
    // Twice this is more than the lease, which is 15 s.
    let (_dir, path) = file("[session]\nrenew_ms = 9_000\nlease_ms = 10_000\n");
    let (key, variable) = ("session.renew_ms", "PARLOUR_SESSION_RENEW_MS");
    let said = load(Some(&path), env(&[(variable, "x")]), Vec::new()).1;
    assert_eq!(said, [format!("{variable}: `x` is no whole number")]);
    let said = load(Some(&path), env(&[]), vec![given(key, "x")]).1;
    assert_eq!(said, [format!("--set: {key}: `x` is no whole number")]);
    // A later word that can be read counts, and is judged.
    let said = load(
        Some(&path),
        env(&[(variable, "x")]),
        vec![given(key, "8000")],
    )
    .1;
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with(variable) && said[1].starts_with("--set: session.renew_ms: renew"));
    let (loaded, said) = load(
        Some(&path),
        env(&[(variable, "x")]),
        vec![given(key, "4000")],
    );
    assert_eq!((said.len(), loaded.config.session.renew_ms), (1, 4_000));
    // An earlier one that can be read does not count any more, and is not judged.
    let said = load(
        None,
        env(&[("PARLOUR_HTTP_BODY_BYTES", "1")]),
        vec![given("http.body_bytes", "x")],
    );
    assert_eq!(said.1.len(), 1, "{:?}", said.1);
}

#[test]
fn an_administrators_token_that_can_be_guessed_is_refused_with_what_to_do() {
    let said = problems("[accounts]\nadmin_token = \"fifteen bytes..\"\n");
    for word in [
        "DIR/parlour.toml:2: accounts.admin_token: ",
        "15 bytes",
        "openssl rand -hex 32",
    ] {
        assert!(said.contains(word), "{word} is missing in: {said}");
    }
    assert!(!said.contains("fifteen"), "{said}");
    let (_dir, path) = file("[accounts]\nadmin_token = \"sixteen bytes...\"\n");
    right(Some(&path), env(&[]), Vec::new());
}
