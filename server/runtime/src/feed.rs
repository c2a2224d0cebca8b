//! Sends that come from no connection, such as those of an import: judged as any, put into the log
//! in their order with many under way, and each settled once its outcome is durable.
//!
//! Promises: what is put in order is placed in order; at most [`WAITING`] are under way, and whoever
//! puts more waits; nothing is said to be settled before its rows are durable. No check is
//! switched off: the gateway's judgement and the sequencer's are those of a socket's send.
//!
//! Needs: nobody else sends to the conversation meanwhile (the folder's lock sees to that), for
//! whoever feeds says who is in it. If that is wrong the sequencer refuses.
//! Never here: wakes. Nobody is woken for what was said years ago.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parlour_engine::gateway::admit::{Identity, Judged, Refusal, Submission, judge};
use parlour_engine::gateway::need::{Admit, Entry};
use parlour_engine::log::accept::setting_key;
use parlour_ports::accounts::{Accounts, Made, User};
use parlour_protocol::error::Code;
use parlour_protocol::fact::{Fact, Question};
use parlour_protocol::frame::client::Send;
use parlour_protocol::http::{Scope, UserType};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};
use parlour_protocol::kind::{self, HistoryRule, Role, Shape, setting};
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::record::RULES;
use parlour_protocol::row::{Edge, Interval, Outcome, Standing};
use parlour_protocol::seq::{Head, Mark, Seq};
use tokio::sync::mpsc;

use crate::drain::Fatal;
use crate::log::append;
use crate::node::Node;
use crate::router::News;
use crate::{clock, push, router};

/// Sends that are under way. Whoever puts one more waits.
pub const WAITING: usize = 8_192;
/// How often it is looked whether the store is full while nothing comes.
const LOOK: Duration = Duration::from_secs(1);

/// Why feeding ended. What was settled stays; run again, it goes on behind that.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part failed for good.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The partition takes nothing more.
    #[error("the partition stopped: {0}")]
    Stopped(String),
    /// The disk is full.
    #[error("the disk has no room left; make some and run it again: it goes on where it stopped")]
    Full,
    /// A port failed.
    #[error(transparent)]
    Port(#[from] parlour_ports::Error),
    /// The log did not take it.
    #[error("the log did not take a record ({0}); run it again: it goes on where it stopped")]
    Append(Code),
}

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled<T> {
    /// What it was put with.
    pub tag: T,
    /// Its place, or why it has none, for ever.
    pub outcome: Result<Seq, Code>,
    /// Whether it had that outcome before.
    pub again: bool,
}

struct Under<T> {
    position: Position,
    sender: UserId,
    id: MessageId,
    tag: T,
}

/// Feeds one conversation.
pub struct Feed<T> {
    node: Arc<Node>,
    news: mpsc::Receiver<News>,
    partition: Partition,
    conversation: ConversationId,
    device: DeviceId,
    under: VecDeque<Under<T>>,
    settled: Vec<Settled<T>>,
}

impl<T> Feed<T> {
    /// Begins to feed a conversation: starts the router of its partition, once for a process. The
    /// device is whose the events will be.
    #[must_use]
    pub fn start(node: &Arc<Node>, conversation: ConversationId, device: DeviceId) -> Self {
        let partition = Partition::of(conversation, node.ports.log.partitions());
        let (told, news) = push::channel();
        router::start(node, partition, Some(told));
        Self {
            node: node.clone(),
            news,
            partition,
            conversation,
            device,
            under: VecDeque::new(),
            settled: Vec::new(),
        }
    }

