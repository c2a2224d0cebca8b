//! Does exactly what `docs/protocol.md` says, in its order, against a node just started. The rules
//! of its blocks stand at the head of that page.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use parlour_tests::node::build;
use parlour_tests::{Node, PATIENCE};
use serde_json::Value;

/// Ends what a block printed; no JSON has it.
const MARK: &str = "\u{1e}";

enum Block {
    Run(usize, String),
    Expect(usize, String),
}

/// The blocks that are done, each with the line that it begins on.
fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((i, line)) = lines.next() {
        let kind = match line.trim_end() {
            "```sh run" => Block::Run as fn(usize, String) -> Block,
            "```json expect" => Block::Expect,
            _ => continue,
        };
        let text: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| line.trim_end() != "```")
            .collect();
        found.push(kind(i + 1, text.join("\n")));
    }
    found
}

/// One bash that lives for the whole page.
struct Shell {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Shell {
    fn start(folder: &Path, url: &str, programs: Option<&Path>) -> Self {
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        if let Some(programs) = programs {
            let all = std::iter::once(programs.to_owned()).chain(std::env::split_paths(&path));
            path = std::env::join_paths(all).unwrap();
        }
        let mut child = Command::new("bash")
            .current_dir(folder)
            .env("PATH", path)
            .env("PARLOUR", url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = sync_channel(1_024);
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            input: child.stdin.take().unwrap(),
            child,
            lines,
        }
    }

    /// What this prints.
    fn run(&mut self, at: usize, text: &str) -> String {
        writeln!(self.input, "{text}\nprintf '%s\\n' '{MARK}'").unwrap();
        self.input.flush().unwrap();
        let mut printed = String::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                panic!("docs/protocol.md:{at}: the block did not end; it printed:\n{printed}")
            });
            // What was printed last need not end in a newline.
            match line.strip_suffix(MARK) {
                Some(rest) => {
                    printed.push_str(rest);
                    return printed;
                }
                None => {
                    printed.push_str(&line);
                    printed.push('\n');
                }
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn values(text: &str, at: usize) -> Vec<Value> {
    serde_json::Deserializer::from_str(text)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|e| panic!("docs/protocol.md:{at}: not JSON: {e}\n{text}"))
}

/// Whether a value fits a pattern; else where it does not.
fn fits(
    shell: &mut Shell,
    at: usize,
    pattern: &Value,
    value: &Value,
    path: &str,
) -> Result<(), String> {
    match (pattern, value) {
        (Value::String(p), _) if p == "…" => Ok(()),
        (Value::String(p), _) if p.starts_with('$') => {
            let variable = shell.run(at, &format!("printf '%s' \"{p}\""));
            if value.as_str() == Some(&variable) {
                Ok(())
            } else {
                Err(format!("{path}: {value} is not {p}, which is {variable:?}"))
            }
        }
        (Value::Object(p), Value::Object(v)) => p.iter().try_for_each(|(name, pattern)| {
            let path = format!("{path}.{name}");
            let value = v.get(name).ok_or_else(|| format!("{path} is missing"))?;
            fits(shell, at, pattern, value, &path)
        }),
        (Value::Array(p), Value::Array(v)) => {
            if p.len() != v.len() {
                return Err(format!("{path}: {} items instead of {}", v.len(), p.len()));
            }
            p.iter()
                .zip(v)
                .enumerate()
                .try_for_each(|(i, (p, v))| fits(shell, at, p, v, &format!("{path}[{i}]")))
        }
        _ if pattern == value => Ok(()),
        _ => Err(format!("{path}: {value} instead of {pattern}")),
    }
}

/// The folder of a `websocat`, if the machine has none: this workspace's stand-in for it.
fn websocat() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join("websocat").is_file()) {
        return None;
    }
    eprintln!("this machine has no websocat: a stand-in of this workspace speaks in its place");
    build("parlour-tests", "websocat")
        .parent()
        .map(Path::to_owned)
}

#[tokio::test]
async fn the_page_says_what_the_server_does() {
    let page = include_str!("../../../docs/protocol.md");
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Shell::start(folder.path(), &node.url, websocat().as_deref());
    let (mut printed, mut runs, mut checked) = (String::new(), 0, 0);
    for block in blocks(page) {
        match block {
            Block::Run(at, text) => {
                printed = shell.run(at, &text);
                runs += 1;
            }
            Block::Expect(at, text) => {
                let (patterns, values) = (values(&text, at), values(&printed, at));
                assert_eq!(
                    patterns.len(),
                    values.len(),
                    "docs/protocol.md:{at}: so many values are expected, and these were printed:\n{printed}"
                );
                for (pattern, value) in patterns.iter().zip(&values) {
                    if let Err(why) = fits(&mut shell, at, pattern, value, "") {
                        panic!("docs/protocol.md:{at}: {why}\nin {value:#}");
                    }
                    checked += 1;
                }
            }
        }
    }
    assert!(
        runs > 10 && checked > 15,
        "{runs} blocks were run, {checked} values checked"
    );
}
