//! The command line, which teaches.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use parlour_runtime::clock;
use parlour_runtime::sockets::descriptors;

use crate::config::{self, Given, Loaded, Outside};
use crate::import::{self, Import, OnError};
use crate::{keep, serve};

/// A chat server in one binary.
#[derive(Parser)]
#[command(
    name = "parlour",
    version,
    about = "A chat server in one binary: an acknowledged message is never lost, doubled or reordered.",
    after_help = "\
Examples:
  parlour serve                                  a server on 127.0.0.1:7400, data in ./parlour-data
  parlour serve --data /srv/chat --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
  parlour config sample > parlour.toml           everything that can be set, explained
  parlour serve --config parlour.toml
  parlour verify ./parlour-data                  checks a whole store
  parlour backup ./parlour-data chat.backup      copies a store; the server may run
  parlour import irc ./logs --conversation '#ubuntu'   channel logs become a channel

Every key of the configuration is also a variable (PARLOUR_HTTP_LISTEN) and a flag
(--set http.listen=127.0.0.1:0). A flag goes over a variable, and a variable over the file."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves. The first line on standard output says where, once it listens; logs go to
    /// standard error.
    #[command(after_help = "\
Examples:
  parlour serve
  parlour serve --data ./chat --listen 127.0.0.1:0 --sign-up invitation
  parlour serve --set limits.sends_per_min=6000 --set limits.sends_burst=1000

Certificate and key are looked at once a minute, and at once on SIGHUP: after a renewal new connections
get the new certificate, and open ones go on. What is set can be tried first with `parlour config
check` and the same flags.

SIGTERM or SIGINT drains: clients are told to reconnect, and the process ends within seconds.
A second signal ends it at once; nothing that was acknowledged is lost either way.")]
    Serve(Settings),
    /// Shows or checks the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Checks a whole store: that its files are as they were written, then places, counts, outcomes,
    /// marks, heads, memberships.
    #[command(after_help = "\
Examples:
  parlour verify ./parlour-data

Reads every file to its end and names each that is damaged; rows are checked if all are whole. The
exit code is 1 if anything is wrong. Changes nothing. The journals are copied into the folder for
temporary files (TMPDIR), which takes up to some hundred megabytes there. Of a server that runs, make
a backup, restore it elsewhere, and check that.")]
    Verify {
        /// The data folder, which no server uses.
        dir: PathBuf,
    },
    /// Copies a store into one file. A server that uses it goes on, and the copy has everything that
    /// it acknowledged before.
    #[command(after_help = "\
Examples:
  parlour backup ./parlour-data chat.backup
  parlour backup /srv/chat \"chat-$(date +%F).backup\"

The file is its owner's alone, is there whole or not at all, and replaces no other. A store with a
damaged file is not copied. A backup that is killed leaves a file `.parlour-backup-…` beside it, which
a backup to that folder takes away an hour later. Where the disk has no hard links (exFAT) or the
store lies on one of its own, the tables of a server that runs are copied beside it for the while.")]
    Backup {
        /// The data folder.
        dir: PathBuf,
        /// The file to write. It must not exist.
        file: PathBuf,
    },
    /// Makes a store of a backup. Clients notice, and sync from nothing.
    #[command(after_help = "\
Examples:
  parlour restore chat.backup ./parlour-data-2
  parlour serve --data ./parlour-data-2

The backup is read to its end before anything is made. It stays, and so does the store that it was
made of: stop that server first, so that nobody writes where nobody will look.")]
    Restore {
        /// The backup.
        file: PathBuf,
        /// The data folder to make. It must not exist, be empty, or be what an interrupted restore
        /// left.
        dir: PathBuf,
    },
    /// Brings history in from elsewhere, while no server uses the store.
    Import {
        #[command(subcommand)]
        command: ImportCommand,
    },
    /// Prints the version.
    Version,
}

#[derive(Subcommand)]
enum ImportCommand {
    /// Makes a channel of a folder of IRC logs, a file for each day, named YYYY-MM-DD.log.
    #[command(after_help = "\
Examples:
  parlour import irc ./logs --conversation '#ubuntu'
  parlour import irc ./logs --conversation '#ubuntu' --data /srv/chat --on-error stop

Each nick gets an account without a password; an administrator can make tokens for it. The channel
is open: whoever has an account may join it and read all of it. Running it again adds what is new
in the folder and nothing else, whatever ended it before. A line is known by the name of its file
and its number: do not insert lines into files that were imported, and import one channel's logs
under one name.

Lines that cannot be taken are told with file and line, and counted by file at the end. Leaving them
out is what `--on-error skip` asks for, and is a success; where not a single line can be read, or
there is no log, nothing is made and the exit code is 1, as it is with `--on-error stop` for the first
such line.")]
    Irc {
        /// The folder of logs.
        dir: PathBuf,
        /// The channel's name. The same name is the same channel.
        #[arg(long, value_name = "NAME")]
        conversation: String,
        /// The data folder. Made if it is missing.
        #[arg(long, value_name = "DIR", default_value = "./parlour-data")]
        data: PathBuf,
        /// What is done about a line that cannot be taken. It is told with file and line either
        /// way.
        #[arg(long, value_name = "WHAT", default_value = "skip")]
        on_error: OnError,
        /// Prints a line on standard output for every so many lines, and no bar.
        #[arg(long, value_name = "LINES")]
        report_every: Option<u64>,
    },
}

