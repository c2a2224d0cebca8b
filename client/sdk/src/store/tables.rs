//! What is in the tables: operations applied, everything read back.

use parlour_client_core::saved::{Op, Restored, Row};
use parlour_protocol::codec::Codec;
use parlour_protocol::frame::Server;
use parlour_protocol::id::{ConversationId, DeviceId, StoreId};
use parlour_protocol::seq::Seq;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::Session;

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error("a row that cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("an event that cannot be read: {0}")]
    Event(String),
}

/// Who is logged in, and where.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) url: String,
    #[serde(default)]
    pub(super) roots: Vec<std::path::PathBuf>,
    pub(super) session: Session,
}

const SESSION: &str = "session";
const STORE: &str = "store";

pub(super) fn session(sql: &Connection) -> Result<Option<Kept>, Error> {
    let found: Option<Vec<u8>> = sql
        .query_row(
            "SELECT value FROM meta WHERE key = ?1",
            params![SESSION],
            |r| r.get(0),
        )
        .optional()?;
    Ok(match found {
        Some(bytes) => Some(serde_json::from_slice(&bytes)?),
        None => None,
    })
}

pub(super) fn keep(sql: &mut Connection, kept: &Kept) -> Result<(), Error> {
    let before = session(sql)?;
    let change = sql.transaction()?;
    if before.is_some_and(|b| b.session.device != kept.session.device || b.url != kept.url) {
        clear(&change)?;
    }
    change.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
        params![SESSION, serde_json::to_vec(kept)?],
    )?;
    change.commit()?;
    Ok(())
}

pub(super) fn forget(sql: &mut Connection) -> Result<(), Error> {
    let change = sql.transaction()?;
    clear(&change)?;
    change.execute("DELETE FROM meta WHERE key = ?1", params![SESSION])?;
    change.commit()?;
    Ok(())
}

fn clear(change: &Transaction<'_>) -> Result<(), Error> {
    change.execute_batch(
        "DELETE FROM outbox; DELETE FROM mail; DELETE FROM line; DELETE FROM about;
         DELETE FROM held; DELETE FROM event; DELETE FROM meta WHERE key = 'store';",
    )?;
    Ok(())
}

pub(super) fn apply(change: &Transaction<'_>, op: &Op) -> Result<(), Error> {
    match op {
        Op::Begin(store) => {
            change.execute_batch(
                "DELETE FROM line; DELETE FROM about; DELETE FROM held; DELETE FROM event;",
            )?;
            change
                .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
                .execute(params![STORE, &store.as_bytes()[..]])?;
        }
        Op::Outbox(row) => {
            change
                .prepare_cached("INSERT OR REPLACE INTO outbox (id, value) VALUES (?1, ?2)")?
                .execute(params![
                    &row.id.as_bytes()[..],
                    serde_json::to_string(row.as_ref())?
                ])?;
        }
        Op::OutboxGone(id) => {
            change
                .prepare_cached("DELETE FROM outbox WHERE id = ?1")?
                .execute(params![&id.as_bytes()[..]])?;
        }
        Op::Line(line) => put(change, "line", line.conversation, line)?,
        Op::About(about) => put(change, "about", about.conversation, about)?,
        Op::Held(conversation, held) => put(change, "held", *conversation, held)?,
        Op::Event(event) => {
            let bytes = Server::Event(event.as_ref().clone()).encode(Codec::MessagePack);
            change
                .prepare_cached(
                    "INSERT OR REPLACE INTO event (conversation, seq, value) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![
                    &event.conversation.as_bytes()[..],
                    place(event.seq),
                    bytes
                ])?;
        }
        Op::EventsGone(conversation, from, to) => {
            change
                .prepare_cached(
                    "DELETE FROM event WHERE conversation = ?1 AND seq BETWEEN ?2 AND ?3",
                )?
                .execute(params![
                    &conversation.as_bytes()[..],
                    place(*from),
                    place(*to)
                ])?;
        }
        Op::Mail(device, k) => {
            change
                .prepare_cached("INSERT OR REPLACE INTO mail (device, k) VALUES (?1, ?2)")?
                .execute(params![
                    &device.as_bytes()[..],
                    i64::try_from(*k).unwrap_or(i64::MAX)
                ])?;
        }
    }
    Ok(())
}

fn place(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

fn put(
    change: &Transaction<'_>,
    table: &'static str,
    conversation: ConversationId,
    value: &impl Serialize,
) -> Result<(), Error> {
    change
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO {table} (conversation, value) VALUES (?1, ?2)"
        ))?
        .execute(params![
            &conversation.as_bytes()[..],
            serde_json::to_string(value)?
        ])?;
    Ok(())
}

pub(super) fn store(sql: &Connection) -> Result<Option<StoreId>, Error> {
    let store: Option<[u8; 16]> = sql
        .query_row(
            "SELECT value FROM meta WHERE key = ?1",
            params![STORE],
            |r| r.get(0),
        )
        .optional()?;
    Ok(store.map(StoreId::from_bytes))
}

pub(super) fn outbox(sql: &Connection) -> Result<Vec<Row>, Error> {
    all(sql, "outbox")
}

pub(super) fn restored(sql: &Connection) -> Result<Restored, Error> {
    let store = store(sql)?;
    let mut events = Vec::new();
    let mut statement = sql.prepare("SELECT value FROM event")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        match Server::decode(Codec::MessagePack, bytes) {
            Ok(Server::Event(event)) => events.push(event),
            Ok(_) => return Err(Error::Event("not an event".to_owned())),
            Err(e) => return Err(Error::Event(e.to_string())),
        }
    }
    let mut mail = Vec::new();
    let mut statement = sql.prepare("SELECT device, k FROM mail")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let k: i64 = row.get(1)?;
        mail.push((
            DeviceId::from_bytes(row.get(0)?),
            u64::try_from(k).unwrap_or(0),
        ));
    }
    let mut held = Vec::new();
    let mut statement = sql.prepare("SELECT conversation, value FROM held")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let value: String = row.get(1)?;
        held.push((
            ConversationId::from_bytes(row.get(0)?),
            serde_json::from_str(&value)?,
        ));
    }
    Ok(Restored {
        store,
        outbox: outbox(sql)?,
        lines: all(sql, "line")?,
        about: all(sql, "about")?,
        held,
        events,
        mail,
    })
}

fn all<T: DeserializeOwned>(sql: &Connection, table: &'static str) -> Result<Vec<T>, Error> {
    let mut out = Vec::new();
    let mut statement = sql.prepare(&format!("SELECT value FROM {table}"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let value: String = row.get(0)?;
        out.push(serde_json::from_str(&value)?);
    }
    Ok(out)
}
