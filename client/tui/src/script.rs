//! The commands for scripts: one thing each, and then the end.
//!
//! Promises: a password never stands in the arguments; what others wrote is never interpreted by
//! the terminal; a message counts as sent only once the server has its place.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use anyhow::bail;
use parlour_sdk::core::Update as Core;
use parlour_sdk::protocol::frame::client::Token;
use parlour_sdk::protocol::frame::server::Event;
use parlour_sdk::protocol::http::SignUp;
use parlour_sdk::protocol::{ConversationId, Seq};
use parlour_sdk::{Client, Config, Data, Ended, Endpoint, Fetch, Http, Request, Update, draft};

use crate::{Account, Command, shown};

pub(crate) async fn run(folder: PathBuf, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Signup(account) => enter(folder, account, true).await,
        Command::Login(account) => enter(folder, account, false).await,
        Command::Logout => {
            let client = connect(folder).await?;
            client.log_out().await?;
            println!("logged out");
            Ok(())
        }
        Command::Send { to, text } => {
            let text = if text == "-" {
                std::io::read_to_string(std::io::stdin())?
            } else {
                text
            };
            let client = connect(folder).await?;
            let draft = match to.parse() {
                Ok(conversation) => draft::text(conversation, text),
                // It may be the first word between them.
                Err(_) => draft::text_to(client.http().find_user(&to).await?.user, text),
            };
            let send = Request::Send(Box::new(draft));
            match client.deliver(send).await? {
                (accepted, Ended::Sent { seq, .. }) => {
                    println!("{} {seq}", accepted.conversation);
                }
                (_, Ended::Refused { code, message }) => bail!("not sent: {message} ({code})"),
                (_, Ended::GivenUp) => bail!("not sent: it was given up"),
            }
            client.close().await;
            Ok(())
        }
        Command::Tail { json } => {
            let data = Data::open(&folder)?;
            let client = Client::connect(Config::stored(data)?.fetch(Fetch::Everything)).await?;
            let mut updates = client.updates();
            while let Some(update) = updates.next().await {
                if let Update::Core(Core::Event { event, .. }) = update {
                    print(&event, json)?;
                }
            }
            Ok(())
        }
        Command::History { of, limit, json } => {
            let client = connect(folder).await?;
            let conversation = find(&client, &of).await?;
            let page = client
                .history(conversation, None, None::<Seq>, limit)
                .await?;
            for event in &page.events {
                print(event, json)?;
            }
            client.close().await;
            Ok(())
        }
    }
}

async fn enter(folder: PathBuf, account: Account, new: bool) -> anyhow::Result<()> {
    let endpoint = Endpoint::new(&account.server)?;
    let mut data = Data::open(&folder)?;
    let password = password()?;
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
    data.keep(&endpoint, &session)?;
    println!(
        "{} is logged in; this device is kept in {}",
        session.name,
        folder.display()
    );
    Ok(())
}

fn password() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password("Password: ")?);
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

async fn connect(folder: PathBuf) -> anyhow::Result<Client> {
    let client = Client::connect(Config::stored(Data::open(&folder)?)?).await?;
    client.live().await?;
    Ok(client)
}

/// The conversation of an id, or the direct one with a user.
async fn find(client: &Client, name: &str) -> anyhow::Result<ConversationId> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let user = client.http().find_user(name).await?;
    Ok(ConversationId::direct(client.user(), user.user))
}

fn print(event: &Event, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(event)?);
        return Ok(());
    }
    let text = event.body.as_ref().and_then(|body| body.as_text());
    let said = text.map_or_else(|| format!("[{}]", event.kind), str::to_owned);
    println!("{} {} {}", event.seq, event.sender, shown::line(&said));
    Ok(())
}
