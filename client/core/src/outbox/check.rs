//! What the server would refuse by its limits is refused here, before it takes an id.

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

/// Whether a request keeps to the limits.
pub(crate) fn check(asked: &Asked, limits: &Limits) -> Result<(), Refused> {
    let within = |what: &'static str, is: usize, max: u64| {
        let is = u64::try_from(is).unwrap_or(u64::MAX);
        if is > max {
            Err(Refused::TooLarge { what, is, max })
        } else {
            Ok(())
        }
    };
    let (body, mentions, mail) = match asked {
        Asked::Send(s) => {
            within("the list of users", s.named.len(), limits.named_users)?;
            let key = s.key.as_ref().map_or(0, String::len);
            within("the key", key, limits.key_bytes)?;
            (&s.body, &s.mentions, s.mail.len())
        }
        Asked::Edit(e) => (&e.body, &e.mentions, e.mail.len()),
        Asked::Delete(_) => return Ok(()),
        Asked::React(r) => return within("the reaction", r.key.len(), limits.key_bytes),
    };
    within("the message", body.json_bytes(), limits.body_bytes)?;
    within("the message's nesting", body.depth(), limits.body_depth)?;
    within(
        "the list of mentions",
        mentions.users.len(),
        limits.mentions,
    )?;
    within("the list of devices", mail, limits.mail_devices)?;
    let frame = limits.client_frame_bytes.saturating_sub(AROUND);
    // Keys are base64 in JSON, and each has its device's id.
    let keys = mail.saturating_mul(100);
    let whole = bytes(asked)
        .saturating_add(bytes(asked) / 3)
        .saturating_add(keys);
    if mail > 0 {
        within("the message with its keys", whole, frame)?;
    }
    Ok(())
}
