//! A terminal for the terminal client: [`Tmux`] types into it and reads its screen.
//!
//! Each has a server of its own, on a socket of its own, without anybody's configuration; it and
//! all that runs in it is gone when it is dropped.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::PATIENCE;
use crate::node::build;

/// The path of `parlour-chat`, built now unless that was done already.
pub fn chat() -> &'static Path {
    static CHAT: OnceLock<PathBuf> = OnceLock::new();
    CHAT.get_or_init(|| build("parlour-tui", "parlour-chat"))
}

/// A terminal multiplexer of one's own.
pub struct Tmux {
    dir: TempDir,
}

impl Tmux {
    /// An empty one.
    pub fn new() -> Self {
        let there = Command::new("tmux").arg("-V").output();
        assert!(
            there.is_ok_and(|o| o.status.success()),
            "this test types into a terminal, and tmux is missing: `apt-get install -y tmux` \
             installs it (`cargo xtask test` does, where it may)"
        );
        Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new("tmux")
            .arg("-S")
            .arg(self.dir.path().join("socket"))
            .args(["-f", "/dev/null"])
            .args(args)
            // One that this runs in is another.
            .env_remove("TMUX")
            .output()
            .expect("tmux runs")
    }

    /// Runs a program on a screen of this size. What it leaves behind stays readable after it
    /// ended.
    pub fn open(&self, name: &str, (w, h): (u16, u16), env: &[(&str, &str)], program: &[&str]) {
        let (w, h) = (w.to_string(), h.to_string());
        let set: Vec<String> = env.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut args = vec!["new-session", "-d", "-s", name, "-x", &w, "-y", &h];
        for pair in &set {
            args.extend(["-e", pair.as_str()]);
        }
        args.push("--");
        args.extend(program);
        // Options are set before the window is there. The server stays when its last screen goes:
        // the next one would meet it as it ends.
        let mut all = vec!["start-server", ";"];
        all.extend(["set-option", "-s", "exit-empty", "off", ";"]);
        all.extend(["set-option", "-g", "remain-on-exit", "on", ";"]);
        all.extend(args);
        let done = self.run(&all);
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    /// The folder in which a `parlour-chat` keeps what it holds.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs `parlour-chat` in a folder of its own, for a server, in UTC.
    pub fn open_chat(&self, name: &str, size: (u16, u16), server: &str, env: &[(&str, &str)]) {
        let folder = self.folder(name);
        let program = chat().to_str().expect("a path in UTF-8");
        let folder = folder.to_str().expect("a path in UTF-8");
        let mut with = vec![("TZ", "UTC"), ("LC_ALL", "C.UTF-8")];
        with.extend(env);
        let args = [program, "--data", folder, "--server", server];
        self.open(name, size, &with, &args);
    }

    /// Ends a screen, and what runs on it.
    pub fn close(&self, name: &str) {
        self.run(&["kill-session", "-t", name]);
    }

    /// Types text as it is.
    pub fn text(&self, name: &str, text: &str) {
        self.run(&["send-keys", "-t", name, "-l", "--", text]);
    }

    /// Presses keys, by tmux's names: `Enter`, `Up`, `C-n`, `S-Up`.
    pub fn keys(&self, name: &str, keys: &[&str]) {
        let mut args = vec!["send-keys", "-t", name];
        args.extend(keys);
        self.run(&args);
    }

    /// Gives a screen another size.
    pub fn resize(&self, name: &str, (w, h): (u16, u16)) {
        let (w, h) = (w.to_string(), h.to_string());
        self.run(&["resize-window", "-t", name, "-x", &w, "-y", &h]);
    }

    /// The screen as text.
    pub fn screen(&self, name: &str) -> String {
        let out = self.run(&["capture-pane", "-p", "-t", name]);
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// The screen with its colours, as a terminal is told them.
    pub fn coloured(&self, name: &str) -> String {
        let out = self.run(&["capture-pane", "-p", "-e", "-N", "-t", name]);
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Waits until what ran on a screen has ended and given it back: the alternate screen and the
    /// mouse are not taken any more.
    #[track_caller]
    pub fn ends(&self, name: &str) {
        let end = Instant::now() + PATIENCE;
        while self.state(name) != "0 0 1" {
            let (state, screen) = (self.state(name), self.screen(name));
            assert!(
                Instant::now() < end,
                "{name} did not end, or kept the terminal ({state}):\n{screen}"
            );
            // tidy: sleep, because a terminal is polled here; no order of events hangs on it.
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// How a terminal is: whether it is on the alternate screen, whether the mouse is taken, and
    /// whether what ran on it has ended.
    pub fn state(&self, name: &str) -> String {
        let format = "#{alternate_on} #{mouse_any_flag} #{pane_dead}";
        let out = self.run(&["display-message", "-p", "-t", name, format]);
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// The process on a screen.
    pub fn pid(&self, name: &str) -> String {
        let out = self.run(&["display-message", "-p", "-t", name, "#{pane_pid}"]);
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// Waits until the screen is so.
    #[track_caller]
    pub fn until(&self, name: &str, what: &str, so: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen(name);
            if so(&screen) {
                return screen;
            }
            assert!(
                Instant::now() < end,
                "{name} never saw {what}; at last:\n{screen}"
            );
            // tidy: sleep, because a screen is polled here; no order of events hangs on it.
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Waits until the screen has this on it.
    #[track_caller]
    pub fn sees(&self, name: &str, text: &str) -> String {
        self.until(name, text, |screen| screen.contains(text))
    }

    /// Signs up on the screen of a client that was just opened.
    #[track_caller]
    pub fn sign_up(&self, name: &str, password: &str) {
        self.sees(name, "Log in");
        self.keys(name, &["Right"]);
        self.sees(name, "[Sign up]");
        self.keys(name, &["Enter", "Enter"]);
        self.text(name, name);
        self.keys(name, &["Enter"]);
        self.text(name, password);
        self.keys(name, &["Enter"]);
        self.text(name, password);
        self.sees(name, &"•".repeat(password.len()));
        self.keys(name, &["Enter"]);
        self.sees(name, "No conversations yet: press n");
    }
}

impl Default for Tmux {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}
