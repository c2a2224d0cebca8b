//! The commands for scripts: one thing each, and then the end.
//!
//! Promises: a password never stands in the arguments; what others wrote is never interpreted by
//! the terminal; a message counts as sent only once the server has its place. For people the lines
//! have names and times, for programs `--json` has ids.

mod came;
mod heard;
mod out;
mod printed;
mod record;
mod tail;
mod told;

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use parlour_sdk::protocol::error::Code;
use parlour_sdk::protocol::frame::client::Token;
use parlour_sdk::protocol::frame::server::Event;
use parlour_sdk::protocol::http::SignUp;
use parlour_sdk::protocol::{ConversationId, Seq, UserId};
use parlour_sdk::{
    Accepted, Client, Config, Data, Ended, Endpoint, Error, Http, Request, Summary, Updates, draft,
};

use crate::{Account, Command, unsent};
use heard::Heard;
use out::{json, print};
pub(crate) use out::{tell, tell_last};
use told::Told;

/// After how long it is said why a message is not sent yet.
const LATE: Duration = Duration::from_secs(2);

/// Does one of them. Gives the code to end with.
pub(crate) async fn run(
    folder: PathBuf,
    ca: Vec<PathBuf>,
    command: Command,
) -> anyhow::Result<ExitCode> {
    let done = match command {
        Command::Signup(account) => enter(folder, ca, account, true).await,
        Command::Login(account) => enter(folder, ca, account, false).await,
        Command::Logout => log_out(folder, &ca).await,
        Command::Send { to, text, json } => send(folder, &ca, &to, text, json).await,
        Command::List { json } => list(folder, &ca, json).await,
        Command::Tail { json, updates_max } => {
            return tail::run(folder, &ca, json, updates_max).await;
        }
        Command::History { of, limit, json } => history(folder, &ca, &of, limit, json).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}

async fn log_out(folder: PathBuf, ca: &[PathBuf]) -> anyhow::Result<()> {
    let mut data = Data::open(&folder)?;
    trust(&mut data, ca)?;
    let Some((endpoint, session)) = data.session()? else {
        return Err(Error::NotLoggedIn { path: folder }.into());
    };
    let done = Http::with_token(&endpoint, &session.token).log_out().await;
    if let Err(error) = done
        && !is_out_already(&error)
    {
        return Err(error).context("not logged out, and nothing was deleted");
    }
    // It was there to be sent; what cannot be read is deleted all the same.
    let unsent = data.outbox().unwrap_or_default();
    let unsent = unsent::Count::of(unsent.iter()).deleted();
    // The token is of no use any more, and neither is what was held with it.
    data.forget()?;
    crate::kept::Kept::forget(&folder);
    forget(&folder);
    let with = unsent.map_or_else(String::new, |deleted| format!("; {deleted}"));
    print(&format!("logged out{with}")).map(|_| ())
}

/// Whether a log-out failed because there was nothing left to log out.
pub(crate) fn is_out_already(error: &Error) -> bool {
    matches!(error, Error::Server { code, .. } if matches!(*code, Code::BAD_TOKEN | Code::REVOKED))
}

/// Forgets what `tail` printed here.
pub(crate) fn forget(folder: &std::path::Path) {
    record::Record::forget(folder);
}

async fn send(
    folder: PathBuf,
    ca: &[PathBuf],
    to: &str,
    text: String,
    as_json: bool,
) -> anyhow::Result<()> {
    let text = if text == "-" {
        let mut text = std::io::read_to_string(std::io::stdin())?;
        // `echo` ends what it says with a line's end that nobody means.
        let kept = text.trim_end_matches(['\n', '\r']).len();
        text.truncate(kept);
        text
    } else {
        text
    };
    if text.trim().is_empty() {
        bail!("there is nothing to send: the text is empty");
    }
    let (client, mut updates) = connect(&folder, ca).await?;
    let (draft, whom) = match find(&client, to).await? {
        // It may be the first word between them.
        Whom::User(user) => (draft::text_to(user, text), to.to_owned()),
        Whom::Conversation(conversation, name) => (draft::text(conversation, text), name),
    };
    let send = Request::Send(Box::new(draft));
    let (accepted, ended) = delivered(&client, &mut updates, send).await?;
    if matches!(ended, Ended::Refused { .. }) {
        // Whoever runs this is told; nobody need find it waiting for an answer later.
        let dismiss = parlour_sdk::Command::Dismiss(accepted.id);
        client.command(dismiss).await?;
    }
    client.close().await;
    match ended {
        Ended::Sent { seq, n, time_ms } if as_json => print(&json(&serde_json::json!({
            "conversation": accepted.conversation, "id": accepted.id,
            "seq": seq, "n": n, "time_ms": time_ms,
        }))?)
        .map(|_| ()),
        Ended::Sent { .. } => {
            print(&format!("sent to {}", crate::shown::name(&whom)))?;
            Ok(())
        }
        Ended::Refused { code, message } => bail!("not sent: {message} ({code})"),
        Ended::GivenUp => bail!("not sent: it was given up"),
    }
}

/// Sends, and waits for the outcome. If that takes long because the server wants it so, is away or
/// fails, that is said.
///
/// # Errors
/// The connection ended for good; then what was to be sent waits in the folder.
async fn delivered(
    client: &Client,
    updates: &mut Updates,
    send: Request,
) -> anyhow::Result<(Accepted, Ended)> {
    let mut heard = Heard::default();
    let lost = heard.listen(client, updates);
    tokio::pin!(lost);
    let done = client.deliver(send);
    tokio::pin!(done);
    let mut look = tokio::time::interval(LATE);
    // The first is at once.
    look.tick().await;
    let mut said = false;
    loop {
        tokio::select! {
            biased;
            done = &mut done => return Ok(done?),
            lost = &mut lost => return Err(lost.into()),
            _ = look.tick(), if !said => {
                let slowed = |s: &Summary| s.slowed;
                said = client.conversations().await?.iter().any(slowed);
                if said {
                    tell("the server takes only so many messages a minute; waiting");
                }
            }
        }
    }
}

async fn list(folder: PathBuf, ca: &[PathBuf], as_json: bool) -> anyhow::Result<()> {
    let (client, _) = connect(&folder, ca).await?;
    let mut told = Told::new(&folder, &client);
    let all = client.conversations().await?;
    told.learn(&client, all.iter().filter_map(|s| s.peer)).await;
    for s in &all {
        let name = told.title(s);
        let line = if as_json {
            json(&serde_json::json!({
                "conversation": s.conversation, "shape": s.shape, "name": s.name, "peer": s.peer,
                "called": name, "members": s.members, "unread": s.unread, "mentions": s.mentions,
            }))?
        } else {
            let unread = match s.unread {
                0 => String::new(),
                n => format!("  {n} unread"),
            };
            format!("{}  {name}{unread}", s.conversation)
        };
        if !print(&line)? {
            break;
        }
    }
    // The folder is this one's own until it is closed.
    told.keep(&folder);
    client.close().await;
    Ok(())
}

async fn history(
    folder: PathBuf,
    ca: &[PathBuf],
    of: &str,
    limit: u32,
    as_json: bool,
) -> anyhow::Result<()> {
    let (client, _) = connect(&folder, ca).await?;
    let conversation = match find(&client, of).await? {
        Whom::User(user) => ConversationId::direct(client.user(), user),
        Whom::Conversation(conversation, _) => conversation,
    };
    let mut told = Told::new(&folder, &client);
    let mut events: Vec<Event> = Vec::new();
    let mut before: Option<Seq> = None;
    // The server gives so many at once, and may cut a page sooner.
    loop {
        let wanted = limit.saturating_sub(u32::try_from(events.len()).unwrap_or(u32::MAX));
        let page = match client
            .history(conversation, before, None, wanted.max(1))
            .await
        {
            Err(Error::Server { code, .. }) if before.is_none() && code == Code::NOT_FOUND => {
                bail!("there is nothing between you and {of} yet, or it is not yours to see")
            }
            page => page?,
        };
        before = Some(page.from);
        let (more, none) = (page.more, page.events.is_empty());
        events.splice(0..0, page.events);
        if wanted == 0 || !more || none || events.len() >= limit as usize {
            break;
        }
    }
    let surplus = events.len().saturating_sub(limit as usize);
    events.drain(..surplus);
    if !as_json {
        let people = events.iter().flat_map(|e| people_of(e, None));
        told.learn(&client, people).await;
    }
    for event in &events {
        let line = match (as_json, told.is_seen(event)) {
            (true, _) => json(event)?,
            (false, true) => told.line(event, None),
            // Folded into what it changed.
            (false, false) => continue,
        };
        if !print(&line)? {
            break;
        }
    }
    // The folder is this one's own until it is closed.
    told.keep(&folder);
    client.close().await;
    Ok(())
}

/// Everyone who is to be named in an event's line.
fn people_of(event: &Event, summary: Option<&Summary>) -> Vec<UserId> {
    let mut users = vec![event.sender];
    users.extend(event.named.iter().map(|n| n.user));
    users.extend(event.deleted.as_ref().map(|d| d.by));
    users.extend(summary.and_then(|s| s.peer));
    users
}

async fn enter(
    folder: PathBuf,
    ca: Vec<PathBuf>,
    account: Account,
    new: bool,
) -> anyhow::Result<()> {
    let mut data = Data::open(&folder)?;
    if new {
        unsent::refuse_others(&data, None)?;
    }
    let server = account.server.as_deref().unwrap_or(crate::SERVER);
    let ca = crate::trusted(&data, server, ca);
    let endpoint = Endpoint::with_roots(server, &ca)?;
    let password = password(&account.name)?;
    let http = Http::new(&endpoint);
    let session = if new {
        let request = SignUp {
            name: account.name,
            password: Token(password),
            display: None,
            invitation: None,
            device_name: "parlour-chat".to_owned(),
        };
        http.sign_up(&request).await?
    } else {
        http.log_in(&account.name, &password, "parlour-chat")
            .await?
    };
    let kept = unsent::rescue(&data, &folder, &session).and_then(|unsent| {
        data.keep(&endpoint, &session)?;
        Ok(unsent)
    });
    match kept {
        Ok(unsent) => {
            if let Some(told) = unsent.and_then(|unsent| unsent.told(usize::MAX)) {
                tell(&told);
            }
        }
        Err(error) => {
            // It is in the list of their devices otherwise.
            let _ = Http::with_token(&endpoint, &session.token).log_out().await;
            return Err(error).context("not logged in");
        }
    }
    let (name, folder) = (session.name, folder.display());
    print(&format!(
        "{name} is logged in; this device is kept in {folder}"
    ))
    .map(|_| ())
}

fn password(name: &str) -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password(format!("Password of {name}: "))?);
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Trusts these from now on, if any are named.
pub(crate) fn trust(data: &mut Data, ca: &[PathBuf]) -> Result<(), Error> {
    if ca.is_empty() {
        return Ok(());
    }
    data.trust(ca)
}

