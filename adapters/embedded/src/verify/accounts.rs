//! What accounts have: names, devices, tokens, revocations.

use parlour_protocol::id::{DeviceId, UserId};

use super::{Check, Progress};
use crate::accounts::{DevicesRow, UserRow};
use crate::{Error, table};

impl Check<'_> {
    pub(super) fn accounts(&mut self, progress: &mut Progress<'_>) -> Result<(), Error> {
        self.each(b'A', progress, |check, _, user: UserId| {
            if !check.has(&table::of_user(b'U', user))? {
                check
                    .report
                    .breach(|| format!("a name belongs to {user}, who has no account"));
            }
            Ok(())
        })?;
        self.each(b'U', progress, |check, _, row: UserRow| {
            let (user, name) = (row.user, row.name);
            let owner: Option<UserId> = check.get(&table::name(&name))?;
            if owner != Some(user) {
                check
                    .report
                    .breach(|| format!("{user} is called {name}, which belongs to {owner:?}"));
            }
            Ok(())
        })?;
        self.each(b'D', progress, |check, _, row: DevicesRow| {
            for (device, token) in row.tokens() {
                let of: Option<(UserId, DeviceId)> = check.get(&table::hash(b'T', &token).0)?;
                if of.is_none_or(|(_, of)| of != device) {
                    check
                        .report
                        .breach(|| format!("the token of {device} does not lead to it"));
                }
                if !check.has(&table::of_device(b'd', device).0)? {
                    check
                        .report
                        .breach(|| format!("{device} is listed, and is nobody's"));
                }
                if check.has(&table::of_device(b'r', device).0)? {
                    check
                        .report
                        .breach(|| format!("{device} was revoked, and is listed"));
                }
            }
            Ok(())
        })?;
        self.each(b'T', progress, |check, _, of: (UserId, DeviceId)| {
            // The token of a revoked device stays, and opens nothing.
            let (user, device) = of;
            let listed = check
                .get::<DevicesRow>(&table::of_user(b'D', user))?
                .is_some_and(|row| row.tokens().any(|(d, _)| d == device));
            if !listed && !check.has(&table::of_device(b'r', device).0)? {
                check
                    .report
                    .breach(|| format!("a token leads to {device}, which {user} does not have"));
            }
            Ok(())
        })?;
        self.each(b'R', progress, |check, key, device: DeviceId| {
            let number = key.last_chunk::<8>().map(|n| u64::from_be_bytes(*n));
            let told: Option<u64> = check.get(&table::of_device(b'r', device).0)?;
            if number != told {
                check
                    .report
                    .breach(|| format!("revocation {number:?} of {device} is {told:?} there"));
            }
            Ok(())
        })?;
        self.each(b'r', progress, |check, _, number: u64| {
            if !check.has(&table::Key::table(b'R').number(number).0)? {
                check
                    .report
                    .breach(|| format!("revocation {number} is not in the list"));
            }
            Ok(())
        })
    }
}
