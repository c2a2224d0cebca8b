//! `parlour import irc`: a folder of channel logs becomes a channel (decision 30).
//!
//! Promises: what is said comes as records through log and sequencer like anything else, under the
//! authors' own accounts, with the times and in the order of the logs; ids come from file and line,
//! so whatever ended the process, running it again goes on where it stopped and doubles nothing.
//! Never here: what a line becomes (`parlour_irc::story`), and how records are fed
//! (`parlour_runtime::feed`).

mod count;
mod folder;
mod progress;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use parlour_irc::Story;
use parlour_protocol::limits::Limits;
use parlour_protocol::node::NodeId;
use parlour_protocol::{ConversationId, UserId};
use parlour_runtime::config::{Config, Telemetry};
use parlour_runtime::node::Node;
use parlour_runtime::telemetry;

use folder::{Folder, Line};
use progress::Progress;
use run::Run;

/// Records that become one durable write: nobody waits for a single one of them.
const BATCH: u64 = 2_048;
/// How long the router may take to end.
const END: Duration = Duration::from_secs(3);

/// What is done about a line that cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnError {
    /// It is told, with file and line, and left out.
    Skip,
    /// It is told, with file and line, and nothing is imported.
    Stop,
}

/// What to import, and where to.
pub(crate) struct Import {
    /// The folder of logs.
    pub(crate) dir: PathBuf,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// The channel's name.
    pub(crate) conversation: String,
    /// What is done about a line that cannot be taken.
    pub(crate) on_error: OnError,
    /// Prints a line on standard output for every so many lines, and no bar.
    pub(crate) report_every: Option<u64>,
}

/// Imports.
///
/// # Errors
/// What went wrong, in a sentence that says what to do. What was imported by then stays.
pub(crate) fn irc(ask: &Import) -> anyhow::Result<()> {
    let name = ask.conversation.as_str();
    if name.trim().is_empty() {
        bail!("--conversation is empty: give the channel a name, such as '#ubuntu'");
    }
    let bytes_max = Limits::default().name_bytes;
    if name.len() as u64 > bytes_max {
        bail!(
            "--conversation has {} bytes; a channel's name has at most {bytes_max}",
            name.len()
        );
    }
    if ask.data.as_os_str().is_empty() {
        bail!("--data is empty: name the data folder, which is made if it is missing");
    }
    // Before the store: a wrong folder makes none.
    let folder = Folder::open(&ask.dir)?;
    if let Some(passed) = folder.passed() {
        eprintln!("{}: passed over {passed}", folder.shown());
    }
    let conversation = ConversationId::derived("parlour.import.irc", &[name.as_bytes()]);
    let importer = UserId::derived("parlour.account", &[b"import.irc"]);
    let story = Story::new(conversation, importer);
    let lines = look(&folder, &story, ask.on_error)?;

    telemetry::log(&Telemetry {
        // What matters of the rest, the command says itself.
        level: "error".to_owned(),
        ..Telemetry::default()
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the system gives no threads")?;
    let done = runtime.block_on(async {
        let store = parlour_embedded::Store::open(&ask.data)?;
        let mut config = Config::default();
        config.router.batch_records = BATCH;
        let node = Node::new(NodeId(0), config, crate::serve::ports(&store))?;
        let progress = Progress::new(lines, ask.report_every);
        let run = Run::new(&node, conversation, importer, progress, ask.on_error);
        let done = run
            .all(&folder, &story, name, conversation, &ask.data)
            .await;
        node.drain.run(END).await;
        if done.is_err() {
            // If a damaged file is the cause, its name comes before the end.
            let _ = tokio::task::spawn_blocking(move || store.settled()).await;
        }
        done
    });
    runtime.shutdown_timeout(Duration::from_millis(500));
    done
}

/// Reads every line once, before anything is written: how many there are, and whether any of them
/// can be taken; and, if one that cannot is to stop it, whether there is one.
fn look(folder: &Folder, story: &Story, on_error: OnError) -> anyhow::Result<u64> {
    let (mut lines, mut right) = (0, 0);
    let mut first = None;
    for chunk in folder.chunks(story) {
        for line in chunk?.lines {
            lines += 1;
            match line {
                Line::Right(..) => right += 1,
                Line::Wrong(why) if on_error == OnError::Stop => bail!(
                    "{why}. Nothing was imported: repair that, or leave such lines out with \
                     --on-error skip"
                ),
                Line::Wrong(why) => {
                    first.get_or_insert(why);
                }
            }
        }
    }
    match first {
        Some(why) if right == 0 => bail!(
            "{}: no line of these logs can be read, so nothing was imported. The first: {why}. A log \
             is a file named YYYY-MM-DD.log, with lines such as `[12:18] <ann> hello`",
            folder.shown()
        ),
        // An empty file is a day on which nothing was said.
        _ => Ok(lines),
    }
}
