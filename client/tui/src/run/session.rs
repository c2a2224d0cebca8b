//! Who is logged in: coming in, going out, and beginning a connection anew.

use parlour_sdk::protocol::UserId;
use parlour_sdk::{Client, Config, Data, Error};

use super::{Reply, Run};
use crate::kept::Kept;
use crate::model::{Me, Msg};

impl Run {
    /// Connects, if somebody is logged in here.
    pub(super) async fn connect(&mut self) -> anyhow::Result<()> {
        let Some(data) = self.data.take() else {
            return Ok(());
        };
        let Some((endpoint, session)) = data.session()? else {
            self.data = Some(data);
            return Ok(());
        };
        let config =
            Config::stored(data)?.client(concat!("parlour-chat/", env!("CARGO_PKG_VERSION")));
        let client = Client::connect(config).await?;
        self.updates = Some(client.updates());
        self.client = Some(client);
        let me = Me {
            user: session.user,
            name: session.name,
            server: endpoint.url().to_owned(),
        };
        self.take(Msg::In(me)).await;
        Ok(())
    }

    pub(super) async fn reply(&mut self, reply: Reply) -> anyhow::Result<()> {
        match reply {
            Reply::Msg(msg) => self.take(msg).await,
            Reply::Session(both) => {
                let (endpoint, session) = *both;
                let kept = match self.folder() {
                    Ok(data) => data.keep(&endpoint, &session).map_err(|e| e.to_string()),
                    Err(why) => Err(why),
                };
                match kept {
                    Ok(()) => {
                        self.take_up(session.user);
                        self.connect().await?;
                    }
                    Err(why) => self.take(Msg::NotIn(why)).await,
                }
            }
            Reply::LoggedOut(why) => {
                Kept::forget(&self.folder);
                crate::script::forget(&self.folder);
                self.out(why).await;
                if let Some(data) = &mut self.data {
                    data.forget()?;
                }
            }
        }
        Ok(())
    }

    /// The folder, while nobody is logged in: opened anew if it could not be before.
    pub(super) fn folder(&mut self) -> Result<&mut Data, String> {
        let data = match self.data.take() {
            Some(data) => data,
            None => Data::open(&self.folder).map_err(|error| not_open(&error))?,
        };
        Ok(self.data.insert(data))
    }

    /// Takes up what was kept of this user, who has just logged in. What is another's goes: this
    /// is their device no more.
    fn take_up(&mut self, user: UserId) {
        // The new device holds nothing of the server's store yet.
        let kept = Kept::read(&self.folder, user).with(None);
        if kept.names.is_empty() && kept.drafts.is_empty() {
            Kept::forget(&self.folder);
        }
        self.model.restore(kept.clone());
        self.saved = kept;
    }

    /// Nobody is logged in any more.
    pub(super) async fn out(&mut self, why: Option<String>) {
        self.leaving = false;
        self.updates = None;
        if let Some(client) = self.client.take() {
            client.close().await;
        }
        let why = match self.folder().err() {
            Some(error) => Some(why.map_or_else(|| error.clone(), |why| format!("{why} {error}"))),
            None => why,
        };
        self.take(Msg::Out(why)).await;
        self.saved = Kept::default();
    }

    /// A connection that ended for good is begun anew, because a person asked for it.
    pub(super) async fn again(&mut self, client: Client) -> Option<Msg> {
        self.save();
        self.updates = None;
        self.client = None;
        client.close().await;
        let opened = Data::open(&self.folder);
        let config = match opened.and_then(Config::stored) {
            Ok(config) => config,
            Err(error) => return Some(Msg::Out(Some(not_open(&error)))),
        };
        match Client::connect(config).await {
            Ok(client) => {
                self.updates = Some(client.updates());
                self.client = Some(client);
                Some(Msg::Anew)
            }
            Err(error) => Some(Msg::Out(Some(not_open(&error)))),
        }
    }
}

/// Why what this device keeps cannot be had, and what can be done: the form stands there for it.
fn not_open(error: &Error) -> String {
    format!(
        "What this device keeps cannot be opened: {error}. Then log in here: Enter tries again, \
         Ctrl+Q quits."
    )
}
