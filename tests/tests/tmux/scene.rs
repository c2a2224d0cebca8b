//! Where a story is set: a node, and people who each have a screen of their own.

use std::ops::RangeInclusive;
use std::rc::Rc;

use parlour_tests::{Node, Tmux};

pub(crate) const WIDE: (u16, u16) = (100, 30);
pub(crate) const PASSWORD: &str = "a long password";

/// A node that takes as many sends as come.
pub(crate) const FAST: &[&str] = &[
    "--set",
    "limits.sends_burst=100000",
    "--set",
    "limits.sends_per_min=1000000",
];

/// A node, and the terminals of those who use it.
pub(crate) struct Scene {
    pub(crate) node: Node,
    tmux: Rc<Tmux>,
    size: (u16, u16),
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// With these arguments for the node.
    pub(crate) fn with(args: &[&str]) -> Self {
        Self {
            node: Node::with(args),
            tmux: Rc::new(Tmux::new()),
            size: WIDE,
        }
    }

    /// On screens of another size.
    pub(crate) fn sized(mut self, size: (u16, u16)) -> Self {
        self.size = size;
        self
    }

    /// Each opens the client and signs up.
    #[track_caller]
    pub(crate) fn enter<const N: usize>(&self, names: [&'static str; N]) -> [Person; N] {
        names.map(|name| {
            let person = self.opens(name, &[]);
            person.signs_up();
            person
        })
    }

    /// Somebody opens the client, with these variables.
    pub(crate) fn opens(&self, name: &'static str, env: &[(&str, &str)]) -> Person {
        self.tmux.open_chat(name, self.size, &self.node.url, env);
        Person {
            tmux: Rc::clone(&self.tmux),
            name,
        }
    }
}

/// Somebody at a screen.
pub(crate) struct Person {
    tmux: Rc<Tmux>,
    name: &'static str,
}

impl Person {
    #[track_caller]
    pub(crate) fn signs_up(&self) {
        self.tmux.sign_up(self.name, PASSWORD);
    }

    /// Presses keys, by tmux's names: `Enter`, `Up`, `C-n`, `S-Up`.
    pub(crate) fn presses(&self, keys: &[&str]) {
        self.tmux.keys(self.name, keys);
    }

    pub(crate) fn types(&self, text: &str) {
        self.tmux.text(self.name, text);
    }

    /// Waits until the screen has this on it.
    #[track_caller]
    pub(crate) fn sees(&self, text: &str) -> String {
        self.tmux.sees(self.name, text)
    }

    /// Waits until the screen is so.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, so: impl Fn(&str) -> bool) -> String {
        self.tmux.until(self.name, what, so)
    }

    pub(crate) fn screen(&self) -> String {
        self.tmux.screen(self.name)
    }

    /// The screen with its colours.
    pub(crate) fn coloured(&self) -> String {
        self.tmux.coloured(self.name)
    }

    /// Begins something new: names, or whatever the form is to have.
    #[track_caller]
    pub(crate) fn begins(&self, with: &str) {
        self.presses(&["C-n"]);
        self.sees("Join a channel");
        self.types(with);
        self.presses(&["Enter"]);
    }

    /// Makes a group: names, and then what it is called.
    #[track_caller]
    pub(crate) fn makes_group(&self, with: &str, group: &str) {
        self.begins(with);
        self.sees("Group name");
        self.types(group);
        self.presses(&["Enter"]);
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        self.types(text);
        self.sees(&format!("> {text}"));
        self.presses(&["Enter"]);
        self.sees("> write a message");
    }

    /// Quits, and the terminal is as it was.
    #[track_caller]
    pub(crate) fn quits(self) {
        self.presses(&["C-q"]);
        self.ends();
    }

    /// The client has ended, and gave the terminal back.
    #[track_caller]
    pub(crate) fn ends(self) {
        self.tmux.ends(self.name);
        self.tmux.close(self.name);
    }

    pub(crate) fn resizes(&self, size: (u16, u16)) {
        self.tmux.resize(self.name, size);
    }

    /// See [`Tmux::state`].
    pub(crate) fn terminal(&self) -> String {
        self.tmux.state(self.name)
    }

    pub(crate) fn pid(&self) -> String {
        self.tmux.pid(self.name)
    }

    /// Where the client keeps what it holds.
    pub(crate) fn folder(&self) -> std::path::PathBuf {
        self.tmux.folder(self.name)
    }
}

/// The screen's lines that have this on them.
pub(crate) fn lines(screen: &str, text: &str) -> usize {
    screen.lines().filter(|l| l.contains(text)).count()
}

/// Somebody writes `line 1;`, `line 2;`, … to somebody, and something behind each; by themselves,
/// without a screen. Who writes from the first line on signs up first.
pub(crate) fn writes(node: &Node, who: &str, to: &str, numbers: RangeInclusive<u32>, behind: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let session = match *numbers.start() {
            1 => node.sign_up(who).await,
            _ => node.log_in(who).await,
        };
        let endpoint = parlour_sdk::Endpoint::new(&node.url).unwrap();
        let config = parlour_sdk::Config::new(endpoint, session.into(), parlour_sdk::Store::Memory);
        let client = parlour_sdk::Client::connect(config).await.unwrap();
        client.live().await.unwrap();
        let to = client.find_user(to).await.unwrap().user;
        let last = *numbers.end();
        for i in numbers {
            let text = format!("line {i};{behind}");
            if i < last {
                client.send_to(to, text).await.unwrap();
                continue;
            }
            let last = parlour_sdk::draft::text_to(to, text);
            let last = parlour_sdk::Request::Send(Box::new(last));
            client.deliver(last).await.unwrap();
        }
        client.close().await;
    });
}
