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
    let said = load(Some(&path), env(&[]), Vec::new())
        .unwrap_err()
        .to_string();
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
        load(Some(&path), env(&[]), Vec::new()).unwrap(),
        Config::default()
    );
    for full in known(&parts()) {
        let key = full.split_once('.').unwrap().1;
        assert!(live.contains(key), "{full} is missing");
    }
    let (_dir, untouched) = file(&sample);
    assert_eq!(count(&untouched), 0, "the sample itself sets nothing");
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
    let config = load(
        Some(&path),
        env(&[
            ("PARLOUR_HTTP_LISTEN", "127.0.0.1:2"),
            ("PARLOUR_HTTP_UPGRADE_MS", "2"),
            ("HOME", "/"),
        ]),
        vec![given("http.listen", "127.0.0.1:3")],
    )
    .unwrap();
    assert_eq!(config.http.listen, "127.0.0.1:3");
    assert_eq!(config.http.upgrade_ms, 2);
    assert_eq!(config.http.placed_ms, 1);
}

#[test]
fn an_unknown_key_names_the_nearest() {
    assert_eq!(
        problems("[http]\nlissten = \"x\"\n[limit]\nsends_burst = 1\n[zzzzzz]\nqqqqqq = 1\n"),
        "DIR/parlour.toml: there is no key `http.lissten`; did you mean `http.listen`?\n\
         DIR/parlour.toml: there is no key `limit.sends_burst`; did you mean `limits.sends_burst`?\n\
         DIR/parlour.toml: there is no key `zzzzzz.qqqqqq`; `parlour config sample` shows those that exist"
    );
    assert_eq!(
        problems("listen = \"x\"\n"),
        "DIR/parlour.toml: there is no key `listen`; did you mean `http.listen`?"
    );
    let said = load(None, env(&[("PARLOUR_HTTP_LISTN", "x")]), Vec::new()).unwrap_err();
    assert_eq!(
        said.to_string(),
        "environment: there is no variable `PARLOUR_HTTP_LISTN`; did you mean `PARLOUR_HTTP_LISTEN`?"
    );
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_place() {
    let said = problems("[http]\nupgrade_ms = \"soon\"\n[accounts]\nsign_up = \"maybe\"\n");
    let lines: Vec<_> = said.lines().collect();
    assert!(
        lines[0].starts_with("DIR/parlour.toml: http.upgrade_ms: "),
        "{said}"
    );
    assert!(
        lines[1].starts_with("DIR/parlour.toml: accounts.sign_up: "),
        "{said}"
    );
    assert!(said.contains("invitation"), "{said}");
    let said = load(None, env(&[]), vec![given("limits.devices", "ten")]).unwrap_err();
    assert_eq!(
        said.to_string(),
        "--set: limits.devices: `ten` is no whole number"
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
    std::fs::write(&secret, "canary-7f3a\n").unwrap();
    let text = format!(
        "[accounts]\nadmin_token_file = {:?}\n",
        secret.display().to_string()
    );
    let (_dir, path) = file(&text);
    let config = load(Some(&path), env(&[]), Vec::new()).unwrap();
    assert_eq!(config.accounts.admin_token.0, "canary-7f3a");
    assert!(!format!("{config:?}").contains("canary"));
    // A variable with the plain value goes over the file's name.
    let config = load(
        Some(&path),
        env(&[("PARLOUR_ACCOUNTS_ADMIN_TOKEN", "other")]),
        Vec::new(),
    )
    .unwrap();
    assert_eq!(config.accounts.admin_token.0, "other");
}

#[test]
fn a_list_can_be_given_as_text() {
    let config = load(
        None,
        env(&[(
            "PARLOUR_HTTP_ORIGINS",
            "https://a.example, https://b.example",
        )]),
        Vec::new(),
    )
    .unwrap();
    assert_eq!(
        config.http.origins,
        ["https://a.example", "https://b.example"]
    );
}
