//! What an administrator does: accounts and tokens in bulk, invitations.
//!
//! Accounts made here have no password: their tokens are how they are used. Nothing is hashed
//! more weakly to be faster.

use std::sync::Arc;

use axum::extract::State;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use parlour_ports::accounts::{Made, User};
use parlour_protocol::error::Code;
use parlour_protocol::http as wire;
use parlour_protocol::http::Scope;

use super::accounts::{check_shown, make_device, named, not_passing};
use super::answer::{Answer, Caller, Failure, Json};
use crate::node::Node;
use crate::{clock, name, tokens};

/// Accounts that are made at once: a store that commits in groups takes them in few writes.
const AT_ONCE: usize = 256;

/// `POST /v1/admin/accounts`.
pub async fn accounts(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Json(mut ask): Json<wire::BulkAccounts>,
) -> Answer<Json<wire::BulkMade>> {
    caller.needs(Scope::Admin)?;
    // All of it, before any of it is made; those that are there are as they are.
    let names: Vec<String> = ask.accounts.iter().map(|a| a.name.clone()).collect();
    let found: Vec<Option<User>> = stream::iter(names)
        .map(|name| {
            let node = &node;
            async move { named(node, &name).await }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    for (account, found) in ask.accounts.iter_mut().zip(&found) {
        if found.is_none() {
            account.name = name::check(&account.name).map_err(|f| f.of(&account.name))?;
            let passing = not_passing(&node, &account.name).await;
            passing.map_err(|f| f.of(&account.name))?;
        }
        if let Some(display) = &account.display {
            check_shown("display", display, 256)?;
        }
    }
    let made: Vec<Vec<wire::BulkDevice>> = stream::iter(ask.accounts.into_iter().zip(found))
        .map(|(account, found)| one(&node, account, found))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(Json(wire::BulkMade {
        devices: made.into_iter().flatten().collect(),
    }))
}

async fn one(
    node: &Node,
    account: wire::BulkAccount,
    found: Option<User>,
) -> Answer<Vec<wire::BulkDevice>> {
    let store = &node.ports.accounts;
    let user = match found {
        Some(user) => user.user,
        None => {
            let user = User {
                user: clock::user(),
                name: account.name.clone(),
                display: account.display.unwrap_or_else(|| account.name.clone()),
                kind: account.r#type,
                status: None,
                password: None,
                version: 0,
            };
            let id = user.user;
            match store.create(user).await? {
                Made::Yes => id,
                // Someone was faster: then it exists, as asked.
                _ => {
                    let found = named(node, &account.name).await?;
                    found.ok_or(Code::NAME_TAKEN)?.user
                }
            }
        }
    };
    let mut made = Vec::new();
    if account.devices == 0 {
        made.push(wire::BulkDevice {
            name: account.name.clone(),
            user,
            device: None,
            token: None,
        });
    }
    for i in 0..account.devices {
        let name = format!("bulk {}", i + 1);
        let (device, token) = make_device(node, user, &name, vec![Scope::Full])
            .await
            .map_err(|f| f.why(format!("`{}`, device {}", account.name, i + 1)))?;
        made.push(wire::BulkDevice {
            name: account.name.clone(),
            user,
            device: Some(device),
            token: Some(token),
        });
    }
    Ok(made)
}

/// `POST /v1/admin/invitations`.
pub async fn invitations(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Json(ask): Json<wire::NewInvitation>,
) -> Answer<Json<wire::Invitation>> {
    caller.needs(Scope::Admin)?;
    if ask.uses == 0 {
        return Err(Failure::new(Code::BAD_REQUEST).why("`uses` is 0: how often may it be used?"));
    }
    if ask.uses > 1_000_000 {
        return Err(Failure::new(Code::BAD_REQUEST).why("`uses` is at most 1000000"));
    }
    let invitation = tokens::make();
    let expires_ms = match ask.lasts_s {
        0 => 0,
        s => clock::now_ms().saturating_add(s.saturating_mul(1_000)),
    };
    node.ports
        .invitations
        .invite(tokens::hash(&invitation), ask.uses, expires_ms)
        .await?;
    Ok(Json(wire::Invitation { invitation }))
}
