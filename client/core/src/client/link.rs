//! The connection: when to open it, whether it lives, and catching up over it.

use parlour_protocol::error::{Action, Code};
use parlour_protocol::frame::{Client as Frame, Ref, client, server};
use parlour_protocol::line;

use super::{About, Client, send};
use crate::failing::Failing;
use crate::input::Link;
use crate::output::{Output, Update};
use crate::saved::Op;

/// How long after a `ping` something must be heard.
const PATIENCE_MS: u64 = 15_000;
/// How long a page of a catch-up may take.
const SYNC_MS: u64 = 60_000;

#[derive(Debug)]
pub(crate) struct Connection {
    link: Link,
    wanted: bool,
    failures: u32,
    /// Until when the present step must be done.
    deadline: Option<u64>,
    ping_at: u64,
    /// When a ping went out after which nothing was heard.
    pinged_at: Option<u64>,
    /// The node drains: leave it then.
    leave_at: Option<u64>,
    sync: Option<Ref>,
    sync_until: u64,
    sync_at: Option<u64>,
    /// Catch-ups refused one after the other.
    syncs_refused: u32,
    syncs_failing: Failing,
}

impl Connection {
    pub(super) const fn new() -> Self {
        Self {
            link: Link::Stopped(None),
            wanted: false,
            failures: 0,
            deadline: None,
            ping_at: 0,
            pinged_at: None,
            leave_at: None,
            sync: None,
            sync_until: 0,
            sync_at: None,
            syncs_refused: 0,
            syncs_failing: Failing::new(),
        }
    }

    pub(super) const fn link(&self) -> &Link {
        &self.link
    }

    /// Whether requests may go out.
    pub(super) const fn welcome(&self) -> bool {
        matches!(self.link, Link::Syncing | Link::Live)
    }

    /// Whether no catch-up is due or on its way.
    pub(super) const fn synced(&self) -> bool {
        self.sync.is_none() && self.sync_at.is_none()
    }

    pub(super) fn wake_at(&self) -> Option<u64> {
        let mut wake = self.deadline;
        let mut sooner = |at: u64| wake = Some(wake.map_or(at, |w| w.min(at)));
        if self.welcome() {
            sooner(
                self.pinged_at
                    .map_or(self.ping_at, |p| p.saturating_add(PATIENCE_MS)),
            );
            if self.sync.is_some() {
                sooner(self.sync_until);
            }
            if let Some(at) = self.sync_at.filter(|_| self.sync.is_none()) {
                sooner(at);
            }
        }
        if let Some(at) = self.leave_at {
            sooner(at);
        }
        wake
    }
}

impl Client {
    fn set_link(&mut self, link: Link, out: &mut Vec<Output>) {
        if self.connection.link != link {
            self.connection.link = link.clone();
            out.push(Output::Update(Update::Link(link)));
        }
    }

    pub(super) fn start(&mut self, out: &mut Vec<Output>) {
        self.connection.wanted = true;
        if matches!(self.connection.link, Link::Stopped(_)) {
            self.connection.failures = 0;
            self.connect(out);
        }
    }

    pub(super) fn stop(&mut self, out: &mut Vec<Output>) {
        self.connection.wanted = false;
        if !matches!(self.connection.link, Link::Stopped(None)) {
            out.push(Output::Close);
            self.gone(out);
            self.set_link(Link::Stopped(None), out);
        }
    }

    pub(super) fn hurry(&mut self, out: &mut Vec<Output>) {
        if matches!(self.connection.link, Link::Waiting { .. }) {
            self.connect(out);
        }
    }

    fn connect(&mut self, out: &mut Vec<Output>) {
        self.connection.leave_at = None;
        self.connection.deadline = Some(self.now_ms.saturating_add(self.settings.connect_ms));
        self.set_link(Link::Connecting, out);
        out.push(Output::Connect);
    }

    pub(super) fn connected(&mut self, out: &mut Vec<Output>) {
        if self.connection.link != Link::Connecting {
            return;
        }
        self.connection.deadline = Some(self.now_ms.saturating_add(self.settings.connect_ms));
        self.set_link(Link::Greeting, out);
        send(
            out,
            Frame::Hello(client::Hello {
                token: self.settings.token.clone(),
                device: Some(self.settings.device),
                client: self.settings.client.clone(),
                features: Vec::new(),
            }),
        );
    }

