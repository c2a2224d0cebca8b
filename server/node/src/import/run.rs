//! One run of the importer: every line in order, less what is there already.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use parlour_irc::{Names, Step, Story, marked_name, story, user_key};
use parlour_protocol::error::Code;
use parlour_protocol::frame::client::Send;
use parlour_protocol::http::UserType;
use parlour_protocol::kind::{self, HistoryRule, Shape, setting};
use parlour_protocol::record::Create;
use parlour_protocol::seq::Seq;
use parlour_protocol::{ConversationId, DeviceId, MessageId, UserId};
use parlour_runtime::feed::{self, Feed};
use parlour_runtime::node::Node;

use super::OnError;
use super::count::Count;
use super::folder::{Chunk, Folder, Line};
use super::progress::Progress;

/// Accounts that are made at once: the store commits them in few writes.
const ACCOUNTS: usize = 256;

/// The outcome that a send had before.
type Had = Option<Result<Seq, Code>>;

/// Which send settled.
struct Tag {
    file: Arc<str>,
    line: u64,
    /// The sort of the line, if this send tells the line itself.
    told: Option<&'static str>,
}

pub(super) struct Run {
    feed: Feed<Tag>,
    progress: Progress,
    on_error: OnError,
    importer: UserId,
    names: Names,
    /// Who has an account, as far as was looked.
    known: HashSet<UserId>,
    /// Who is in, as far as was looked: by what was put.
    members: HashMap<UserId, bool>,
    count: Count,
    /// The channel was made by this run: nothing of it was there before.
    fresh: bool,
    /// Why the channel would refuse what is new.
    closed: Option<&'static str>,
    node: Arc<Node>,
}

impl Run {
    /// A run of the importer, of which nothing was done yet.
    pub(super) fn new(
        node: &Arc<Node>,
        conversation: ConversationId,
        importer: UserId,
        progress: Progress,
        on_error: OnError,
    ) -> Self {
        let device = DeviceId::derived("parlour.import.irc", &[importer.as_bytes()]);
        Self {
            feed: Feed::start(node, conversation, device),
            progress,
            on_error,
            importer,
            names: Names::new(),
            known: HashSet::new(),
            members: HashMap::new(),
            count: Count::default(),
            fresh: false,
            closed: None,
            node: node.clone(),
        }
    }

    /// Imports the logs of a folder, and tells what came of it.
    pub(super) async fn all(
        mut self,
        folder: &Folder,
        story: &Story,
        name: &str,
        conversation: ConversationId,
        data: &Path,
    ) -> anyhow::Result<()> {
        let done = self.feed_all(folder, story, name, conversation).await;
        self.progress.end();
        done?;
        self.count.files = folder.len() as u64;
        self.count.tell(&self.progress, name, conversation, data);
        Ok(())
    }

    async fn feed_all(
        &mut self,
        folder: &Folder,
        story: &Story,
        name: &str,
        conversation: ConversationId,
    ) -> anyhow::Result<()> {
        self.channel(conversation, name).await?;
        for chunk in folder.chunks(story) {
            self.chunk(chunk?).await?;
        }
        self.feed.settle().await?;
        self.hear()
    }

    /// Sees to it that the channel is there.
    async fn channel(&mut self, conversation: ConversationId, name: &str) -> anyhow::Result<()> {
        let names = ["irc-import".to_owned(), marked_name("irc-import")];
        self.account(self.importer, UserType::System, "IRC import", &names)
            .await?;
        let mut create = ask(conversation, "create", kind::CREATE);
        create.create = Some(Create {
            shape: Shape::Channel,
            history: HistoryRule::All,
        });
        let mut named = ask(conversation, "name", kind::NAME);
        named.value = Some(name.to_owned());
        let mut open = ask(conversation, "open", kind::SETTING);
        open.key = Some(setting::JOIN.to_owned());
        open.value = Some(setting::OPEN.to_owned());
        for (send, member) in [(create, false), (named, true), (open, true)] {
            let step = send.id;
            // Settings of an earlier run may have been changed by someone since: they stay so.
            let there = self.feed.outcomes(vec![(self.importer, step)]).await?;
            if !self.fresh && member && there.iter().any(Option::is_some) {
                continue;
            }
            let tag = Tag {
                file: "the channel".into(),
                line: 0,
                told: None,
            };
            let put = self.feed.put(self.importer, member, send, tag).await?;
            if let Err(refusal) = put {
                bail!(
                    "the channel cannot be made: {}{}",
                    refusal.code,
                    refusal
                        .details
                        .map(|d| format!(", {d}"))
                        .unwrap_or_default()
                );
            }
            // The log may hold what a run before this one put last: it counts from here on.
            self.feed.settle().await?;
            for settled in self.feed.settled() {
                if let Err(code) = settled.outcome {
                    bail!("the channel cannot be made: {code}");
                }
                self.fresh |= !member && !settled.again;
                if !settled.again {
                    self.count.rows += 1;
                    self.progress.row();
                }
            }
        }
        self.members.insert(self.importer, true);
        self.closed = self.feed.closed(self.importer).await?;
        Ok(())
    }

    async fn account(
        &self,
        user: UserId,
        kind: UserType,
        display: &str,
        names: &[String],
    ) -> anyhow::Result<()> {
        let accounts = self.node.ports.accounts.as_ref();
        if feed::account(accounts, user, kind, display, names).await? {
            return Ok(());
        }
        bail!(
            "`{display}` gets no account: each of {} is the name of someone else",
            names.join(", ")
        )
    }

