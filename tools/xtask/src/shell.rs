//! Other programs, run from the root of the repository.
//!
//! Promises that what runs is shown before it runs, and that a failure names the command. It
//! never hides a program's output.

use std::env;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};

/// The root of the repository, an absolute path.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // Cargo sets the variable when it runs us; what was there at build time serves a binary
        // that is started by hand.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        manifest
            .ancestors()
            .nth(2)
            .unwrap_or(&manifest)
            .to_path_buf()
    })
}

/// Cargo's target folder, wherever the user has put it.
pub(crate) fn target() -> Result<PathBuf> {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    if let Some(target) = TARGET.get() {
        return Ok(target.clone());
    }
    let metadata = metadata()?;
    let target = metadata["target_directory"]
        .as_str()
        .context("`cargo metadata` names no target folder")?;
    Ok(TARGET.get_or_init(|| PathBuf::from(target)).clone())
}

/// The answer of `cargo metadata`, for the members of this workspace alone.
pub(crate) fn metadata() -> Result<serde_json::Value> {
    let text = read(&mut cargo([
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
    ]))?;
    serde_json::from_str(&text).context("`cargo metadata` answered something that is not JSON")
}

/// A command that starts in the root of the repository.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    // A build that starts from nothing and is thrown away has no use for the notes that make the
    // next one faster.
    if std::env::var_os("CI").is_some() && std::env::var_os("CARGO_INCREMENTAL").is_none() {
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// Cargo, with arguments: the one that runs us.
pub(crate) fn cargo<const N: usize>(args: [&str; N]) -> Command {
    let mut command = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    // These belong to the package that runs (xtask), and would make a nested cargo rebuild.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command with its output shown as it comes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    show(command);
    let status = command.status().with_context(|| cannot_start(command))?;
    check(command, status)
}

/// Runs a command with its output shown as it comes, and gives its exit code as it is: what went
/// wrong it has said itself.
pub(crate) fn pass(command: &mut Command) -> Result<ExitCode> {
    show(command);
    let status = command.status().with_context(|| cannot_start(command))?;
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => Ok(ExitCode::from(code)),
        // Ended by a signal.
        _ => check(command, status).map(|()| ExitCode::FAILURE),
    }
}

/// Runs a command and gives its standard output, as text. Standard error is shown if it fails.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| cannot_start(command))?;
    if !output.status.success() {
        bail!(
            "`{}` failed ({}):\n{}",
            text(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` answered something that is not text", text(command)))
}

/// Runs a command, shows both of its outputs as they come, and gives each line to `each`.
///
/// The exit status is given back, not judged: a test run that failed has still been counted.
pub(crate) fn watch(
    command: &mut Command,
    each: &mut (dyn FnMut(&str) + Send),
) -> Result<ExitStatus> {
    show(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(command))?;
    let stdout = child
        .stdout
        .take()
        .ok_or_else(|| anyhow!("the child has no standard output"))?;
    let stderr = child
        .stderr
        .take()
        .ok_or_else(|| anyhow!("the child has no standard error"))?;
    let each = std::sync::Mutex::new(each);
    let pass = |line: &str| {
        if let Ok(mut each) = each.lock() {
            each(line);
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| tee(stderr, io::stderr(), &pass));
        tee(stdout, io::stdout(), &pass);
    });
    child
        .wait()
        .with_context(|| format!("cannot wait for `{}`", text(command)))
}

/// Copies lines from a pipe to one of our own outputs, and to `pass`.
fn tee(from: impl Read, mut to: impl Write, pass: &dyn Fn(&str)) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while matches!(from.read_until(b'\n', &mut line), Ok(n) if n > 0) {
        // An output that is closed is no reason to stop reading: the child would block.
        let _ = to.write_all(&line);
        pass(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}

/// Whether a program can be started with these arguments and says that it is well.
pub(crate) fn answers(program: impl AsRef<OsStr>, args: &[&str]) -> bool {
    command(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A program as one would type it: by its name alone if that leads to it.
fn program(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let found = env::var_os("PATH").is_some_and(|folders| {
        env::split_paths(&folders)
            .map(|folder| folder.join(name))
            .find(|there| there.is_file())
            .is_some_and(|there| there == path)
    });
    // cargo names itself by where its toolchain lies, and is called by name nevertheless.
    let cargo = env::var_os("CARGO").is_some_and(|cargo| cargo == path);
    let by_name = found || cargo || path.components().count() == 1;
    let shown = if by_name { Path::new(name) } else { path };
    quoted(&shown.to_string_lossy())
}

/// A command that can be pasted into a shell.
pub(crate) fn text(command: &Command) -> String {
    let mut text = String::new();
    for (key, value) in command.get_envs() {
        // That one is on every command in CI, and tells nothing.
        if let Some(value) = value.filter(|_| key != "CARGO_INCREMENTAL") {
            let value = quoted(&value.to_string_lossy());
            text += &format!("{}={value} ", key.to_string_lossy());
        }
    }
    text += &program(Path::new(command.get_program()));
    for arg in command.get_args() {
        text += " ";
        text += &quoted(&arg.to_string_lossy());
    }
    text
}

fn show(command: &Command) {
    println!("$ {}", text(command));
    // A child writes to the same terminal past our buffer.
    let _ = io::stdout().flush();
}

fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", text(command));
    }
    Ok(())
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", text(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_pasted() {
        let mut command = Command::new("/not/on the path/parlour");
        command.args([
            "serve",
            "--data",
            "it's here",
            "--listen",
            "127.0.0.1:0",
            "",
        ]);
        assert_eq!(
            text(&command),
            "'/not/on the path/parlour' serve --data 'it'\\''s here' --listen 127.0.0.1:0 ''"
        );
        assert_eq!(text(Command::new("cargo").arg("build")), "cargo build");
        // A test is run by cargo, which says where it is.
        let own = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        assert_eq!(text(Command::new(own).arg("build")), "cargo build");
        // By its whole path, and on PATH: its name leads to it.
        let folders = env::var_os("PATH").unwrap_or_default();
        let there = env::split_paths(&folders).find_map(|f| {
            let there = f.join("ls");
            there.is_file().then_some(there)
        });
        if let Some(there) = there {
            assert_eq!(text(&Command::new(there)), "ls");
        }
    }
}
