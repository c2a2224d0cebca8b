//! Catch-up: the inbox read whole, compared by digests, answered in pages; then mail; then `ready`.

use std::collections::VecDeque;

use parlour_protocol::frame::{Ref, Server, client, server};
use parlour_protocol::node;
use parlour_protocol::seq::Head;

use super::requests::Pending;
use super::{Connection, Output, failure};
use crate::gateway::catch_up::{about, differing, line};
use crate::gateway::need::{Entry, Need};

/// Lines in one page; with what is needed to draw them well below a page's bytes.
const LINES: usize = 100;

#[derive(Debug)]
pub(super) struct CatchUp {
    r#ref: Ref,
    digests: Option<Vec<parlour_protocol::bytes::Bytes>>,
    read: Vec<Entry>,
    step: Step,
    /// Mail came meanwhile: it is all read once more.
    pub(super) more_mail: bool,
}

#[derive(Debug)]
enum Step {
    Reading,
    Lines(VecDeque<Entry>),
    AskMail(Option<(parlour_protocol::DeviceId, u64)>),
    ReadingMail,
    Mail(VecDeque<node::Mail>),
}

impl Connection {
    pub(super) fn sync(&mut self, sync: client::Sync, out: &mut Vec<Output>) {
        // A second one while one runs begins anew: the device says what it has now.
        self.pending
            .retain(|_, p| !matches!(p, Pending::Inbox | Pending::Mail));
        self.catch_up = Some(CatchUp {
            r#ref: sync.r#ref,
            digests: sync.digests,
            read: Vec::new(),
            step: Step::Reading,
            more_mail: false,
        });
        self.ask(Pending::Inbox, Need::Inbox { after: None }, out);
    }

    pub(super) fn inbox(&mut self, entries: Vec<Entry>, out: &mut Vec<Output>) {
        let Some(catch_up) = &mut self.catch_up else {
            return;
        };
        if let Some(last) = entries.last() {
            let after = Some(last.standing.conversation);
            catch_up.read.extend(entries);
            return self.ask(Pending::Inbox, Need::Inbox { after }, out);
        }
        let read = core::mem::take(&mut catch_up.read);
        let differ = differing(read, catch_up.digests.as_deref());
        catch_up.step = Step::Lines(differ.into());
    }

    /// What could not be read is read again when the client asks again.
    pub(super) fn catch_up_failed(
        &mut self,
        code: parlour_protocol::error::Code,
        out: &mut Vec<Output>,
    ) {
        if let Some(catch_up) = self.catch_up.take() {
            self.send(&Server::Error(failure(catch_up.r#ref, code)), out);
        }
    }

    pub(super) fn catch_up_on(&mut self, out: &mut Vec<Output>) {
        let user = self.user();
        while let Some(catch_up) = &mut self.catch_up {
            let r#ref = catch_up.r#ref;
            match &mut catch_up.step {
                Step::Reading | Step::ReadingMail => return,
                Step::Lines(left) if left.is_empty() => {
                    catch_up.step = Step::AskMail(None);
                }
                Step::Lines(left) => {
                    if !self.outbound.takes_page(&self.config.limits) {
                        return;
                    }
                    let some: Vec<Entry> = left.drain(..left.len().min(LINES)).collect();
                    let page = server::Page {
                        lines: some.iter().map(line).collect(),
                        about: some.iter().map(|e| about(e, user)).collect(),
                        more: true,
                        ..page(r#ref)
                    };
                    for line in &page.lines {
                        self.told(line.conversation, line.head);
                    }
                    self.send(&Server::Page(page), out);
                }
                Step::Mail(left) => {
                    if !self.outbound.takes_page(&self.config.limits) {
                        return;
                    }
                    let Some(mail) = left.pop_front() else { return };
                    if left.is_empty() {
                        catch_up.step = Step::AskMail(Some((mail.from, mail.k)));
                    }
                    self.mail(mail, out);
                }
                Step::AskMail(after) => {
                    let after = *after;
                    catch_up.step = Step::ReadingMail;
                    return self.ask(Pending::Mail, Need::Mail { after }, out);
                }
            }
        }
    }

    pub(super) fn mail_read(&mut self, mail: Vec<node::Mail>, out: &mut Vec<Output>) {
        let Some(catch_up) = &mut self.catch_up else {
            return;
        };
        if mail.is_empty() && core::mem::take(&mut catch_up.more_mail) {
            catch_up.step = Step::AskMail(None);
            return;
        }
        if mail.is_empty() {
            let ready = server::Page {
                ready: true,
                ..page(catch_up.r#ref)
            };
            self.catch_up = None;
            return self.send(&Server::Page(ready), out);
        }
        catch_up.step = Step::Mail(mail.into());
    }

    pub(super) fn mail(&mut self, mail: node::Mail, out: &mut Vec<Output>) {
        let node::Mail {
            from_user,
            from,
            k,
            bytes,
        } = mail;
        self.send(
            &Server::Mail(server::Mail {
                from_user,
                from,
                k,
                bytes,
            }),
            out,
        );
    }

    /// A line told this place.
    pub(super) fn told(&mut self, conversation: parlour_protocol::ConversationId, head: Head) {
        self.places.tell(conversation, head);
        self.outbound.forget_head(conversation, head.seq);
    }
}

pub(super) fn page(r#ref: Ref) -> server::Page {
    server::Page {
        r#ref,
        lines: Vec::new(),
        about: Vec::new(),
        stretch: None,
        more: false,
        ready: false,
    }
}
