//! Logs on standard error, and metrics as Prometheus text. Never a token, a body or an address in
//! either; never a user or a conversation in a label.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, Telemetry};

/// What a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A spread of durations, in seconds.
    Seconds,
    /// A spread of numbers.
    Numbers,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub kind: Kind,
    /// What it means, and what to do about it.
    pub about: &'static str,
}

macro_rules! metrics_table {
    ($($konst:ident $name:literal $kind:ident $about:literal;)*) => {
        $(#[doc = $about] pub const $konst: &str = $name;)*
        /// Every metric.
        pub const METRICS: &[Metric] = &[
            $(Metric { name: $name, kind: Kind::$kind, about: $about },)*
        ];
    };
}

metrics_table! {
    SOCKETS_OPEN "parlour_sockets_open" Gauge "TCP connections, of HTTP and WebSocket.";
    SOCKETS_REFUSED "parlour_sockets_refused_total" Counter "Connections closed at once: a bound of `[http]` was reached.";
    ACCEPT_FAILED "parlour_accept_failed_total" Counter "The system gave no new connection, for example for want of descriptors; accepting pauses for a moment.";
    TLS_FAILED "parlour_tls_failed_total" Counter "TLS handshakes that failed or took too long.";
    TLS_EXPIRES "parlour_tls_certificate_expires_seconds" Gauge "When the certificate expires, in Unix seconds; of a chain, the first that does. 0: no TLS here.";
    SESSIONS_OPEN "parlour_sessions_open" Gauge "WebSocket sessions that have said who they are.";
    SESSIONS_CLOSED "parlour_sessions_closed_total" Counter "Sessions ended, by close code.";
    FRAMES_IN "parlour_frames_in_total" Counter "Frames from clients.";
    FRAMES_OUT "parlour_frames_out_total" Counter "Frames to clients.";
    BYTES_OUT "parlour_bytes_out_total" Counter "Bytes of frames to clients.";
    MAILBOX_FULL "parlour_session_mailbox_full_total" Counter "What found a session's mailbox full: the connection was closed with 4501.";
    MERGED_DROPPED "parlour_session_merged_dropped_total" Counter "Receipts and typing that did not fit what may wait for a slow reader; receipts are told again with the next line.";
    HTTP_SECONDS "parlour_http_seconds" Seconds "HTTP requests, by route and status.";
    HASH_REFUSED "parlour_password_hash_refused_total" Counter "Passwords that found the hashing queue full; answered 1005.";
    ATTEMPTS_REFUSED "parlour_login_attempts_refused_total" Counter "Sign-ups and log-ins beyond an address's allowance; answered 1003.";
    APPENDS "parlour_log_appends_total" Counter "Records appended to the log, by outcome.";
    ROUTER_RECORDS "parlour_router_records_total" Counter "Records taken from the log by the router.";
    ROUTER_BATCH "parlour_router_batch_records" Numbers "Records in one batch of the router.";
    STORE_SECONDS "parlour_store_seconds" Seconds "Durable writes of history.";
    STORE_ROWS "parlour_store_rows" Numbers "Rows in one durable write.";
    STORE_FULL "parlour_store_full" Gauge "1 while the store has no room: sends are refused as retryable, and reading goes on.";
    STORE_JOBS "parlour_store_jobs" Numbers "Jobs that one commit of the embedded store took.";
    STORE_REFUSED "parlour_store_refused_total" Counter "Commits of the embedded store that were refused because the disk is nearly full.";
    STORE_ANSWERED_FAILED "parlour_store_answered_failed_total" Counter "Times that the embedded store could not note how far it had answered; a torn write after a power loss is then harder to tell from damage.";
    STORE_DAMAGED "parlour_store_damaged_files" Gauge "Files of the embedded store that are damaged, as far as one was met: the log names them and says what to do. Rows that lie there are errors, never absent.";
    STORE_DISK_GONE "parlour_store_disk_gone" Gauge "1 while the disk or mount that the embedded store lies on is gone, as far as one read or write met it: the log says what to do.";
    PORT_FAILED "parlour_port_failed_total" Counter "Calls to a port that failed and are repeated, by port.";
    ROUTER_STOPPED "parlour_router_partitions_stopped" Gauge "Partitions that stopped and need a person; the log says the remedy.";
    PLACED_SECONDS "parlour_placed_seconds" Seconds "From a gateway's append to the news of the place at that gateway.";
    LEASE_LOST "parlour_lease_lost_total" Counter "Leases that lapsed: every session registers again and is behind.";
    REVOCATIONS_AGE "parlour_revocations_age_seconds" Gauge "Since the list of revocations was last read. Beyond 5: the account store cannot be reached, and revoked devices stay.";
    WAKES "parlour_wakes_total" Counter "Wakes handed to the provider, by outcome.";
    READS_DROPPED "parlour_push_reads_dropped_total" Counter "Reads that push did not take in time: what woken devices show stays until it is looked at.";
    PUSH_LAG "parlour_push_waiting" Gauge "Events whose wakes are not decided yet.";
    TASKS_LATE "parlour_drain_late_tasks" Gauge "Tasks that the drain ended by force.";
}

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Renders `/metrics`.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Makes this process's metrics, once; a second call gives the same ones.
    #[must_use]
    pub fn install() -> Self {
        let handle = HANDLE.get_or_init(|| {
            let mut builder = PrometheusBuilder::new();
            let seconds = [
                0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0,
            ];
            let numbers = [1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0];
            for metric in METRICS {
                let buckets: &[f64] = match metric.kind {
                    Kind::Seconds => &seconds,
                    Kind::Numbers => &numbers,
                    Kind::Counter | Kind::Gauge => continue,
                };
                builder = builder
                    .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
                    .expect("it fails for an empty list alone");
            }
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            // Another recorder can only be a test's own: then these metrics stay empty.
            let _ = metrics::set_global_recorder(recorder);
            describe();
            handle
        });
        Self(handle.clone())
    }

    /// The text.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Keeps histograms small; called every few seconds.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

fn describe() {
    for m in METRICS {
        match m.kind {
            Kind::Counter => {
                metrics::describe_counter!(m.name, m.about);
                // So that a rate over it has a beginning.
                if ![SESSIONS_CLOSED, APPENDS, PORT_FAILED, WAKES].contains(&m.name) {
                    metrics::counter!(m.name).absolute(0);
                }
            }
            Kind::Gauge => {
                metrics::describe_gauge!(m.name, m.about);
                metrics::gauge!(m.name).set(0.0);
            }
            Kind::Seconds | Kind::Numbers => metrics::describe_histogram!(m.name, m.about),
        }
    }
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be read.
    #[error(
        "`{0}` is no level and no filter; write error, warn, info, debug, trace or off, and a target \
         with its level, such as hyper=info"
    )]
    Filter(String),
}

