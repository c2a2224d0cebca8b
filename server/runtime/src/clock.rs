//! The clock and the dice: the one place of the server that reads either. Machines get both as
//! arguments.

use std::time::{SystemTime, UNIX_EPOCH};

use parlour_protocol::id::{ConversationId, DeviceId, SessionId, UserId};

/// Milliseconds since 1970, for display and for rates; orders nothing.
#[must_use]
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// Random bytes from the system.
///
/// # Panics
/// If the system has none to give: nothing secret can be made then, and the process must end.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// A random number below `bound` (0 for 0). For jitter: the bias is of no matter.
#[must_use]
pub fn below(bound: u64) -> u64 {
    if bound == 0 {
        0
    } else {
        u64::from_be_bytes(random()) % bound
    }
}

/// A new user's id.
#[must_use]
pub fn user() -> UserId {
    UserId::v7(now_ms(), random())
}

/// A new device's id.
#[must_use]
pub fn device() -> DeviceId {
    DeviceId::v7(now_ms(), random())
}

/// A new session's id.
#[must_use]
pub fn session() -> SessionId {
    SessionId::v7(now_ms(), random())
}

/// A new group's or channel's id.
#[must_use]
pub fn conversation() -> ConversationId {
    ConversationId::v7(now_ms(), random())
}