    /// Puts a send behind those put before. `member`: whether its sender is in the conversation by
    /// what was put before.
    ///
    /// # Errors
    /// See [`Error`]. The refusal is the gateway's, for what looking at the send alone tells: it
    /// has no outcome then, and nothing is in the log.
    pub async fn put(
        &mut self,
        sender: UserId,
        member: bool,
        send: Send,
        tag: T,
    ) -> Result<Result<(), Refusal>, Error> {
        while let Ok(news) = self.news.try_recv() {
            self.take(news).await?;
        }
        while self.under.len() >= WAITING {
            self.hear().await?;
        }
        let identity = Identity {
            user: sender,
            device: self.device,
            scopes: vec![Scope::Import],
        };
        let id = send.id;
        let submission = Submission::send(send, sender, &self.node.config.limits);
        let admit = Admit {
            entry: member.then(|| as_member(self.conversation, sender)),
            open: true,
            ..Admit::default()
        };
        let now_ms = clock::now_ms();
        let judged = judge(
            &submission,
            &identity,
            self.conversation,
            &admit,
            now_ms,
            RULES,
        );
        let record = match judged {
            Judged::Refuse(refusal) => return Ok(Err(refusal)),
            Judged::Append { record, .. } => record,
        };
        let position = append(&self.node, self.conversation, *record)
            .await
            .map_err(|code| match code {
                Some(Code::STORAGE_FULL) => Error::Full,
                code => Error::Append(code.unwrap_or(Code::NOT_YET)),
            })?;
        self.under.push_back(Under {
            position,
            sender,
            id,
            tag,
        });
        Ok(Ok(()))
    }

    /// Those that settled since this was last asked, in the order in which they were put.
    pub fn settled(&mut self) -> Vec<Settled<T>> {
        std::mem::take(&mut self.settled)
    }

