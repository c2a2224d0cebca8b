//! Scripts in, expected text out: each file in `tests/scripts` is a story that a person can read.
//!
//! A line at the margin is an input; the indented lines under it are what the core answers.
//! `#` begins a remark. Run with `UPDATE=1` to write what the core answers now into the files,
//! then read the difference.

mod print;
mod world;

use std::path::Path;

use world::World;

#[test]
fn scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "txt"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {}", folder.display());
    let mut failed = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let told = run(&text);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &told).unwrap();
        } else if told != text {
            for (i, (was, is)) in text.lines().zip(told.lines()).enumerate() {
                if was != is {
                    failed.push(format!(
                        "{}:{}\n  expected {was}\n  got      {is}",
                        path.display(),
                        i + 1
                    ));
                    break;
                }
            }
            if text.lines().count() != told.lines().count() {
                failed.push(format!("{}: another number of lines", path.display()));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn run(text: &str) -> String {
    let mut world = World::new();
    let mut told = String::new();
    for line in text.lines() {
        if line.starts_with("    ") {
            continue;
        }
        told.push_str(line);
        told.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        for out in world.step(line) {
            told.push_str("    ");
            told.push_str(&out);
            told.push('\n');
        }
    }
    told
}
