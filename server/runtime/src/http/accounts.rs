//! Signing up, logging in and out, devices, profiles.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use parlour_ports::accounts::{Device, Made, User};
use parlour_protocol::check;
use parlour_protocol::error::Code;
use parlour_protocol::http as wire;
use parlour_protocol::http::Scope;
use parlour_protocol::id::{DeviceId, UserId};
use serde::Deserialize;

use super::answer::{Answer, Caller, Failure, Json, Params, Path};
use crate::config::SignUp;
use crate::node::Node;
use crate::sockets::Peer;
use crate::{clock, name, tokens};

/// Profiles in one answer.
const FOUND_MAX: usize = 50;
/// A status, in bytes.
const STATUS_BYTES_MAX: usize = 1_024;

/// A text that people see: no longer than it may be, and with nothing in it that steers a terminal.
///
/// # Errors
/// [`Code::BAD_REQUEST`].
pub fn check_shown(what: &str, text: &str, most: usize) -> Answer<()> {
    if text.len() > most {
        return Err(
            Failure::new(Code::BAD_REQUEST).why(format!("`{what}` has at most {most} bytes"))
        );
    }
    check::one_line(what, Some(text))?;
    Ok(())
}

/// The account of a name, in any spelling of it.
///
/// # Errors
/// The store failed.
pub async fn named(node: &Node, name: &str) -> Answer<Option<User>> {
    for spelling in name::spellings(name) {
        let found = node.ports.accounts.find(&spelling, true, 1).await?.pop();
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// That a new name does not pass for someone else's.
///
/// # Errors
/// [`Code::BAD_NAME`], or the store failed.
pub async fn not_passing(node: &Node, name: &str) -> Answer<()> {
    for looks in name::passes_for(name)? {
        if let Some(there) = node.ports.accounts.find(&looks, true, 1).await?.pop() {
            return Err(Failure::new(Code::BAD_NAME).why(format!(
                "the name looks like `{}`, who is here already",
                there.name
            )));
        }
    }
    Ok(())
}

fn check_password(password: &str) -> Answer<()> {
    if (8..=1_024).contains(&password.len()) {
        Ok(())
    } else {
        Err(Code::WEAK_PASSWORD.into())
    }
}

fn profile(user: User) -> wire::Profile {
    wire::Profile {
        user: user.user,
        name: user.name,
        display: user.display,
        r#type: user.kind,
        status: user.status,
    }
}

/// Makes a device with its token.
///
/// # Errors
/// [`Code::TOO_MANY_DEVICES`], or the store failed.
pub async fn make_device(
    node: &Node,
    user: UserId,
    name: &str,
    scopes: Vec<Scope>,
) -> Answer<(DeviceId, parlour_protocol::frame::client::Token)> {
    let token = tokens::make();
    let device = Device {
        device: clock::device(),
        user,
        name: name.to_owned(),
        token_hash: tokens::hash(&token),
        scopes,
        created_ms: clock::now_ms(),
    };
    let id = device.device;
    let most = usize::try_from(node.config.limits.devices).unwrap_or(usize::MAX);
    match node.ports.accounts.add_device(device, most).await? {
        Made::Yes => Ok((id, token)),
        Made::TooMany => Err(Code::TOO_MANY_DEVICES.into()),
        // 80 random bits met twice.
        Made::Taken => Err(Failure::new(Code::UNAVAILABLE)),
    }
}

fn attempt(node: &Node, peer: &Peer) -> Answer<()> {
    node.attempts
        .take(peer.0.address(), Instant::now())
        .map_err(|ms| Failure::new(Code::RATE_LIMITED).retry(ms))
}

/// `POST /v1/accounts`.
pub async fn sign_up(
    State(node): State<Arc<Node>>,
    Extension(peer): Extension<Peer>,
    Json(ask): Json<wire::SignUp>,
) -> Answer<Json<wire::LoggedIn>> {
    attempt(&node, &peer)?;
    let invitation = match node.config.accounts.sign_up {
        SignUp::Open => None,
        SignUp::Closed => return Err(Code::SIGN_UP_CLOSED.into()),
        SignUp::Invitation => Some(ask.invitation.ok_or(Code::INVITATION_NEEDED)?),
    };
    let name = name::check(&ask.name)?;
    let display = ask.display.unwrap_or_else(|| name.clone());
    check_shown("display", &display, 256)?;
    check_shown("device_name", &ask.device_name, 256)?;
    check_password(&ask.password.0)?;
    not_passing(&node, &name).await?;
    // Before the hashing: whoever takes a name that is taken should not cost 19 MiB. That it is
    // taken is no secret, since signing up tells it anyway.
    if named(&node, &ask.name).await?.is_some() {
        return Err(Code::NAME_TAKEN.into());
    }
    let password = node.passwords.hash(ask.password.0).await?;
    let user = match &invitation {
        None => clock::user(),
        // The same invitation and name make the same user, so that a retry uses up no second one.
        Some(token) => UserId::derived(
            "parlour.invited",
            &[&tokens::hash(token), name.to_lowercase().as_bytes()],
        ),
    };
    if let Some(token) = invitation {
        let hash = tokens::hash(&token);
        let good = node
            .ports
            .invitations
            .redeem(hash, user, clock::now_ms())
            .await?;
        if !good {
            return Err(Code::INVITATION_NEEDED.into());
        }
    }
    let made = node
        .ports
        .accounts
        .create(User {
            user,
            name: name.clone(),
            display,
            kind: wire::UserType::Person,
            status: None,
            password: Some(password),
            version: 0,
        })
        .await?;
    if made != Made::Yes {
        return Err(Code::NAME_TAKEN.into());
    }
    let (device, token) = make_device(&node, user, &ask.device_name, vec![Scope::Full]).await?;
    Ok(Json(wire::LoggedIn {
        user,
        name,
        device,
        token,
    }))
}

/// `POST /v1/login`. Known and unknown names answer alike, in content and in time.
pub async fn log_in(
    State(node): State<Arc<Node>>,
    Extension(peer): Extension<Peer>,
    Json(ask): Json<wire::LogIn>,
) -> Answer<Json<wire::LoggedIn>> {
    attempt(&node, &peer)?;
    check_shown("device_name", &ask.device_name, 256)?;
    if ask.password.0.len() > 1_024 {
        return Err(Code::BAD_CREDENTIALS.into());
    }
    let user = named(&node, &ask.name).await?;
    let phc = user.as_ref().and_then(|u| u.password.clone());
    let good = node.passwords.check(ask.password.0, phc).await?;
    let user = user.filter(|_| good).ok_or(Code::BAD_CREDENTIALS)?;
    let (device, token) =
        make_device(&node, user.user, &ask.device_name, vec![Scope::Full]).await?;
    Ok(Json(wire::LoggedIn {
        user: user.user,
        name: user.name,
        device,
        token,
    }))
}

async fn revoke(node: &Node, user: UserId, device: DeviceId) -> Answer<StatusCode> {
    if !node.ports.accounts.revoke(user, device).await? {
        return Err(Failure::new(Code::NOT_FOUND).why("you have no such device"));
    }
    // Every node polls the list; this one need not wait for it.
    node.revoked(vec![device]).await;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/logout`.
pub async fn log_out(State(node): State<Arc<Node>>, caller: Caller) -> Answer<StatusCode> {
    revoke(&node, caller.user(), caller.0.device).await
}

/// `DELETE /v1/devices/{device}`.
pub async fn sign_out(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Path(device): Path<DeviceId>,
) -> Answer<StatusCode> {
    caller.needs(Scope::Full)?;
    revoke(&node, caller.user(), device).await
}

/// `GET /v1/devices`.
pub async fn devices(State(node): State<Arc<Node>>, caller: Caller) -> Answer<Json<wire::Devices>> {
    caller.needs(Scope::Read)?;
    let devices = node.ports.accounts.devices(caller.user()).await?;
    Ok(Json(wire::Devices {
        devices: devices
            .into_iter()
            .map(|d| wire::Device {
                this: d.device == caller.0.device,
                device: d.device,
                name: d.name,
                created_ms: d.created_ms,
                last_seen_ms: node.heard.at(d.device),
            })
            .collect(),
    }))
}

async fn of(node: &Node, user: UserId) -> Answer<Json<wire::Profile>> {
    let user = node.ports.accounts.user(user).await?;
    let user = user.ok_or_else(|| Failure::new(Code::NOT_FOUND).why("there is no such user"))?;
    Ok(Json(profile(user)))
}

/// `GET /v1/me`.
pub async fn me(State(node): State<Arc<Node>>, caller: Caller) -> Answer<Json<wire::Profile>> {
    of(&node, caller.user()).await
}

/// `GET /v1/users/{user}`.
pub async fn user(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Path(user): Path<UserId>,
) -> Answer<Json<wire::Profile>> {
    caller.needs(Scope::Read)?;
    of(&node, user).await
}

/// `PATCH /v1/me`.
pub async fn change(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Json(ask): Json<wire::ProfileChange>,
) -> Answer<Json<wire::Profile>> {
    caller.needs(Scope::Full)?;
    if let Some(display) = &ask.display {
        check_shown("display", display, 256)?;
        if display.trim().is_empty() {
            return Err(Failure::new(Code::BAD_REQUEST).why("`display` is empty"));
        }
    }
    if let Some(status) = &ask.status {
        check_shown("status", status, STATUS_BYTES_MAX)?;
    }
    // Someone else's change in between is no reason to fail: ours says which fields it means.
    for _ in 0..8 {
        let user = node.ports.accounts.user(caller.user()).await?;
        let mut user = user.ok_or(Code::NOT_FOUND)?;
        if let Some(display) = &ask.display {
            user.display.clone_from(display);
        }
        if let Some(status) = &ask.status {
            user.status = Some(status.clone()).filter(|s| !s.is_empty());
        }
        if node.ports.accounts.change(user.clone()).await? {
            return Ok(Json(profile(user)));
        }
    }
    Err(Code::CONFLICT.into())
}

/// Which users are looked for.
#[derive(Deserialize)]
pub struct Find {
    name: Option<String>,
    prefix: Option<String>,
    ids: Option<String>,
}

/// `GET /v1/users`.
pub async fn users(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Params(find): Params<Find>,
) -> Answer<Json<wire::Profiles>> {
    caller.needs(Scope::Read)?;
    let accounts = &node.ports.accounts;
    let found = match (find.name, find.prefix, find.ids) {
        (Some(name), None, None) => named(&node, &name).await?.into_iter().collect(),
        (None, Some(prefix), None) => match name::spellings(&prefix).into_iter().next() {
            Some(prefix) => accounts.find(&prefix, false, FOUND_MAX).await?,
            None => Vec::new(),
        },
        (None, None, Some(ids)) => {
            let most = usize::try_from(node.config.limits.named_users).unwrap_or(usize::MAX);
            let ids: Vec<UserId> = ids
                .split(',')
                .filter(|id| !id.is_empty())
                .map(str::parse)
                .collect::<Result<_, _>>()
                .map_err(|e| Failure::new(Code::BAD_REQUEST).why(format!("`ids`: {e}")))?;
            if ids.len() > most {
                return Err(
                    Failure::new(Code::BAD_REQUEST).why(format!("`ids` names at most {most}"))
                );
            }
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(accounts.user(id).await?);
            }
            found
        }
        _ => {
            return Err(Failure::new(Code::BAD_REQUEST)
                .why("give exactly one of `name`, `prefix` and `ids`"));
        }
    };
    Ok(Json(wire::Profiles {
        users: found.into_iter().map(profile).collect(),
    }))
}
