//! Who is logged in: coming in, going out, and beginning a connection anew.

use parlour_sdk::{Client, Config, Data, Link};

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
                let Some(data) = &mut self.data else {
                    return Ok(());
                };
                // What was kept before was another device's, and may be another person's.
                Kept::forget(&self.folder);
                if let Err(error) = data.keep(&endpoint, &session) {
                    self.take(Msg::NotIn(error.to_string())).await;
                } else {
                    self.connect().await?;
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

    /// Nobody is logged in any more.
    pub(super) async fn out(&mut self, why: Option<String>) {
        self.updates = None;
        if let Some(client) = self.client.take() {
            client.close().await;
        }
        match Data::open(&self.folder) {
            Ok(data) => {
                self.data = Some(data);
                self.take(Msg::Out(why)).await;
            }
            Err(error) => {
                let why = why.map_or_else(|| error.to_string(), |why| format!("{why}; {error}"));
                self.take(Msg::Out(Some(why))).await;
            }
        }
        self.saved = Kept::default();
    }

    /// A connection that ended for good is begun anew, because a person asked for it.
    pub(super) async fn again(&mut self, client: Client) -> Option<Msg> {
        self.updates = None;
        self.client = None;
        client.close().await;
        let opened = Data::open(&self.folder);
        let config = match opened.and_then(Config::stored) {
            Ok(config) => config,
            Err(error) => return Some(Msg::Out(Some(error.to_string()))),
        };
        match Client::connect(config).await {
            Ok(client) => {
                self.updates = Some(client.updates());
                self.client = Some(client);
                Some(Msg::Link(Link::Connecting))
            }
            Err(error) => Some(Msg::Out(Some(error.to_string()))),
        }
    }
}
