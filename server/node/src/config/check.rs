//! What is wrong with values that can be read: between keys, and with what they name outside.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use parlour_runtime::tls::Tls;
use parlour_runtime::{sockets, telemetry};
use toml::Value;

use super::{Loaded, Problems, Role};

/// What an administrator's token has, at least.
const TOKEN_BYTES_MIN: usize = 16;

/// What a value should be, in words; `why` is what the parser says of it.
pub(super) fn plain(why: &str, value: &Value, like: Option<&Value>) -> String {
    let given = match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    };
    let example = like.map_or_else(String::new, |like| format!(", such as {like}"));
    if let Some((_, known)) = why.split_once(", expected ")
        && why.starts_with("unknown variant")
    {
        let known = known.trim_start_matches("one of ").replace('`', "\"");
        return format!("{given} is not among its values; write {}", either(&known));
    }
    match (like, value) {
        (Some(Value::Integer(_)), Value::Integer(_)) => {
            format!("{given} is too small or too large: {}", why.trim_end())
        }
        (Some(Value::Integer(_)), _) => format!("{given} is no whole number{example}"),
        (Some(Value::Boolean(_)), _) => format!("{given} is neither true nor false"),
        (Some(Value::Array(_)), _) => format!("{given} is no list of texts{example}"),
        (Some(Value::String(_)), _) => format!("{given} is no text in quotes{example}"),
        _ => why.trim_end().to_owned(),
    }
}

/// `a, b, c` as `a, b or c`.
fn either(known: &str) -> String {
    match known.rsplit_once(", ") {
        Some((first, last)) => format!("{first} or {last}"),
        None => known.to_owned(),
    }
}

/// What is wrong between keys.
pub(super) fn together(loaded: &Loaded) -> Vec<String> {
    let config = &loaded.config;
    let mut wrong = Vec::new();
    // Of what could not be read only its default is here, which nobody chose: no word on that.
    let unread = |key: &str| loaded.unread.contains(key);
    for role in [Role::Gateway, Role::Router, Role::Push] {
        if !config.node.roles.contains(&role) {
            wrong.push(format!(
                "{}: with embedded adapters one process does everything; add `{}`",
                loaded.named("node.roles"),
                format!("{role:?}").to_lowercase()
            ));
        }
    }
    let lease_unread = ["session.renew_ms", "session.lease_ms"]
        .into_iter()
        .any(unread);
    if !lease_unread && config.session.renew_ms.saturating_mul(2) > config.session.lease_ms {
        wrong.push(format!(
            "{}: renew at least twice within session.lease_ms, or one late renewal loses the lease",
            loaded.named("session.renew_ms")
        ));
    }
    for (key, value, most) in [
        (
            "session.revocations_ms",
            config.session.revocations_ms,
            2_000,
        ),
        (
            "accounts.token_cache_ms",
            config.accounts.token_cache_ms,
            2_000,
        ),
    ] {
        if value > most {
            wrong.push(format!(
                "{}: at most {most}, so that a revoked device is out within 5 s",
                loaded.named(key)
            ));
        }
    }
    for (key, value) in [
        ("session.mailbox_frames", config.session.mailbox_frames),
        ("session.renew_ms", config.session.renew_ms),
        ("session.revocations_ms", config.session.revocations_ms),
        ("router.batch_records", config.router.batch_records),
        ("accounts.hash_threads", config.accounts.hash_threads),
        ("accounts.hash_queue", config.accounts.hash_queue),
        ("http.tls_look_ms", config.http.tls_look_ms),
        ("http.upgrade_ms", config.http.upgrade_ms),
        ("http.body_ms", config.http.body_ms),
        ("http.unauthenticated_max", config.http.unauthenticated_max),
        ("http.connections_max", config.http.connections_max),
        ("http.body_bytes", config.http.body_bytes),
    ] {
        if value == 0 {
            wrong.push(format!("{}: must be above 0", loaded.named(key)));
        }
    }
    for ((key, value), (of, least)) in [
        (
            ("http.body_bytes", config.http.body_bytes),
            ("limits.body_bytes", config.limits.body_bytes),
        ),
        (
            ("drain.drain_ms_max", config.drain.drain_ms_max),
            ("drain.jitter_ms_max", config.drain.jitter_ms_max),
        ),
    ] {
        if value > 0 && value < least && !unread(key) && !unread(of) {
            wrong.push(format!(
                "{}: it is {value}, and {of} is {least}: make this at least as much, or lower \
                 `{of}`",
                loaded.named(key)
            ));
        }
    }
    if let Err((name, why)) = config.limits.check()
        && !loaded.unread.iter().any(|key| {
            key.strip_prefix("limits.") == Some(name)
                || why.split([' ', ':']).any(|word| word == key)
        })
    {
        wrong.push(format!(
            "{}: {why}",
            loaded.named(&format!("limits.{name}"))
        ));
    }
    for origin in &config.http.origins {
        let host = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        if origin != "*" && host.is_none_or(|host| host.is_empty() || host.contains('/')) {
            wrong.push(format!(
                "{}: `{origin}` is no origin; write it as https://chat.example.org, without a path",
                loaded.named("http.origins")
            ));
        }
    }
    let token = config.accounts.admin_token.0.len();
    if (1..TOKEN_BYTES_MIN).contains(&token) {
        wrong.push(format!(
            "{}: it has {token} bytes, and whoever guesses it may do everything: give it at least \
             {TOKEN_BYTES_MIN}, such as `openssl rand -hex 32` prints",
            loaded.named("accounts.admin_token")
        ));
    }
    if let Err(why) = telemetry::check(&config.telemetry) {
        wrong.push(format!("{}: {why}", loaded.named("telemetry.level")));
    }
    wrong
}