/// The filter of a level. A bare level is for what is ours: the engine's talk at each start and
/// each merge of tables helps nobody who did not ask for it.
fn filter(config: &Telemetry) -> Result<EnvFilter, Error> {
    let level = config.level.trim();
    let bare = ["info", "warn"].contains(&level.to_lowercase().as_str());
    let quiet = if bare {
        ",fjall=error,lsm_tree=error"
    } else {
        ""
    };
    let wrong = |part: &str| Error::Filter(part.to_owned());
    for part in level.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        // A word alone would be taken for a target, and turn everything else off.
        let (target, rest) = part.split_at(part.find(['=', '[']).unwrap_or(part.len()));
        let no_level = rest.is_empty() && part.parse::<LevelFilter>().is_err();
        if no_level || target.contains(char::is_whitespace) {
            return Err(wrong(part));
        }
    }
    EnvFilter::builder()
        .parse(format!("{level}{quiet}"))
        .ok()
        .filter(|_| !level.is_empty())
        .ok_or_else(|| wrong(&config.level))
}

/// Whether logging can begin so.
///
/// # Errors
/// The level cannot be read.
pub fn check(config: &Telemetry) -> Result<(), Error> {
    filter(config).map(|_| ())
}

/// Sends logs to standard error. Once for a process; a second call changes nothing.
///
/// # Errors
/// The level cannot be read.
pub fn log(config: &Telemetry) -> Result<(), Error> {
    let filter = filter(config)?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // An Err says that a subscriber is there already, which is what was wanted.
    let _ = match config.format {
        LogFormat::Text => registry
            .with(lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())))
            .try_init(),
        LogFormat::Json => registry.with(lines.json()).try_init(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_name_of_its_own_that_says_what_it_is() {
        let mut names: Vec<_> = METRICS.iter().map(|m| m.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
        for m in METRICS {
            assert!(m.name.starts_with("parlour_"), "{}", m.name);
            assert_eq!(
                m.kind == Kind::Counter,
                m.name.ends_with("_total"),
                "{}",
                m.name
            );
        }
    }

    #[test]
    fn a_level_that_is_none_is_refused_and_not_taken_for_a_target() {
        let set = |level: &str| {
            check(&Telemetry {
                level: level.to_owned(),
                ..Telemetry::default()
            })
            .map_err(|why| why.to_string())
        };
        for right in [
            "info",
            "OFF",
            " warn ",
            "info,hyper=debug",
            "hyper=off,error",
            "[conn{a=1}]=debug,info",
        ] {
            assert_eq!(set(right), Ok(()), "{right}");
        }
        for (wrong, part) in [
            ("inof", "`inof`"),
            ("info,hyper", "`hyper`"),
            ("info fjall=warn", "`info fjall=warn`"),
            ("", "``"),
        ] {
            let why = set(wrong).unwrap_err();
            assert!(why.contains(part) && why.contains("hyper=info"), "{why}");
        }
    }

    #[test]
    fn what_is_counted_is_rendered() {
        let metrics = Metrics::install();
        metrics::counter!(FRAMES_IN).increment(1);
        assert!(metrics.render().contains("parlour_frames_in_total"));
    }
}