    pub(super) fn disconnected(&mut self, code: Option<u16>, why: String, out: &mut Vec<Output>) {
        if matches!(
            self.connection.link,
            Link::Stopped(_) | Link::Waiting { .. }
        ) {
            return;
        }
        let code = code.filter(|c| *c >= 4000).map(Code);
        match code.map(|c| (c, c.action())) {
            Some((code, Action::SignOut)) => self.sign_out(code, why, out),
            _ => self.wait(why, out),
        }
    }

    /// The server will not have this device as it is: a person must act.
    pub(super) fn sign_out(&mut self, code: Code, why: String, out: &mut Vec<Output>) {
        self.gone(out);
        self.connection.wanted = false;
        let why = if why.is_empty() {
            code.about().to_owned()
        } else {
            why
        };
        self.set_link(Link::Stopped(Some((code, why))), out);
    }

    /// The connection is of no use any more.
    pub(super) fn give_up_connection(&mut self, why: &str, out: &mut Vec<Output>) {
        out.push(Output::Close);
        self.wait(why.to_owned(), out);
    }

    /// Connects again after a pause.
    fn wait(&mut self, why: String, out: &mut Vec<Output>) {
        let planned = self.connection.leave_at.take();
        self.gone(out);
        let pause = self.entropy.pause(
            self.connection.failures,
            self.settings.backoff_ms_min,
            self.settings.backoff_ms_max,
        );
        self.connection.failures = self.connection.failures.saturating_add(1);
        // A node that drains said when to come back.
        let until_ms = planned.unwrap_or_else(|| self.now_ms.saturating_add(pause));
        self.connection.deadline = Some(until_ms);
        self.set_link(Link::Waiting { until_ms, why }, out);
    }

    /// The socket is gone, and with it whatever was on its way.
    fn gone(&mut self, out: &mut Vec<Output>) {
        let c = &mut self.connection;
        c.deadline = None;
        c.pinged_at = None;
        c.leave_at = None;
        c.sync = None;
        c.sync_at = None;
        self.refs.clear();
        self.outbox.disconnected();
        self.mail.disconnected();
        for room in self.rooms.values_mut() {
            room.asking = None;
            room.denied = false;
            room.not_before = 0;
            room.fruitless = 0;
            room.stated = Default::default();
        }
        self.restate_at = None;
        for conversation in self.presence.disconnected() {
            out.push(Output::Update(Update::Typing {
                conversation,
                users: Vec::new(),
            }));
        }
    }

    pub(super) fn welcomed(&mut self, welcome: server::Welcome, out: &mut Vec<Output>) {
        if self.connection.link != Link::Greeting {
            return;
        }
        if welcome.user != self.settings.user || welcome.device != self.settings.device {
            out.push(Output::Close);
            self.sign_out(
                Code::BAD_TOKEN,
                "the token belongs to another device; log in again".to_owned(),
                out,
            );
            return;
        }
        self.connection.deadline = None;
        self.limits = welcome.limits;
        if self.store != Some(welcome.store) {
            self.begin_store(welcome.store, out);
        }
        self.connection.ping_at = self.now_ms.saturating_add(self.ping_ms());
        self.set_link(Link::Syncing, out);
        self.sync(out);
        self.state_focus(out);
        if self.presence.watches() {
            send(out, self.presence.frame());
        }
        self.busy = self.rooms.keys().copied().collect();
        self.marked = self.busy.clone();
        self.marks_at = self.now_ms;
    }

    /// Another store: what is held is of another life of the server. The outbox stays.
    fn begin_store(&mut self, store: parlour_protocol::StoreId, out: &mut Vec<Output>) {
        let first = self.store.is_none() && self.rooms.values().all(|r| r.line.is_none());
        self.store = Some(store);
        self.rooms.clear();
        self.busy.clear();
        self.marked.clear();
        self.unsaved.clear();
        self.held = 0;
        self.outbox.forget_places();
        self.ops.push(Op::Begin(store));
        let rows: Vec<_> = self.outbox.rows().cloned().collect();
        for row in rows {
            self.known_direct(&row);
        }
        if !first {
            out.push(Output::Update(Update::Reset(store)));
        }
    }

    fn ping_ms(&self) -> u64 {
        self.limits.ping_ms.clamp(1_000, 600_000)
    }

    pub(super) fn state_focus(&self, out: &mut Vec<Output>) {
        // A connection begins without one.
        if self.focus.is_some() || self.connection.link == Link::Live {
            send(
                out,
                Frame::Focus(client::Focus {
                    r#ref: 0,
                    conversation: self.focus,
                    members: self.focus_members,
                }),
            );
        }
    }