    /// Waits until all that was put is settled.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn settle(&mut self) -> Result<(), Error> {
        while !self.under.is_empty() {
            self.hear().await?;
        }
        Ok(())
    }

    /// The outcome of each of these sends, as it is durable by now.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn outcomes(
        &self,
        sends: Vec<(UserId, MessageId)>,
    ) -> Result<Vec<Option<Result<Seq, Code>>>, Error> {
        let questions = sends.into_iter().map(|(sender, id)| Question::Outcome {
            conversation: self.conversation,
            sender,
            id,
        });
        // As of the end of time: every row counts.
        let ever = Position {
            generation: Generation(u64::MAX),
            partition: self.partition,
            offset: Offset(u64::MAX),
        };
        let history = &self.node.ports.history;
        let facts = history.facts(ever, questions.collect()).await?;
        let outcome = |fact| match fact {
            Fact::Outcome(Some(Outcome::Placed { seq, .. })) => Some(Ok(seq)),
            Fact::Outcome(Some(Outcome::Refused { code })) => Some(Err(code)),
            _ => None,
        };
        Ok(facts.into_iter().map(outcome).collect())
    }

    /// Whether a user is in the conversation, as it stands by what is durable.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn is_member(&self, user: UserId) -> Result<bool, Error> {
        let entry = self
            .node
            .ports
            .roster
            .entry(user, self.conversation)
            .await?;
        Ok(entry.is_some_and(|e| e.member.is_some_and(|m| m.until.is_none())))
    }

    /// Why the conversation would refuse members' joins and words, or what this user does as its
    /// owner, as it stands by what is durable; none if it would not.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn closed(&self, owner: UserId) -> Result<Option<&'static str>, Error> {
        let settings = self.node.ports.history.settings(self.conversation).await?;
        let value = |key| {
            let key = setting_key(kind::SETTING, Some(key));
            let found = settings.iter().find(|s| s.key == key);
            found.and_then(|s| s.value.as_deref())
        };
        if value(setting::JOIN) != Some(setting::OPEN) {
            return Ok(Some("it is not open: its setting `join` is not `open`"));
        }
        if value(setting::POST) == Some(setting::ADMINS) {
            return Ok(Some(
                "only administrators may write: its setting `post` is `admins`",
            ));
        }
        let entry = self
            .node
            .ports
            .roster
            .entry(owner, self.conversation)
            .await?;
        let member = entry.and_then(|e| e.member).filter(|m| m.until.is_none());
        if member.is_none_or(|m| m.role != Role::Owner) {
            return Ok(Some("the account that imports is not its owner any more"));
        }
        Ok(None)
    }

    /// Waits for news of the router.
    async fn hear(&mut self) -> Result<(), Error> {
        loop {
            tokio::select! {
                news = self.news.recv() => {
                    let Some(news) = news else {
                        return Err(self.stopped());
                    };
                    return self.take(news).await;
                }
                why = self.node.drain.failed() => return Err(why.into()),
                () = tokio::time::sleep(LOOK) => {
                    if self.node.is_full() {
                        return Err(Error::Full);
                    }
                }
            }
        }
    }

    fn stopped(&self) -> Error {
        if let Some(why) = self.node.drain.reason() {
            return why.into();
        }
        let name = format!("partition {}", self.partition.0);
        let why = self.node.parts().remove(&name);
        Error::Stopped(why.unwrap_or_else(|| "its router ended".to_owned()))
    }

    /// All up to there is durable, and each has its outcome.
    async fn take(&mut self, news: News) -> Result<(), Error> {
        let placed: HashMap<Position, Seq> = news
            .events
            .iter()
            .map(|e| (e.position, e.event.seq))
            .collect();
        let mut known: Vec<(Under<T>, Option<Seq>)> = Vec::new();
        while let Some(first) = self.under.front()
            && !news.up_to.before(first.position)
            && let Some(under) = self.under.pop_front()
        {
            let seq = placed.get(&under.position).copied();
            known.push((under, seq));
        }
        // No event: it was refused, or had its outcome before.
        let open = known.iter().filter(|(_, seq)| seq.is_none());
        let asked: Vec<_> = open.map(|(u, _)| (u.sender, u.id)).collect();
        let mut answers = if asked.is_empty() {
            Vec::new()
        } else {
            self.outcomes(asked).await?
        }
        .into_iter();
        for (under, seq) in known {
            let (outcome, again) = match seq {
                Some(seq) => (Ok(seq), false),
                None => match answers.next().flatten() {
                    Some(outcome) => (outcome, outcome.is_ok()),
                    // It waited for one that has no outcome: nothing here does.
                    None => (Err(Code::NOT_YET), false),
                },
            };
            self.settled.push(Settled {
                tag: under.tag,
                outcome,
                again,
            });
        }
        Ok(())
    }
}

/// How the conversation will stand for a member once what was put before is placed, as far as a
/// gateway's judgement looks at it.
fn as_member(conversation: ConversationId, user: UserId) -> Entry {
    Entry {
        standing: Standing {
            conversation,
            shape: Shape::Channel,
            history: HistoryRule::All,
            head: Head::default(),
            members: 1,
            direct: None,
            name: None,
            topic: None,
        },
        mark: Mark::default(),
        other: None,
        member: Some(Interval {
            conversation,
            user,
            from: Edge {
                seq: Seq(1),
                position: Position::default(),
            },
            until: None,
            role: Role::Member,
            n: 0,
            joined: Seq(1),
        }),
        removed: false,
        mentions: 0,
    }
}

/// Sees to it that there is an account of this id, without a password, under the first of these
/// names that is free. One that is there stays as it is. False: none of the names is free.
///
/// # Errors
/// The store failed.
pub async fn account(
    accounts: &dyn Accounts,
    user: UserId,
    kind: UserType,
    display: &str,
    names: &[String],
) -> Result<bool, parlour_ports::Error> {
    if accounts.user(user).await?.is_some() {
        return Ok(true);
    }
    for name in names {
        let made = accounts
            .create(User {
                user,
                name: name.clone(),
                display: display.to_owned(),
                kind,
                status: None,
                password: None,
                version: 0,
            })
            .await?;
        if made == Made::Yes {
            return Ok(true);
        }
    }
    Ok(false)
}
