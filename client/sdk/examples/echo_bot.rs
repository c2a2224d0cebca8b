//! A bot that says back what it is told, in about thirty lines.
//!
//! `cargo run -p parlour-sdk --example echo_bot -- http://127.0.0.1:7400 NAME FOLDER`, with the
//! password in `PARLOUR_PASSWORD`. It signs up if nobody has the name yet.

use parlour_sdk::protocol::{frame::client::Token, http::SignUp, kind::Class};
use parlour_sdk::{Client, Config, Data, Endpoint, Fetch, Http, Update, core};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(name), Some(folder)) = (args.next(), args.next(), args.next()) else {
        anyhow::bail!("usage: echo_bot URL NAME FOLDER");
    };
    let mut data = Data::open(folder)?;
    if data.session()?.is_none() {
        let endpoint = Endpoint::new(&url)?;
        let password = std::env::var("PARLOUR_PASSWORD")?;
        let http = Http::new(&endpoint);
        let session = match http.log_in(&name, &password, "echo bot").await {
            Ok(session) => session,
            Err(_) => http.sign_up(&sign_up(name, password)).await?,
        };
        data.keep(&endpoint, &session)?;
    }
    let client = Client::connect(Config::stored(data)?.fetch(Fetch::Everything)).await?;
    let mut updates = client.updates();
    client.live().await?;
    println!("{} listens", client.session().name);
    while let Some(update) = updates.next().await {
        let Update::Core(core::Update::Event { event, .. }) = update else {
            continue;
        };
        let text = event.body.as_ref().and_then(|b| b.as_text());
        if let (Class::Content, Some(text)) = (event.class, text)
            && event.sender != client.user()
        {
            client
                .send(event.conversation, format!("echo: {text}"))
                .await?;
        }
    }
    Ok(())
}

fn sign_up(name: String, password: String) -> SignUp {
    SignUp {
        name,
        password: Token(password),
        display: None,
        invitation: None,
        device_name: "echo bot".to_owned(),
    }
}