/// Connects, and waits until the client is caught up. What it tells from then on waits in the
/// updates.
async fn connect(folder: &std::path::Path, ca: &[PathBuf]) -> anyhow::Result<(Client, Updates)> {
    let mut data = Data::open(folder)?;
    trust(&mut data, ca)?;
    let client = Client::connect(Config::stored(data)?).await?;
    let mut updates = client.updates();
    let mut heard = Heard::default();
    // It goes on trying; whoever waits is told what for.
    let lost = heard.listen(&client, &mut updates);
    tokio::select! {
        biased;
        done = client.live() => done?,
        lost = lost => return Err(lost.into()),
    }
    Ok((client, updates))
}

/// Whom a name means.
enum Whom {
    User(UserId),
    Conversation(ConversationId, String),
}

/// A conversation of this id, the user of this name, or the conversation of this name that one is
/// in.
async fn find(client: &Client, name: &str) -> anyhow::Result<Whom> {
    if let Ok(id) = name.parse::<ConversationId>() {
        let called = client.summary(id).await?.and_then(|s| s.name);
        return Ok(Whom::Conversation(
            id,
            called.unwrap_or_else(|| id.to_string()),
        ));
    }
    let bare = name.strip_prefix('#');
    if bare.is_none() {
        match client.http().find_user(name.trim_start_matches('@')).await {
            Ok(profile) => return Ok(Whom::User(profile.user)),
            Err(Error::NoUser(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let wanted = bare.unwrap_or(name).to_lowercase();
    let named = |s: &Summary| s.name.as_ref().is_some_and(|n| n.to_lowercase() == wanted);
    let all = client.conversations().await?;
    let mut found = all.iter().filter(|s| named(s));
    let first = found.next().with_context(|| {
        format!(
            "there is no user named `{name}`, and none of your conversations is called so; \
             `parlour-chat list` names them"
        )
    })?;
    if found.next().is_some() {
        bail!(
            "several of your conversations are called `{name}`: give the id, from `parlour-chat list`"
        );
    }
    let name = first.name.clone().unwrap_or_default();
    Ok(Whom::Conversation(first.conversation, name))
}
