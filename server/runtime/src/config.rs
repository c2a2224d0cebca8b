//! What an operator can set: a struct per component, whose doc comments are the manual.
//!
//! [`section!`](crate::section) makes a struct, its defaults and the list of its keys from one
//! text, so that the sample file, the check for unknown keys and the code cannot drift apart.
//! Reading files, environment and flags is the node's; nothing here reads anything.

use parlour_protocol::limits::{LIMITS, Limits};
use serde::{Deserialize, Serialize};

/// One key of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it means: the doc comment, line by line.
    pub about: &'static [&'static str],
    /// Whether its value is a secret: it may come from a file named by `<name>_file`, and is
    /// never printed.
    pub secret: bool,
}

/// A component's part of the configuration.
pub trait Section: Default + Serialize + for<'de> Deserialize<'de> {
    /// What the section is about, line by line.
    fn about() -> &'static [&'static str];
    /// Its keys, in order.
    fn keys() -> Vec<Key>;
}

/// Makes a section: struct, defaults and keys. A key marked `[secret]` may come from a file.
#[macro_export]
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $([$secret:ident])? $key:ident: $ty:ty = $default:expr;
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        $vis struct $name {
            $($(#[doc = $doc])* pub $key: $ty,)*
        }
        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }
        impl $crate::config::Section for $name {
            fn about() -> &'static [&'static str] {
                &[$($about),*]
            }
            fn keys() -> Vec<$crate::config::Key> {
                vec![$($crate::config::Key {
                    name: stringify!($key),
                    about: &[$($doc),*],
                    secret: $crate::section!(@secret $($secret)?),
                },)*]
            }
        }
    };
    (@secret) => { false };
    (@secret secret) => { true };
}