/// What the configuration names outside of itself, ready for use.
pub(crate) struct Outside {
    /// Where to listen.
    pub(crate) address: SocketAddr,
    /// TLS, if it is configured.
    pub(crate) tls: Option<Tls>,
}

/// Looks at what the configuration names: the address, certificate and key, the data folder. Makes
/// nothing, and does not listen.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub(super) fn outside(loaded: &Loaded) -> Result<Outside, Problems> {
    let (http, mut wrong) = (&loaded.config.http, Vec::new());
    let address = sockets::resolve(&http.listen)
        .map_err(|why| wrong.push(format!("{}: {why}", loaded.named("http.listen"))));
    let tls = Tls::load(http).map_err(|why| {
        // One of the two cannot be read, which was said: what that makes of both is no news.
        if ["http.tls_cert", "http.tls_key"].map(|key| loaded.unread.contains(key)) != [false; 2] {
            return;
        }
        let key = match &why {
            sockets::Error::Key(..) => "http.tls_key",
            sockets::Error::Half if http.tls_key.is_empty() => "http.tls_key",
            _ => "http.tls_cert",
        };
        wrong.push(format!("{}: {why}", loaded.named(key)));
    });
    if let Err(why) = folder(&loaded.config.node.data) {
        wrong.push(format!("{}: {why}", loaded.named("node.data")));
    }
    match (address, tls) {
        (Ok(address), Ok(tls)) if wrong.is_empty() => Ok(Outside { address, tls }),
        _ => Err(Problems(wrong)),
    }
}

/// Whether this may be a data folder: one that is missing is made later.
fn folder(data: &str) -> Result<(), String> {
    const NAME: &str = "name a folder, which is made if it is missing";
    if data.is_empty() {
        return Err(format!("it is empty; {NAME}"));
    }
    match std::fs::metadata(Path::new(data)) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(format!("{data} is a file; {NAME}, or move the file away")),
        Err(why) => match why.kind() {
            ErrorKind::NotFound => Ok(()),
            ErrorKind::NotADirectory => Err(format!(
                "{data}: a part of this path is a file, not a folder; {NAME}"
            )),
            _ => Err(format!("{data}: {why}; {NAME}")),
        },
    }
}
