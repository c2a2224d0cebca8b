//! [`Heard`]: what holds a command up, as it is told while the command waits.
//!
//! Promises: that the server is away is said once, and one fault once in a row; what has passed
//! already is not said. Nothing is given up by it: whatever waits is tried again.

use parlour_sdk::core::Update as Core;
use parlour_sdk::protocol::ConversationId;
use parlour_sdk::protocol::error::{Action, Code};
use parlour_sdk::{Client, Error, Link, Update, Updates};

use super::out::tell;
use crate::shown;

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Heard {
    away: bool,
    fault: Option<String>,
}

impl Heard {
    /// Says what holds the command up, for as long as it waits. Comes back only if the connection
    /// ended for good.
    pub(super) async fn listen(&mut self, client: &Client, updates: &mut Updates) -> Error {
        while let Some(update) = updates.next().await {
            match update {
                // It may have been a while ago.
                Update::Core(Core::Link(Link::Waiting { why, .. }))
                    if client.link() != Link::Live && !self.away =>
                {
                    self.away = true;
                    tell(&again(&why));
                }
                Update::Core(Core::Link(Link::Stopped(Some((code, message))))) => {
                    return Error::SignedOut { code, message };
                }
                Update::Core(Core::Problem { code, message, .. })
                    if self.fault.as_ref() != Some(&message) =>
                {
                    tell(&fault(code, &message));
                    self.fault = Some(message);
                }
                _ => {}
            }
        }
        // It is being closed, and whoever waits for it is told that.
        std::future::pending().await
    }
}

/// What is said of a server that is away.
pub(super) fn again(why: &str) -> String {
    let why = shown::line(why);
    format!("{why}; trying again until it works (Ctrl+C ends)")
}

/// What is said of a request that was refused.
pub(super) fn fault(code: Code, message: &str) -> String {
    match code.action() {
        Action::GiveUp => shown::line(message),
        _ => again(message),
    }
}

/// The next request that was refused: where, if that is known, and why.
pub(super) async fn problem(updates: &mut Updates) -> (Option<ConversationId>, Code, String) {
    while let Some(update) = updates.next().await {
        if let Update::Core(Core::Problem {
            code,
            message,
            conversation,
        }) = update
        {
            return (conversation, code, message);
        }
    }
    std::future::pending().await
}