    fn sync(&mut self, out: &mut Vec<Output>) {
        let r#ref = self.new_ref();
        self.refs.insert(r#ref, About::Sync);
        let known = self.rooms.values().any(|r| r.line.is_some());
        let digests = known.then(|| line::digests(self.lines()));
        self.connection.sync = Some(r#ref);
        self.connection.sync_until = self.now_ms.saturating_add(SYNC_MS);
        self.connection.sync_at = None;
        send(out, Frame::Sync(client::Sync { r#ref, digests }));
    }

    /// Catches up after a while, jittered, unless that is planned sooner already.
    pub(super) fn sync_after(&mut self, after_ms: u64) {
        let jitter = self.entropy.upto(after_ms.max(200));
        let at = self.now_ms.saturating_add(after_ms).saturating_add(jitter);
        let sooner = self.connection.sync_at.map_or(at, |s| s.min(at));
        self.connection.sync_at = Some(sooner);
    }

    /// A page of a catch-up came.
    pub(super) fn sync_page(&mut self, r#ref: Ref, ready: bool, out: &mut Vec<Output>) {
        if self.connection.sync != Some(r#ref) {
            return;
        }
        if !ready {
            self.connection.sync_until = self.now_ms.saturating_add(SYNC_MS);
            return;
        }
        self.refs.remove(&r#ref);
        self.connection.sync = None;
        self.connection.failures = 0;
        self.connection.syncs_refused = 0;
        self.connection.syncs_failing = Failing::new();
        self.set_link(Link::Live, out);
    }

    /// A catch-up was refused. Says how many in a row have failed inside the node by this one.
    pub(super) fn sync_failed(&mut self, r#ref: Ref, code: Code, after_ms: Option<u64>) -> u32 {
        let c = &mut self.connection;
        if c.sync != Some(r#ref) {
            return 0;
        }
        c.sync = None;
        c.syncs_refused = c.syncs_refused.saturating_add(1);
        let (refused, failed) = (c.syncs_refused, c.syncs_failing.with(code));
        let grown = 1_000_u64.saturating_mul(1 << refused.min(16));
        let pause = grown.min(self.settings.backoff_ms_max);
        self.sync_after(after_ms.unwrap_or(0).max(pause));
        failed
    }

    pub(super) fn leave_after(&mut self, after_ms: u64) {
        let jitter = self.entropy.upto(after_ms.max(500));
        let at = self.now_ms.saturating_add(after_ms).saturating_add(jitter);
        self.connection.leave_at = Some(at);
    }

    /// Anything at all came.
    pub(super) const fn heard(&mut self) {
        self.connection.pinged_at = None;
    }

    pub(super) fn tick_link(&mut self, out: &mut Vec<Output>) {
        let now = self.now_ms;
        if self.connection.deadline.is_some_and(|d| d <= now) {
            self.connection.deadline = None;
            match self.connection.link {
                Link::Waiting { .. } => self.connect(out),
                Link::Connecting => self.give_up_connection("no connection in time", out),
                Link::Greeting => self.give_up_connection("no welcome in time", out),
                _ => {}
            }
        }
        if self.connection.leave_at.is_some_and(|at| at <= now) && self.connection.welcome() {
            out.push(Output::Close);
            self.gone(out);
            self.connect(out);
        }
        if self.connection.welcome() {
            self.tick_heartbeat(out);
        }
        if self.connection.welcome() {
            if self.connection.sync.is_some() && self.connection.sync_until <= now {
                self.give_up_connection("the catch-up did not end", out);
            } else if self.connection.sync.is_none()
                && self.connection.sync_at.is_some_and(|at| at <= now)
            {
                self.sync(out);
            }
        }
    }

    fn tick_heartbeat(&mut self, out: &mut Vec<Output>) {
        let now = self.now_ms;
        let silent = self
            .connection
            .pinged_at
            .is_some_and(|p| p.saturating_add(PATIENCE_MS) <= now);
        if silent {
            self.give_up_connection("nothing was heard for too long", out);
        } else if self.connection.ping_at <= now {
            self.connection.pinged_at.get_or_insert(now);
            self.connection.ping_at = now.saturating_add(self.ping_ms());
            let r#ref = self.new_ref();
            send(out, Frame::Ping(client::Ping { r#ref }));
        }
    }
}
