//! [`Client`]: the handle of a running client.

use std::sync::{Arc, Mutex};

use parlour_client_core::view::{Summary, Timeline};
use parlour_client_core::{Accepted, Client as Core, Command, Ended, Input, Link, Request, draft};
use parlour_protocol::body::Body;
use parlour_protocol::frame::server::{Event, UserPresence};
use parlour_protocol::http::Profile;
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};
use parlour_protocol::kind::{HistoryRule, Shape};
use parlour_protocol::record::{Mentions, Named};
use parlour_protocol::seq::{Mark, Seq};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::config::{Config, Session};
use crate::driver::{self, Hands, Job};
use crate::error::Error;
use crate::http::Http;
use crate::store::Written;
use crate::updates::{Update, Updates};

/// A running client. Clones are the same client; it closes when the last is dropped.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    jobs: mpsc::Sender<Job>,
    updates: broadcast::WeakSender<Arc<Update>>,
    /// The reader that was there from the start, until it is asked for.
    first: Mutex<Option<broadcast::Receiver<Arc<Update>>>>,
    link: watch::Receiver<Link>,
    http: Http,
    session: Session,
    ended: watch::Receiver<bool>,
    written: Option<watch::Receiver<Written>>,
}

impl Client {
    /// Opens the store and begins to connect, for as long as it takes: it does not wait for the
    /// server, see [`Client::live`]. Needs a tokio runtime.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        let http = Http::with_token(&config.endpoint, &config.session.token);
        let session = config.session.clone();
        let started = driver::start(config).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                jobs: started.jobs,
                updates: started.updates.0,
                first: Mutex::new(Some(started.updates.1)),
                link: started.link,
                http,
                session,
                ended: started.ended,
                written: started.written,
            }),
        })
    }

    /// The device.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.inner.session
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.inner.session.user
    }

    /// The device's id.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.inner.session.device
    }

    /// What is asked over HTTP, as this device.
    #[must_use]
    pub fn http(&self) -> &Http {
        &self.inner.http
    }

    /// A stream of updates. The first one asked for has everything since the start, each later
    /// one everything from now on.
    #[must_use]
    pub fn updates(&self) -> Updates {
        let first = self
            .inner
            .first
            .lock()
            .map(|mut f| f.take())
            .unwrap_or_default();
        let receiver = first.or_else(|| self.inner.updates.upgrade().map(|s| s.subscribe()));
        Updates(receiver.unwrap_or_else(|| broadcast::channel(1).1))
    }

    /// How the connection stands.
    #[must_use]
    pub fn link(&self) -> Link {
        self.inner.link.borrow().clone()
    }

    /// Waits until the client is caught up.
    ///
    /// # Errors
    /// [`Error::SignedOut`] if the connection ended for good, [`Error::Closed`].
    pub async fn live(&self) -> Result<(), Error> {
        let mut link = self.inner.link.clone();
        loop {
            match &*link.borrow_and_update() {
                Link::Live => return Ok(()),
                Link::Stopped(Some((code, message))) => {
                    return Err(Error::SignedOut {
                        code: *code,
                        message: message.clone(),
                    });
                }
                _ => {}
            }
            link.changed().await.map_err(|_| Error::Closed)?;
        }
    }

    /// Runs something with the core. It must not block: everything else waits meanwhile.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn with<R: Send + 'static>(
        &self,
        f: impl FnOnce(&Core) -> R + Send + 'static,
    ) -> Result<R, Error> {
        self.job(move |hands| f(hands.core)).await
    }

    async fn job<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Hands<'_>) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |hands| {
            let _ = tell.send(f(hands));
        });
        self.inner.jobs.send(job).await.map_err(|_| Error::Closed)?;
        told.await.map_err(|_| Error::Closed)
    }

    /// What the user does that needs no outcome.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn command(&self, command: Command) -> Result<(), Error> {
        self.job(move |h| h.core.handle(h.now_ms, Input::Command(command), h.out))
            .await
    }

    /// Takes a request into the outbox, from where it is sent as soon as can be, over restarts if
    /// need be (see [`Client::stored`]). Its outcome comes as [`parlour_client_core::Update::Ended`].
    ///
    /// # Errors
    /// [`Error::Refused`]: nothing of it happened. [`Error::Closed`].
    pub async fn request(&self, request: Request) -> Result<Accepted, Error> {
        self.job(move |h| h.core.request(h.now_ms, request, h.out))
            .await?
            .map_err(Error::Refused)
    }

    /// As [`Client::request`], and waits for the outcome. Dropping the wait gives nothing up.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn deliver(&self, request: Request) -> Result<(Accepted, Ended), Error> {
        let (accepted, ended) = self
            .job(move |h| {
                let accepted = h.core.request(h.now_ms, request, h.out)?;
                Ok::<_, parlour_client_core::Refused>((accepted, h.wait(accepted.id)))
            })
            .await??;
        Ok((accepted, ended.await.map_err(|_| Error::Closed)?))
    }

    /// Waits until everything accepted so far is in the store: from then on it survives the end
    /// of this process, however it ends. Without a folder there is nothing to wait for.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn stored(&self) -> Result<(), Error> {
        let ticket = self.job(|h| h.ticket).await?;
        let Some(mut written) = self.inner.written.clone() else {
            return Ok(());
        };
        written
            .wait_for(|w| w.upto >= ticket)
            .await
            .map(|_| ())
            .map_err(|_| Error::Closed)
    }

    /// Sends a text.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn send(
        &self,
        conversation: ConversationId,
        text: impl Into<String>,
    ) -> Result<Accepted, Error> {
        self.request(Request::Send(Box::new(draft::text(conversation, text))))
            .await
    }

    /// Sends a text to a user.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn send_to(&self, user: UserId, text: impl Into<String>) -> Result<Accepted, Error> {
        self.request(Request::Send(Box::new(draft::text_to(user, text))))
            .await
    }

    /// Gives one's own message a new text.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn edit(
        &self,
        conversation: ConversationId,
        target: Seq,
        text: impl Into<String>,
    ) -> Result<Accepted, Error> {
        self.request(Request::Edit {
            conversation,
            target,
            body: Body::text(text),
            mentions: Mentions::default(),
        })
        .await
    }

    /// Erases a message.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn delete(
        &self,
        conversation: ConversationId,
        target: Seq,
    ) -> Result<Accepted, Error> {
        self.request(Request::Delete {
            conversation,
            target,
        })
        .await
    }

    /// Sets or takes back a reaction.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn react(
        &self,
        conversation: ConversationId,
        target: Seq,
        key: impl Into<String>,
        on: bool,
    ) -> Result<Accepted, Error> {
        self.request(Request::React {
            conversation,
            target,
            key: key.into(),
            on,
        })
        .await
    }

    /// Makes a group.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn create_group(
        &self,
        name: impl Into<String>,
        members: &[UserId],
    ) -> Result<Accepted, Error> {
        self.request(Request::Create {
            shape: Shape::Group,
            history: HistoryRule::All,
            name: Some(name.into()),
            topic: None,
            members: named(members),
            conversation: None,
        })
        .await
    }

    /// Makes these users members.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn add_members(
        &self,
        conversation: ConversationId,
        members: &[UserId],
    ) -> Result<Accepted, Error> {
        let frame = draft::add(conversation, named(members));
        self.request(Request::Send(Box::new(frame))).await
    }

    /// Gives a request up; a place that it has already is deleted.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn give_up(&self, id: MessageId) -> Result<Accepted, Error> {
        self.request(Request::GiveUp(id)).await
    }

    /// Everything up to here was seen.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn mark_read(&self, conversation: ConversationId, upto: Seq) -> Result<(), Error> {
        self.command(Command::Read { conversation, upto }).await
    }

    /// This conversation is on the screen, or none; with receipts member by member, or counts.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn focus(
        &self,
        conversation: Option<ConversationId>,
        members: bool,
    ) -> Result<(), Error> {
        self.command(Command::Focus {
            conversation,
            members,
        })
        .await
    }

    /// These users are visible now.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn watch(&self, users: Vec<UserId>) -> Result<(), Error> {
        self.command(Command::Watch(users)).await
    }

    /// The user types here.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn typing(&self, conversation: ConversationId) -> Result<(), Error> {
        self.command(Command::Typing(conversation)).await
    }

    /// Asks for one more page of older events; the timeline says when they are there.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn older(&self, conversation: ConversationId) -> Result<(), Error> {
        self.command(Command::Older(conversation)).await
    }

    /// Mail that an update brought is stored, and all before it from the same device.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn mail_stored(&self, from: DeviceId, k: u64) -> Result<(), Error> {
        self.job(move |h| {
            h.core
                .handle(h.now_ms, Input::MailStored { from, k }, h.out)
        })
        .await
    }

    /// The network may be back: do not wait the pause out.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn hurry(&self) -> Result<(), Error> {
        self.job(|h| h.core.handle(h.now_ms, Input::Hurry, h.out))
            .await
    }

    /// The conversations, newest activity first.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn conversations(&self) -> Result<Vec<Summary>, Error> {
        self.with(Core::conversations).await
    }

    /// One conversation of the list.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn summary(&self, conversation: ConversationId) -> Result<Option<Summary>, Error> {
        self.with(move |c| c.summary(conversation)).await
    }

    /// A window of a conversation: at most `limit` items before a place, or the newest.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn timeline(
        &self,
        conversation: ConversationId,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Timeline, Error> {
        self.with(move |c| c.timeline(conversation, before, limit))
            .await
    }

    /// An event that is held, as it is now.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn event(
        &self,
        conversation: ConversationId,
        seq: Seq,
    ) -> Result<Option<Arc<Event>>, Error> {
        self.with(move |c| c.event(conversation, seq).cloned())
            .await
    }

    /// A page of events from the server, past the local store: the newest, or those before or
    /// after a place. For reading a history from end to end without holding it.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub async fn history(
        &self,
        conversation: ConversationId,
        before: Option<Seq>,
        after: Option<Seq>,
        limit: u32,
    ) -> Result<parlour_protocol::frame::server::Stretch, Error> {
        self.inner
            .http
            .history(conversation, before, after, limit)
            .await
    }

    /// Marks of other members, as far as they were told.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn receipts(
        &self,
        conversation: ConversationId,
    ) -> Result<Vec<(UserId, Mark)>, Error> {
        self.with(move |c| c.receipts(conversation)).await
    }

    /// Presence of a watched user, as far as it was told.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn presence(&self, user: UserId) -> Result<Option<UserPresence>, Error> {
        self.with(move |c| c.presence(user).cloned()).await
    }

    /// The user of this name.
    ///
    /// # Errors
    /// [`Error::NoUser`], or the server refuses or cannot be reached.
    pub async fn find_user(&self, name: &str) -> Result<Profile, Error> {
        self.inner.http.find_user(name).await
    }

    /// Logs this device out, and closes. The data folder keeps nothing that opens the account,
    /// once [`crate::Data::forget`] was called.
    ///
    /// # Errors
    /// The server refuses or cannot be reached; the client is closed all the same.
    pub async fn log_out(&self) -> Result<(), Error> {
        let done = self.inner.http.log_out().await;
        self.close().await;
        done
    }

    /// Closes the connection, waits until everything is in the store, and lets the folder go.
    pub async fn close(&self) {
        let _ = self.job(|h| h.close = true).await;
        let mut ended = self.inner.ended.clone();
        // An error means that the driver is gone, which is what is waited for.
        let _ = ended.wait_for(|e| *e).await;
    }
}

fn named(users: &[UserId]) -> Vec<Named> {
    users
        .iter()
        .map(|&user| Named {
            user,
            role: parlour_protocol::kind::Role::Member,
        })
        .collect()
}
