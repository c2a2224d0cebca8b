//! Who is logged in: coming in, going out, and beginning a connection anew.
//!
//! Promises: who is put out finds again what they wrote, sent or not; who logs out leaves nothing
//! on the device, whatever is in the way at first.

use std::time::Duration;

use parlour_sdk::protocol::UserId;
use parlour_sdk::{Client, Config, Data, Endpoint, Error, Http, Session};
use tokio::sync::mpsc::Receiver;

use super::{END, Reply, Run};
use crate::kept::Kept;
use crate::model::{Me, Msg};
use crate::unsent::{self, Unsent};

/// How long the store may take to write what it was given.
const STORED: Duration = Duration::from_secs(1);
/// Columns shown of a change that was not sent.
const CHANGE_MAX: usize = 120;

impl Run {
    /// Connects, if somebody is logged in here.
    pub(super) async fn connect(&mut self) -> anyhow::Result<()> {
        if let Some(me) = self.begin().await? {
            self.take(Msg::In(me)).await;
        }
        Ok(())
    }

    /// Begins the client, if somebody is logged in here.
    async fn begin(&mut self) -> Result<Option<Me>, Error> {
        let Some(data) = self.data.take() else {
            return Ok(None);
        };
        let Some((endpoint, session)) = data.session()? else {
            self.data = Some(data);
            return Ok(None);
        };
        let config =
            Config::stored(data)?.client(concat!("parlour-chat/", env!("CARGO_PKG_VERSION")));
        let client = Client::connect(config).await?;
        self.updates = Some(client.updates());
        self.client = Some(client);
        Ok(Some(Me {
            user: session.user,
            name: session.name,
            server: endpoint.url().to_owned(),
        }))
    }

    pub(super) async fn reply(&mut self, reply: Reply) -> anyhow::Result<()> {
        match reply {
            Reply::Msg(msg) => self.take(msg).await,
            Reply::Session(both) if self.client.is_some() => {
                // Asked for twice, and the first is in. This device is not needed.
                not_needed(*both);
            }
            Reply::Session(both) => {
                let (endpoint, session) = &*both;
                match self.keep(endpoint, session) {
                    Ok(()) => {
                        self.take_up(session.user);
                        self.connect().await?;
                    }
                    Err(why) => {
                        not_needed(*both);
                        self.take(Msg::NotIn(why)).await;
                    }
                }
            }
            Reply::LoggedOut(why) => {
                self.forget();
                self.out(why).await;
            }
        }
        Ok(())
    }

    /// Keeps who has just logged in. Whatever fails, what waits to be sent is there still.
    fn keep(&mut self, endpoint: &Endpoint, session: &Session) -> Result<(), String> {
        let folder = self.folder.clone();
        // What could not be written when this user was put out.
        let unkept = self.unkept.as_ref();
        if let Some(kept) = unkept.filter(|kept| kept.user == Some(session.user)) {
            kept.write(&folder).map_err(|error| not_kept(&error))?;
        }
        let data = self.folder().map_err(|error| not_open(&error))?;
        unsent::rescue(data, &folder, session)
            .and_then(|_| Ok(data.keep(endpoint, session)?))
            .map_err(|error| format!("{error:#}"))?;
        self.unkept = None;
        Ok(())
    }

    /// What is kept is deleted: what lies beside the store at once, the store when it is opened.
    fn forget(&mut self) {
        Kept::forget(&self.folder);
        crate::script::forget(&self.folder);
        self.unkept = None;
        self.forget = true;
    }