/// Everything that a node is set by. `serve` and `config check` take the same.
#[derive(Args)]
struct Settings {
    /// The configuration file.
    #[arg(long, value_name = "FILE", env = "PARLOUR_CONFIG")]
    config: Option<PathBuf>,
    /// The data folder. Made if it is missing. [default: ./parlour-data]
    #[arg(long, value_name = "DIR", overrides_with = "data")]
    data: Option<String>,
    /// The address to listen on; port 0 takes any free port. [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDR", overrides_with = "listen")]
    listen: Option<String>,
    /// The certificate chain, in PEM.
    #[arg(long, value_name = "FILE", overrides_with = "tls_cert")]
    tls_cert: Option<String>,
    /// The private key, in PEM.
    #[arg(long, value_name = "FILE", overrides_with = "tls_key")]
    tls_key: Option<String>,
    /// Who may sign up: open, invitation, closed. [default: open]
    #[arg(long, value_name = "WHO", overrides_with = "sign_up")]
    sign_up: Option<String>,
    /// Sets any key of the configuration. Can be given several times.
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// A file or folder without its flag, which is asked for.
    #[arg(hide = true)]
    stray: Option<PathBuf>,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Prints a sample: every key, what it means, its default.
    Sample,
    /// Checks the configuration as `serve` with the same flags would, and starts nothing.
    #[command(after_help = "\
Examples:
  parlour config check --config parlour.toml
  parlour config check --config parlour.toml --listen 0.0.0.0:443

Looks at the file, the environment and the flags, at the address, the certificate and the key, and
at the data folder. All that is wrong is told at once, with file and line, variable or flag. Whether
the port is free only shows when a node listens there.")]
    Check(Settings),
}

impl Settings {
    fn flags(&self) -> anyhow::Result<Vec<Given>> {
        let mut flags = Vec::new();
        for (key, text, from) in [
            ("node.data", &self.data, "--data"),
            ("http.listen", &self.listen, "--listen"),
            ("http.tls_cert", &self.tls_cert, "--tls-cert"),
            ("http.tls_key", &self.tls_key, "--tls-key"),
            ("accounts.sign_up", &self.sign_up, "--sign-up"),
        ] {
            if let Some(text) = text {
                flags.push(Given {
                    key: key.to_owned(),
                    text: text.clone(),
                    from: from.to_owned(),
                });
            }
        }
        for set in &self.set {
            let (key, text) = set.split_once('=').with_context(|| {
                format!(
                    "--set {set}: write it as SECTION.KEY=VALUE, such as http.listen=127.0.0.1:0"
                )
            })?;
            flags.push(Given {
                key: key.trim().to_owned(),
                text: text.to_owned(),
                from: "--set".to_owned(),
            });
        }
        Ok(flags)
    }

    /// The configuration that they give, or all that is wrong with it.
    fn load(&self) -> anyhow::Result<(Loaded, Outside)> {
        if let Some(stray) = &self.stray {
            let (shown, found) = (stray.display(), stray.metadata().ok());
            match found.map(|found| found.is_dir()) {
                Some(true) => bail!("{shown}: name the data folder by its flag, --data {shown}"),
                Some(false) => {
                    bail!("{shown}: name the configuration file by its flag, --config {shown}")
                }
                None => bail!(
                    "{shown} is not there; a data folder is named by --data {shown}, and a \
                     configuration file by --config {shown}"
                ),
            }
        }
        let (file, flags) = (self.config.as_deref(), self.flags()?);
        Ok(config::whole(file, environment(), flags)?)
    }
}

/// The environment as text; what is no text is none of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// What went wrong, in a sentence that says what to do.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        // A store takes a file for each of its tables, and a server one for each connection.
        descriptors::raise();
        match self.command {
            Command::Serve(settings) => {
                let (loaded, outside) = settings.load()?;
                serve::run(&loaded.config, outside)
            }
            Command::Config {
                command: ConfigCommand::Sample,
            } => {
                print!("{}", config::sample());
                Ok(())
            }
            Command::Config {
                command: ConfigCommand::Check(settings),
            } => {
                let (loaded, outside) = settings.load()?;
                let wrong = outside.tls.and_then(|tls| tls.wrong(clock::now_ms()));
                if let Some(wrong) = wrong {
                    let cert = &loaded.config.http.tls_cert;
                    eprintln!("WARNING: {cert}: {}", wrong.said);
                }
                let from = match &settings.config {
                    Some(file) => file.display().to_string(),
                    None => "no file; environment and flags".to_owned(),
                };
                let set = match loaded.set() {
                    1 => "1 key is set".to_owned(),
                    set => format!("{set} keys are set"),
                };
                println!("{from}: nothing is wrong; {set}");
                Ok(())
            }
            Command::Verify { dir } => keep::verify(&dir),
            Command::Backup { dir, file } => keep::backup(&dir, &file),
            Command::Restore { file, dir } => keep::restore(&file, &dir),
            Command::Import {
                command:
                    ImportCommand::Irc {
                        dir,
                        conversation,
                        data,
                        on_error,
                        report_every,
                    },
            } => import::irc(&Import {
                dir,
                data,
                conversation,
                on_error,
                report_every,
            }),
            Command::Version => {
                println!("parlour {}", env!("CARGO_PKG_VERSION"));
                Ok(())
            }
        }
    }
}
