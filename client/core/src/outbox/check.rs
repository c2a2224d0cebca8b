//! What the server would refuse at a look is refused here, before it takes an id: by the same
//! rules ([`parlour_protocol::check`]), and by the size of the frame that it would take.

use parlour_protocol::check;
use parlour_protocol::id::UserId;
use parlour_protocol::limits::Limits;

use crate::input::Refused;
use crate::saved::Asked;

/// What a frame has beside its body and keys, at most.
const AROUND: u64 = 16_384;

/// Roughly what a request holds in memory and on the wire.
pub(super) fn bytes(asked: &Asked) -> usize {
    match asked {
        Asked::Send(s) => s
            .body
            .json_bytes()
            .saturating_add(s.mail.values().map(|m| m.bytes.len()).sum()),
        Asked::Edit(e) => e
            .body
            .json_bytes()
            .saturating_add(e.mail.values().map(|m| m.bytes.len()).sum()),
        Asked::Delete(_) => 0,
        Asked::React(r) => r.key.len(),
    }
}

/// Whether a request of this user keeps to the rules and limits.
pub(crate) fn check(asked: &Asked, user: UserId, limits: &Limits) -> Result<(), Refused> {
    let mail = match asked {
        Asked::Send(s) => {
            check::send(s, user, limits)?;
            s.mail.len()
        }
        Asked::Edit(e) => {
            check::edit(e, limits)?;
            e.mail.len()
        }
        Asked::Delete(d) => return Ok(check::delete(d)?),
        Asked::React(r) => return Ok(check::react(r, limits)?),
    };
    if mail == 0 {
        // A body that keeps to its limit leaves room enough.
        return Ok(());
    }
    let max = limits.client_frame_bytes.saturating_sub(AROUND);
    // Keys are base64 in JSON, and each has its device's id.
    let keys = mail.saturating_mul(100);
    let whole = bytes(asked)
        .saturating_add(bytes(asked) / 3)
        .saturating_add(keys);
    let is = u64::try_from(whole).unwrap_or(u64::MAX);
    if is > max {
        return Err(Refused::TooLarge { is, max });
    }
    Ok(())
}
