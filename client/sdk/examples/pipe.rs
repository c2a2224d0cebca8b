//! Sends each line of its input to a user, once, however often it is killed and started again.
//!
//! `… | cargo run -p parlour-sdk --example pipe -- FOLDER USER`, where FOLDER is one in which a
//! device is logged in (see `echo_bot`). A line's id follows from its number, so that a line given
//! again is the same message; it says `stored N` once a line can no longer be lost.

use std::io::BufRead as _;

use parlour_sdk::protocol::id::MessageId;
use parlour_sdk::{Client, Config, Data, Error, Refused, Request, draft};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(folder), Some(name)) = (args.next(), args.next()) else {
        anyhow::bail!("usage: pipe FOLDER USER");
    };
    let client = Client::connect(Config::stored(Data::open(folder)?)?).await?;
    let mut updates = client.updates();
    let user = client.find_user(&name).await?.user;
    for (n, line) in std::io::stdin().lock().lines().enumerate() {
        let mut send = draft::text_to(user, line?);
        send.id = MessageId::derived("pipe", &[&n.to_be_bytes()]);
        match client.request(Request::Send(Box::new(send))).await {
            // It waits from the run before.
            Ok(_) | Err(Error::Refused(Refused::Doubled)) => {}
            Err(e) => return Err(e.into()),
        }
        client.stored().await?;
        println!("stored {n}");
    }
    while client.with(|core| core.outbox().next().is_some()).await? {
        updates.next().await;
    }
    client.close().await;
    println!("done");
    Ok(())
}