    async fn chunk(&mut self, chunk: Chunk) -> anyhow::Result<()> {
        self.accounts(&chunk).await?;
        let mut known = self.outcomes(&chunk).await?.into_iter();
        self.count
            .lines(&chunk.file, chunk.lines.len(), chunk.unread);
        for line in chunk.lines {
            match line {
                Line::Wrong(why) => {
                    self.progress.say(&format!("{why} (left out)"));
                    self.count.skip(&chunk.file);
                    self.progress.line();
                }
                Line::Right(item, steps) => {
                    let outcomes: Vec<_> = known.by_ref().take(steps.len()).collect();
                    let sort = story::sort(&item.event);
                    self.line(&chunk.file, item.line, sort, steps, &outcomes)
                        .await?;
                }
            }
            self.hear()?;
        }
        self.progress.show();
        Ok(())
    }

    /// Makes accounts for whoever does something in these lines and has none.
    async fn accounts(&mut self, chunk: &Chunk) -> anyhow::Result<()> {
        let mut new = Vec::new();
        for line in &chunk.lines {
            let Line::Right(item, _) = line else { continue };
            for nick in story::nicks(&item.event) {
                // Each time, in the order of the lines: so names are the same in every run.
                let name = self.names.name(nick).to_owned();
                let user = user_key(nick);
                if self.known.insert(user) {
                    new.push((user, nick, [name, marked_name(nick)]));
                }
            }
        }
        let this = &*self;
        stream::iter(new)
            .map(|(user, nick, names)| async move {
                let display: String = nick.chars().take(64).collect();
                this.account(user, UserType::Person, &display, &names).await
            })
            .buffered(ACCOUNTS)
            .try_collect::<()>()
            .await
    }

    /// The outcomes that the steps of these lines have already, step by step.
    async fn outcomes(&self, chunk: &Chunk) -> anyhow::Result<Vec<Had>> {
        if self.fresh {
            return Ok(Vec::new());
        }
        let steps = chunk.lines.iter().flat_map(|line| match line {
            Line::Right(_, steps) => steps.as_slice(),
            Line::Wrong(_) => &[],
        });
        let asked = steps.map(|s| (s.sender, s.send.id)).collect();
        Ok(self.feed.outcomes(asked).await?)
    }

    /// Puts what a line becomes, less what is there already.
    async fn line(
        &mut self,
        file: &Arc<str>,
        line: u64,
        sort: &'static str,
        steps: Vec<Step>,
        had: &[Had],
    ) -> anyhow::Result<()> {
        // Steps have their outcomes in order: what stands before one that has is behind us, done
        // or not needed.
        let from = had.iter().rposition(Option::is_some).map_or(0, |at| at + 1);
        let last = steps.len();
        if from == last {
            if let Some(Some(Err(code))) = had.last() {
                return self.refused(file, line, Some(sort), &code.to_string());
            }
            self.count.there += 1;
            self.progress.line();
            return Ok(());
        }
        if let Some(why) = self.closed {
            // What it refused would stay refused for ever.
            bail!(
                "{file}:{line} is new, and the channel does not take it: {why}. Change that, run \
                 it again, and change it back; nothing was added"
            );
        }
        for (at, step) in steps.into_iter().enumerate().skip(from) {
            if let Some((user, needed)) = step.only_if
                && self.is_member(user).await? != needed
            {
                continue;
            }
            let member = self.is_member(step.sender).await?;
            let told = (at + 1 == last).then_some(sort);
            let tag = Tag {
                file: file.clone(),
                line,
                told,
            };
            if let Err(refusal) = self.feed.put(step.sender, member, step.send, tag).await? {
                // The rest of the line hangs on it.
                return self.refused(file, line, Some(sort), &refusal.code.to_string());
            }
            if let Some((user, is_in)) = step.then {
                self.members.insert(user, is_in);
            }
        }
        Ok(())
    }

    async fn is_member(&mut self, user: UserId) -> anyhow::Result<bool> {
        if let Some(is_in) = self.members.get(&user) {
            return Ok(*is_in);
        }
        // Nothing of them was put yet, so what is durable is how it stands.
        let is_in = !self.fresh && self.feed.is_member(user).await?;
        self.members.insert(user, is_in);
        Ok(is_in)
    }

    /// Counts what settled.
    fn hear(&mut self) -> anyhow::Result<()> {
        for settled in self.feed.settled() {
            let Tag { file, line, told } = settled.tag;
            match settled.outcome {
                Ok(_) => {
                    if !settled.again {
                        self.count.rows += 1;
                        self.progress.row();
                    }
                    if let Some(sort) = told {
                        *self.count.told.entry(sort).or_default() += 1;
                        self.progress.line();
                    }
                }
                Err(code) => self.refused(&file, line, told, &code.to_string())?,
            }
        }
        Ok(())
    }

    /// The rules of the conversation did not let it in.
    fn refused(
        &mut self,
        file: &str,
        line: u64,
        told: Option<&'static str>,
        code: &str,
    ) -> anyhow::Result<()> {
        let why = format!("{file}:{line}: refused: {code}");
        if self.on_error == OnError::Stop {
            bail!("{why}. What stands before it is imported, and perhaps some lines behind it");
        }
        self.progress.say(&format!("{why} (left out)"));
        if told.is_some() {
            self.count.refuse(file);
            self.progress.line();
        }
        Ok(())
    }
}

/// A send of the importer's own: the same at every run, and harmless if it is there already.
fn ask(conversation: ConversationId, step: &str, kind: &str) -> Send {
    let id = MessageId::derived(
        "parlour.import.irc",
        &[conversation.as_bytes(), step.as_bytes()],
    );
    Send {
        conversation: Some(conversation),
        kind: Some(kind.to_owned()),
        ..Send::empty(id)
    }
}
