//! `parlour-chat`: Parlour from a terminal: a client for people, and commands for scripts.
//!
//! Promises: a password never stands in the arguments; what others wrote is never interpreted by
//! the terminal; a message counts as sent only once the server has its place.

mod banner;
mod edit;
mod form;
mod kept;
mod keys;
mod layout;
mod model;
mod people;
mod run;
mod script;
mod scroll;
mod shown;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod timeline;
mod unsent;
mod view;
mod when;
mod whole;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};

/// Parlour from a terminal.
///
/// Without a command it opens the client: sign up or log in, then talk. The commands below do one
/// thing each, for scripts.
#[derive(Parser)]
#[command(
    name = "parlour-chat",
    version,
    after_help = "The client:
  parlour-chat                                 open it; the first time it asks for a server and a name
  parlour-chat --data ~/.parlour-work          another account on this machine, beside the first
  parlour-chat --ca authority.pem              trust a certificate authority of your own, and remember it
  In it: F1 shows every key, Ctrl+N begins a chat, a group or a channel or joins one, Ctrl+G is the
  open conversation's page, Ctrl+Q quits. NO_COLOR=1 leaves colour out.

For scripts:
  parlour-chat signup ada --server http://127.0.0.1:7400
  parlour-chat send bob 'Good morning.'
  echo 'Good morning.' | parlour-chat send bob -
  parlour-chat history bob --limit 20
  parlour-chat list
  parlour-chat tail --json

The password is asked for, or is the first line of standard input. Whom to send to, or whose
history: a user's name, the name of a group or channel that you are in, or an id. Only one program at a time uses a folder: scripts beside an open client log in on
a folder of their own."
)]
struct Cli {
    /// Where this device keeps what it holds.
    #[arg(long, global = true, value_name = "DIR", env = "PARLOUR_CHAT_DATA")]
    data: Option<PathBuf>,
    /// The server that is suggested when nobody is logged in, and that `signup` and `login` go to
    /// [default: http://127.0.0.1:7400].
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Trust the certificates in this PEM file too, beside the system's. Can be given several
    /// times; a device that is logged in remembers it.
    #[arg(long, global = true, value_name = "FILE", env = "PARLOUR_CHAT_CA")]
    ca: Vec<PathBuf>,
    /// Leave the mouse to the terminal.
    #[arg(long)]
    no_mouse: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Makes an account, and logs this device in.
    Signup(Account),
    /// Logs this device in.
    Login(Account),
    /// Logs this device out: its token is revoked.
    Logout,
    /// Sends a text, and waits until it has its place, for as long as that takes.
    ///
    /// `timeout 60 parlour-chat send …` gives up earlier.
    ///
    /// The text stays in the folder, and goes out when the client next runs there.
    Send {
        /// A user's name, a conversation's name, or its id.
        to: String,
        /// The text; `-` is standard input.
        text: String,
        /// What became of it, as a JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Prints your conversations, with their ids and what is unread.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Prints events as they come, and first those missed since it last ran.
    ///
    /// The first time it begins behind the last place that the folder knows of each conversation;
    /// `history` has what came before, and a conversation that the folder does not know is printed
    /// from its beginning. From then on each event is printed once, over ends and later runs too.
    /// Only if it is killed, or ended while nobody reads, the last line may come again: `--json` has
    /// the `id` to tell it by. A line is handed to the system in one piece; a kill can cut it only
    /// where the system does, as in a pipe that is full. If the server was put back to a backup, all
    /// that it has is printed anew. Ctrl+C ends it with code 130, SIGTERM with 143.
    Tail {
        /// One JSON object a line, as the server gives it.
        #[arg(long)]
        json: bool,
        /// Events that wait to be printed; when more come at once, the server is asked for them
        /// again.
        #[arg(long, hide = true, value_name = "N", default_value_t = 2_048)]
        updates_max: usize,
    },
    /// Prints the newest events of a conversation.
    History {
        /// A user's name, a conversation's name, or its id.
        of: String,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// One JSON object a line, as the server gives it.
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
struct Account {
    /// The name.
    name: String,
    /// The server [default: http://127.0.0.1:7400].
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

/// Where a server on this machine listens if nothing is configured.
const SERVER: &str = "http://127.0.0.1:7400";

/// The command, with the server that was named before it. A password goes nowhere else than was said.
///
/// # Errors
/// Two servers are named, or one for a command that has no use for it.
fn with_server(mut command: Command, named: Option<String>) -> anyhow::Result<Command> {
    let Some(named) = named else {
        return Ok(command);
    };
    match &mut command {
        Command::Signup(account) | Command::Login(account) => match &account.server {
            Some(other) if *other != named => {
                bail!("--server is given twice, as {named} and as {other}: give one")
            }
            _ => account.server = Some(named),
        },
        _ => bail!(
            "--server is for `signup`, `login` and the first start: this command speaks to the server where this folder is logged in"
        ),
    }
    Ok(command)
}

fn main() -> std::process::ExitCode {
    match start(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            let folder = error.downcast_ref::<parlour_sdk::Error>();
            let with = match folder {
                Some(parlour_sdk::Error::Folder { .. } | parlour_sdk::Error::InUse { .. }) => {
                    ", with --data DIR"
                }
                _ => "",
            };
            script::tell_last(format!("{error:#}{with}"));
            std::process::ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<std::process::ExitCode> {
    let folder = match cli.data {
        Some(folder) => folder,
        None => home()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ca = absolute(cli.ca)?;
    match cli.command {
        Some(command) => {
            let command = with_server(command, cli.server)?;
            runtime.block_on(script::run(folder, ca, command))
        }
        None => {
            if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
                bail!(
                    "the client for people needs a terminal; `parlour-chat --help` names the commands for scripts"
                );
            }
            let server = cli.server.as_deref().unwrap_or(SERVER);
            runtime.block_on(run::run(folder, ca, server, !cli.no_mouse))?;
            Ok(std::process::ExitCode::SUCCESS)
        }
    }
}

/// The authorities that are trusted for a server: those named, or else those that the folder's
/// device trusts for it already. What cannot be read is as if there were none.
fn trusted(data: &parlour_sdk::Data, server: &str, named: Vec<PathBuf>) -> Vec<PathBuf> {
    if !named.is_empty() {
        return named;
    }
    let kept = data.session().ok().flatten();
    let same = |(endpoint, _): &(parlour_sdk::Endpoint, parlour_sdk::Session)| {
        parlour_sdk::Endpoint::new(server).is_ok_and(|e| e.url() == endpoint.url())
    };
    let kept = kept.filter(same);
    kept.map_or_else(Vec::new, |(endpoint, _)| endpoint.roots().to_vec())
}

/// They are remembered, and must mean the same from any folder.
fn absolute(files: Vec<PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
    let whole = |file: PathBuf| std::path::absolute(&file).map_err(Into::into);
    files.into_iter().map(whole).collect()
}

fn home() -> anyhow::Result<PathBuf> {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let data = data
        .or(home)
        .context("there is no home folder: name one with --data")?;
    Ok(data.join("parlour-chat"))
}