    /// The folder, while nobody is logged in: opened anew if it could not be before, and emptied if
    /// that is still to be done.
    pub(super) fn folder(&mut self) -> Result<&mut Data, Error> {
        let mut data = match self.data.take() {
            Some(data) => data,
            None => Data::open(&self.folder)?,
        };
        if self.forget {
            data.forget()?;
            self.forget = false;
        }
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

    /// This device is signed out: what waits to be sent goes nowhere from it, and is kept with what
    /// is being written. Says so.
    pub(super) async fn take_back(&mut self) -> Option<String> {
        let client = self.client.clone()?;
        let rows = client.with(|core| Unsent::of(core.outbox().map(AsRef::as_ref)));
        // A client that is gone tells nothing; nobody took anything through it either.
        let unsent = rows.await.unwrap_or_default();
        let mut kept = self.model.kept();
        kept.take_back(&unsent.messages);
        let Err(error) = kept.write(&self.folder) else {
            return unsent.told(CHANGE_MAX);
        };
        self.unkept = Some(kept);
        let told = [Some(not_kept(&error)), unsent.told_changes(CHANGE_MAX)];
        let told: Vec<String> = told.into_iter().flatten().collect();
        Some(told.join(" "))
    }

    /// Nobody is logged in any more.
    pub(super) async fn out(&mut self, why: Option<String>) {
        self.leaving = false;
        self.updates = None;
        if let Some(client) = self.client.take() {
            client.close().await;
        }
        let not_open = self.folder().err().map(|error| match self.forget {
            true => format!("{} It is deleted then.", not_open(&error)),
            false => not_open(&error),
        });
        let why: Vec<String> = [why, not_open].into_iter().flatten().collect();
        let why = Some(why.join(" ")).filter(|why| !why.is_empty());
        self.take(Msg::Out(why)).await;
        self.saved = Kept::default();
    }

    /// A connection that ended for good is begun anew, because a person asked for it. Not before all
    /// that it holds is kept: until then it is held here alone.
    pub(super) async fn again(&mut self, client: Client) -> Option<Msg> {
        let unkept = match self.save() {
            Err(error) => Some(error.to_string()),
            Ok(()) => match tokio::time::timeout(STORED, client.stored()).await {
                Err(_) => Some("the store cannot write".to_owned()),
                // One that is gone has nothing to lose any more.
                Ok(_) => None,
            },
        };
        if let Some(why) = unkept {
            let why = format!("What you wrote cannot be kept: {why}. Make room, then try again.");
            return Some(Msg::Refused(why, None));
        }
        self.updates = None;
        self.client = None;
        client.close().await;
        let opened = Data::open(&self.folder);
        let config = match opened.and_then(Config::stored) {
            Ok(config) => config,
            Err(error) => return Some(Msg::Shut(shut(&error))),
        };
        match Client::connect(config).await {
            Ok(client) => {
                self.updates = Some(client.updates());
                self.client = Some(client);
                Some(Msg::Anew)
            }
            Err(error) => Some(Msg::Shut(shut(&error))),
        }
    }

    /// Goes on as who is logged in, if what is kept can be opened now.
    pub(super) async fn reopen(&mut self) -> Msg {
        let folder = self.folder.clone();
        let found = self.folder().and_then(|data| {
            let session = data.session()?;
            Ok(session.map(|(_, s)| (s.user, data.store())))
        });
        let kept = match found {
            Ok(Some((user, Ok(store)))) => Kept::read_own(&folder, user).with(store),
            Ok(Some((_, Err(error)))) | Err(error) => return Msg::NotIn(shut(&error)),
            Ok(None) => return Msg::Out(Some("Nobody is logged in here any more.".to_owned())),
        };
        match self.begin().await {
            Ok(Some(me)) => {
                self.model.restore(kept.clone());
                self.saved = kept;
                Msg::In(me)
            }
            Ok(None) => Msg::Out(None),
            Err(error) => Msg::NotIn(shut(&error)),
        }
    }

    /// The end, once the terminal is given back.
    pub(super) async fn end(mut self, replied: Receiver<Reply>) -> anyhow::Result<()> {
        let unkept = match (self.leaving, self.unkept.take()) {
            (true, _) => None,
            (false, Some(kept)) => kept.write(&self.folder).err(),
            (false, None) => self.save().err(),
        };
        self.updates = None;
        if let Some(client) = self.client.take() {
            // What does not get into the store in time is caught up again; what was accepted for
            // sending is in it already, or was never said to be.
            let _ = tokio::time::timeout(END, client.close()).await;
        }
        if self.leaving {
            self.forget();
        }
        let left = match self.forget {
            true => self.folder().err(),
            false => None,
        };
        if self.leaving {
            self.wait_for_log_out(replied).await;
        }
        if let Some(error) = left {
            let folder = self.folder.display();
            anyhow::bail!("what this device keeps is not deleted: {error}; delete {folder}");
        }
        if let Some(error) = unkept {
            anyhow::bail!("what was being written is not kept: {error}");
        }
        Ok(())
    }

    /// The server is being told that this device logs out.
    async fn wait_for_log_out(&self, mut replied: Receiver<Reply>) {
        let told = async {
            while let Some(reply) = replied.recv().await {
                if let Reply::LoggedOut(why) = reply {
                    return why;
                }
            }
            None
        };
        // It says itself that it took too long, at that time.
        if let Ok(Some(why)) = tokio::time::timeout(2 * END, told).await {
            crate::script::tell(&why);
        }
    }
}

/// A device that has just logged in and is not kept here: it is in the list of one's devices
/// otherwise.
fn not_needed((endpoint, session): (Endpoint, Session)) {
    tokio::spawn(async move {
        let http = Http::with_token(&endpoint, &session.token);
        // Somebody can remove it there.
        let _ = http.log_out().await;
    });
}

/// What one wrote and waits to be sent cannot be written down.
fn not_kept(error: &std::io::Error) -> String {
    format!("What you wrote cannot be kept: {error}. Make room, then log in: it is tried again.")
}

/// Why what this device keeps cannot be had, and what can be done: the form stands there for it.
pub(super) fn not_open(error: &Error) -> String {
    format!(
        "What this device keeps cannot be opened: {error}. Then log in here: Enter tries again, \
         Ctrl+Q quits."
    )
}

/// The same, while the device is logged in: there is nothing to fill in.
fn shut(error: &Error) -> String {
    format!(
        "What this device keeps cannot be opened: {error}. Enter tries again. Or Ctrl+Q, then \
         start it again: nothing is lost."
    )
}

#[cfg(test)]
mod tests;
