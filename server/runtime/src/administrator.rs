//! The administrator's token: a device of the server's own account, with the scope `admin` alone.

use parlour_ports::accounts::{Device, Made, User};
use parlour_ports::{Error, accounts::Accounts};
use parlour_protocol::frame::client::Token;
use parlour_protocol::http::{Scope, UserType};
use parlour_protocol::id::{DeviceId, UserId};

use crate::{clock, tokens};

/// The server's own account.
#[must_use]
pub fn account() -> UserId {
    UserId::derived("parlour.account", &[b"administrator"])
}

/// Whether the store knows this token as an administrator's.
///
/// # Errors
/// The store cannot be asked.
pub async fn knows(accounts: &dyn Accounts, token: &Token) -> Result<bool, Error> {
    let found = accounts.verify(tokens::hash(token)).await?;
    let device = found.device();
    Ok(device.is_some_and(|d| d.scopes.contains(&Scope::Admin)))
}

/// Makes this token an administrator's. Making it again changes nothing.
///
/// # Errors
/// The store failed, or the token was one and was revoked.
pub async fn allow(accounts: &dyn Accounts, token: &Token) -> Result<(), Error> {
    let user = account();
    if accounts.user(user).await?.is_none() {
        // Someone may have the name already, in a store that was made otherwise.
        for i in 0.. {
            let name = if i == 0 {
                "parlour".to_owned()
            } else {
                format!("parlour-{i}")
            };
            let made = accounts
                .create(User {
                    user,
                    display: name.clone(),
                    name,
                    kind: UserType::System,
                    status: None,
                    password: None,
                    version: 0,
                })
                .await?;
            if made == Made::Yes {
                break;
            }
        }
    }
    let hash = tokens::hash(token);
    let device = Device {
        device: DeviceId::derived("parlour.administrator", &[&hash]),
        user,
        name: "administrator".to_owned(),
        token_hash: hash,
        scopes: vec![Scope::Admin],
        created_ms: clock::now_ms(),
    };
    accounts.add_device(device, usize::MAX).await?;
    if knows(accounts, token).await? {
        Ok(())
    } else {
        Err(Error::Broken {
            what: "accounts",
            why:
                "the administrator's token was revoked once and cannot come back: set another, or \
                  remove the file admin.token to have one made"
                    .to_owned(),
        })
    }
}
