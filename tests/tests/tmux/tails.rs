//! `parlour-chat tail`: what it printed and did not print is known, whatever ends it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};

use parlour_tests::{Node, PATIENCE};

use super::scene::{FAST, writes};
use super::scripts::Folders;

/// The lines of a pipe. Nothing is read before it is wanted: what is printed waits in the pipe.
pub(crate) fn lines(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let mut pipe = BufReader::new(pipe);
    let (tell, lines) = sync_channel(0);
    std::thread::spawn(move || {
        let mut line = String::new();
        while pipe.read_line(&mut line).is_ok_and(|n| n > 0) {
            // A line without an end was cut by a kill.
            if !line.ends_with('\n') || tell.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    lines
}

/// A `tail` that runs, and the lines that it prints. Killed when it is dropped.
pub(crate) struct Tail {
    pub(crate) child: Child,
    lines: Receiver<String>,
}

impl Tail {
    fn start(folders: &Folders, folder: &str, args: &[&str]) -> Self {
        let mut all = vec!["tail"];
        all.extend(args);
        Self::of(folders.start(folder, &all))
    }

    /// One that was begun otherwise.
    pub(crate) fn of(mut child: Child) -> Self {
        let lines = lines(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line, which must come.
    #[track_caller]
    pub(crate) fn next(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("no line came in {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("it ended: {}", self.said()),
        }
    }

    /// Everything that it still prints, to its end.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => all.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("it did not end in {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => return all,
            }
        }
    }

    /// What it says on standard error, once it has ended.
    fn said(&mut self) -> String {
        self.child.wait().unwrap();
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        said
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of a line that [`writes`] wrote; none of what else happens.
pub(crate) fn number(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("line ")?;
    rest.split(';').next()?.parse().ok()
}

/// Far more is missed than waits for a slow reader: every event is printed, once and in order.
#[test]
fn a_tail_that_is_overtaken_leaves_nothing_out() {
    const LINES: u32 = 3_000;
    let node = Node::with(FAST);
    let folders = Folders::new();
    folders.enter("ada", "signup", "ada", &node);
    folders.enter("other", "login", "ada", &node);
    folders.enter("third", "login", "ada", &node);
    writes(&node, "ben", "ada", 1..=LINES, "");
    for (last, folder, format) in [(LINES, "ada", None), (LINES + 1, "other", Some("--json"))] {
        let mut args = vec!["--updates-max", "16"];
        args.extend(format);
        let mut tail = Tail::start(&folders, folder, &args);
        let mut next = 1;
        while next <= last {
            let line = tail.next();
            if let Some(number) = number(&line) {
                assert_eq!(number, next, "after line {}", next - 1);
                next += 1;
            }
        }
        // What comes now comes by itself, after all that.
        let text = format!("line {};", last + 1);
        let (well, _, why) = folders.run("third", &["send", "ben", &text], "");
        assert!(well, "{why}");
        assert_eq!(number(&tail.next()), Some(last + 1));
        tail.signal("INT");
        let twice = tail.rest();
        assert!(twice.is_empty(), "printed twice: {twice:?}");
        let said = tail.said();
        assert!(said.contains("more came than could be printed"), "{said}");
    }
}

/// Killed again and again with a backlog before it, and ended in between: each event is printed,
/// none before an earlier one, and after a kill at most the last line again.
#[test]
fn a_tail_that_is_killed_goes_on_where_it_was() {
    const LINES: u32 = 400;
    let node = Node::with(FAST);
    let folders = Folders::new();
    folders.enter("ada", "signup", "ada", &node);
    // Far more than a pipe takes.
    writes(&node, "ben", "ada", 1..=LINES, &"x".repeat(2_000));
    let mut printed: Vec<u32> = Vec::new();
    // What ended the one before.
    let mut before = None;
    for (signal, upto) in [("KILL", 20), ("KILL", 90), ("INT", 150), ("KILL", 250)] {
        let mut tail = Tail::start(&folders, "ada", &["--json"]);
        let mut first = true;
        let mut take = |line: String| {
            let Some(number) = number(&line) else { return };
            let last = printed.last().copied().unwrap_or_default();
            if std::mem::take(&mut first) && number == last {
                assert_eq!(before, Some("KILL"), "line {number} came again");
                return;
            }
            assert_eq!(number, last + 1, "none is left out, and none comes again");
            printed.push(number);
        };
        let mut count = 0;
        while count < upto / 4 {
            take(tail.next());
            count += 1;
        }
        tail.signal(signal);
        tail.rest().into_iter().for_each(take);
        before = Some(signal);
        let last = printed.last().copied().unwrap_or_default();
        assert!(last < LINES, "it was killed too late to show anything");
    }
    // Another command in the folder fetches all of it, and prints none.
    let (well, _, why) = folders.run("ada", &["send", "ben", "line 401;"], "");
    assert!(well, "{why}");
    let mut tail = Tail::start(&folders, "ada", &["--json"]);
    let last = printed.last().copied().unwrap_or_default();
    let mut next = None;
    loop {
        let Some(number) = number(&tail.next()) else {
            continue;
        };
        let wanted = next.unwrap_or(last + 1);
        if next.is_some() || number != last {
            assert_eq!(number, wanted);
            next = Some(number + 1);
        }
        if number == LINES + 1 {
            break;
        }
    }
    tail.signal("INT");
    assert!(tail.rest().is_empty());
    // All of it was printed: there is nothing to print until something comes.
    let mut tail = Tail::start(&folders, "ada", &["--json"]);
    writes(&node, "ben", "ada", LINES + 2..=LINES + 2, "");
    assert_eq!(number(&tail.next()), Some(LINES + 2));
    // A server that is not there is told, once, and waited for.
    drop(tail);
    drop(node);
    let mut tail = Tail::start(&folders, "ada", &[]);
    let mut stderr = BufReader::new(tail.child.stderr.take().unwrap());
    let mut why = String::new();
    stderr.read_line(&mut why).unwrap();
    assert!(why.contains("cannot be reached"), "{why}");
    assert!(why.contains("trying again until it works"), "{why}");
    tail.signal("INT");
    assert!(tail.rest().is_empty());
    let mut more = String::new();
    stderr.read_to_string(&mut more).unwrap();
    assert_eq!(more, "");
}

/// The server is put back to a backup under a tail: all that it has then is printed, once.
#[test]
fn a_tail_prints_a_restored_server_anew() {
    let mut node = Node::with(FAST);
    node.keep_port();
    let folders = Folders::new();
    folders.enter("ada", "signup", "ada", &node);
    writes(&node, "ben", "ada", 1..=5, "");
    let mut tail = Tail::start(&folders, "ada", &["--json"]);
    let numbers = |tail: &mut Tail, count: usize| {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(number(&tail.next()));
        }
        // What fills a gap may come late.
        all.sort_unstable();
        all
    };
    assert_eq!(numbers(&mut tail, 5), [1, 2, 3, 4, 5]);
    let file = node.dir.path().join("chat.backup");
    let parlour = |args: [&std::ffi::OsStr; 3]| {
        let done = Command::new(parlour_tests::node::binary())
            .args(args)
            .output();
        let done = done.unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    node.kill();
    parlour(["backup".as_ref(), node.data().as_ref(), file.as_ref()]);
    node.restart();
    writes(&node, "ben", "ada", 6..=8, "");
    assert_eq!(numbers(&mut tail, 3), [6, 7, 8]);
    node.kill();
    std::fs::remove_dir_all(node.data()).unwrap();
    parlour(["restore".as_ref(), file.as_ref(), node.data().as_ref()]);
    node.restart();
    writes(&node, "ben", "ada", 6..=6, "");
    assert_eq!(numbers(&mut tail, 6), [1, 2, 3, 4, 5, 6]);
    // Nothing comes again in between.
    writes(&node, "ben", "ada", 7..=7, "");
    assert_eq!(numbers(&mut tail, 1), [7]);
    tail.signal("INT");
    let twice = tail.rest();
    assert!(twice.is_empty(), "printed twice: {twice:?}");
    // And that is known to the next.
    let mut tail = Tail::start(&folders, "ada", &["--json"]);
    writes(&node, "ben", "ada", 8..=8, "");
    assert_eq!(numbers(&mut tail, 1), [8]);
}

/// The first run begins behind the last place that the folder knows, though it holds only the
/// newest of what was before.
#[test]
fn a_first_tail_begins_behind_what_the_folder_knows() {
    const LINES: u32 = 450;
    let node = Node::with(FAST);
    let folders = Folders::new();
    folders.enter("ada", "signup", "ada", &node);
    writes(&node, "ben", "ada", 1..=LINES, "");
    let (well, said, why) = folders.run("ada", &["list"], "");
    assert!(well && said.contains("450 unread"), "{said}{why}");
    let mut tail = Tail::start(&folders, "ada", &["--json"]);
    writes(&node, "ben", "ada", LINES + 1..=LINES + 1, "");
    let first = tail.next();
    assert_eq!(number(&first), Some(LINES + 1), "{first}");
    tail.signal("INT");
    let rest = tail.rest();
    assert!(rest.is_empty(), "{rest:?}");
}

/// Nobody reads what it prints, and it ends when it is told to; the next one goes on behind what
/// went into the pipe.
#[test]
fn a_tail_that_nobody_reads_ends_when_it_is_told() {
    const LINES: u32 = 400;
    let node = Node::with(FAST);
    let folders = Folders::new();
    folders.enter("ada", "signup", "ada", &node);
    // Far more than a pipe takes.
    writes(&node, "ben", "ada", 1..=LINES, &"x".repeat(2_000));
    let mut last = 0;
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut child = folders.start("ada", &["tail", "--json"]);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let pid = child.id().to_string();
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        let told = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(told.unwrap().success());
        let (tell, ended) = sync_channel(1);
        std::thread::spawn(move || tell.send(child.wait().unwrap()));
        let Ok(status) = ended.recv_timeout(PATIENCE) else {
            let _ = Command::new("kill").args(["-s", "KILL", &pid]).status();
            panic!("it did not end by {signal} in {PATIENCE:?}");
        };
        assert_eq!(status.code(), Some(code));
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        for number in std::iter::once(first.as_str())
            .chain(rest.lines())
            .filter_map(number)
        {
            assert_eq!(number, last + 1);
            last = number;
        }
        assert!(last < LINES, "it was ended too late to show anything");
    }
    let mut tail = Tail::start(&folders, "ada", &["--json"]);
    assert_eq!(number(&tail.next()), Some(last + 1));
}

/// The server goes away under a tail, and comes back: each is said once.
#[test]
fn a_tail_says_that_the_server_is_away_and_back() {
    let mut node = Node::with(FAST);
    node.keep_port();
    let folders = Folders::new();
    folders.enter("ada", "signup", "ada", &node);
    let mut tail = Tail::start(&folders, "ada", &["--json"]);
    writes(&node, "ben", "ada", 1..=1, "");
    while number(&tail.next()).is_none() {}
    let said = lines(tail.child.stderr.take().unwrap());
    let says = || said.recv_timeout(PATIENCE).expect("it says something");
    for n in [2, 3] {
        node.kill();
        let why = says();
        assert!(why.contains("trying again until it works"), "{why}");
        node.restart();
        assert_eq!(says(), "the server is there again\n");
        writes(&node, "ben", "ada", n..=n, "");
        assert_eq!(number(&tail.next()), Some(n));
    }
    tail.signal("INT");
    assert!(tail.rest().is_empty());
}