/// A secret value: never shown by `Debug`, never written into a sample.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.0.is_empty() {
            "<none>"
        } else {
            "<secret>"
        })
    }
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignUp {
    /// Anyone.
    Open,
    /// Whoever holds an invitation.
    Invitation,
    /// Nobody but an administrator.
    Closed,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

crate::section! {
    /// Where the node listens, and what it takes from a stranger.
    pub struct Http {
        /// The address to listen on. Port 0 takes any free port; the first line on standard
        /// output says which. Beyond loopback, use TLS here or in a proxy before it.
        listen: String = "127.0.0.1:7400".to_owned();
        /// The certificate chain in PEM. Empty: no TLS. Once it was renewed, with its key, new
        /// connections get the new one; those that are open go on.
        tls_cert: String = String::new();
        /// The private key in PEM. Keep it readable by the node's user alone.
        tls_key: String = String::new();
        /// How often certificate and key are looked at for a renewal. SIGHUP has it done at once.
        tls_look_ms: u64 = 60_000;
        /// Origins whose pages may open a WebSocket, such as `https://chat.example.org`.
        /// A page of the node's own host always may; `*` lets every page.
        origins: Vec<String> = Vec::new();
        /// How long a connection may take for the TLS handshake, and for each request's head.
        upgrade_ms: u64 = 5_000;
        /// Connections that have not said who they are, from one address (IPv6: one /64).
        /// More are closed at once. 0: no bound, as behind a proxy, where all come from one address.
        unauthenticated_per_address: u64 = 1_024;
        /// Connections that have not said who they are, from everywhere. More are closed at once.
        /// Never more than half of what `connections_max` comes to: where it is less for that, one
        /// address has at most a quarter of it (or 8), and the log says so.
        unauthenticated_max: u64 = 16_384;
        /// Connections of any sort. More are closed at once. It is less where the process may not
        /// open as many files (`ulimit -n`): the store has 1024 of those for itself, or half.
        connections_max: u64 = 100_000;
        /// The body of one HTTP request, in bytes; administrators may send sixteen times as much.
        body_bytes: u64 = 262_144;
        /// How long the body of one HTTP request may take to come.
        body_ms: u64 = 30_000;
        /// How long `POST …/messages` waits for the message's place before it answers 1007.
        placed_ms: u64 = 10_000;
    }
}

crate::section! {
    /// Accounts, passwords and tokens.
    pub struct Accounts {
        /// Who may sign up: `open`, `invitation` or `closed`.
        sign_up: SignUp = SignUp::Open;
        /// The administrator's token. Empty: one is made at the first start and kept in
        /// `admin.token` in the data folder.
        [secret] admin_token: crate::config::Secret = crate::config::Secret::default();
        /// Threads that hash passwords (Argon2id, 19 MiB and 2 passes each).
        hash_threads: u64 = 2;
        /// Passwords that wait for a thread. Beyond it the answer is 1005, try again.
        hash_queue: u64 = 64;
        /// Sign-ups and log-ins at once from one address (IPv6: one /64). 0: no bound.
        attempts_burst: u64 = 60;
        /// Sign-ups and log-ins sustained from one address, per minute.
        attempts_per_min: u64 = 60;
        /// How long a token that was found good is believed before it is looked up again.
        /// At most 2000: a revocation must reach every node within 5 s.
        token_cache_ms: u64 = 2_000;
    }
}

crate::section! {
    /// How the router works through the log.
    pub struct Router {
        /// Records taken from the log in one batch, which becomes one durable write.
        batch_records: u64 = 512;
    }
}

crate::section! {
    /// Sessions: the node's lease, and what its loop does.
    pub struct Session {
        /// For how long a lease holds. A node that did not renew it is given up by the others.
        lease_ms: u64 = 15_000;
        /// How often the lease is renewed.
        renew_ms: u64 = 4_000;
        /// How often revocations are asked for. At most 2000.
        revocations_ms: u64 = 2_000;
        /// What may wait for one connection's task. Beyond it the connection is closed (4501): the
        /// client comes back and syncs.
        mailbox_frames: u64 = 2_048;
    }
}

crate::section! {
    /// Push: who is woken when nothing of theirs is connected.
    pub struct Push {
        /// Whether wakes are decided at all.
        enabled: bool = true;
        /// How long after an event a wake is decided: later than a node's lease can outlive it.
        delay_ms: u64 = 20_000;
    }
}

crate::section! {
    /// How the node goes away on SIGTERM or SIGINT. A second signal ends it at once.
    pub struct Drain {
        /// Clients are told to reconnect after a random while of at most this.
        jitter_ms_max: u64 = 3_000;
        /// After this long the node ends whatever still runs, and says what it was.
        drain_ms_max: u64 = 10_000;
    }
}

crate::section! {
    /// Logs on standard error, and metrics.
    pub struct Telemetry {
        /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, `off`, or a filter such as
        /// `info,parlour_runtime=debug`. A bare `info` or `warn` leaves out what the storage engine
        /// says of its own work; `info,fjall=info,lsm_tree=info` shows it.
        level: String = "info".to_owned();
        /// `text` or `json`.
        format: LogFormat = LogFormat::Text;
        /// Whether `/metrics` answers.
        metrics: bool = true;
    }
}

impl Section for Limits {
    fn about() -> &'static [&'static str] {
        &[" What clients are held to; told to each of them in `welcome`."]
    }
    fn keys() -> Vec<Key> {
        LIMITS
            .iter()
            .map(|(name, _, about)| Key {
                name,
                about: std::slice::from_ref(about),
                secret: false,
            })
            .collect()
    }
}

/// Everything that the runtime is set by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Listening.
    pub http: Http,
    /// Accounts.
    pub accounts: Accounts,
    /// Limits and rates.
    pub limits: Limits,
    /// The router.
    pub router: Router,
    /// Sessions.
    pub session: Session,
    /// Push.
    pub push: Push,
    /// Going away.
    pub drain: Drain,
    /// Logs and metrics.
    pub telemetry: Telemetry,
}
