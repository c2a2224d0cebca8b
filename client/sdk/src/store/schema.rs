//! The file's format: opened, checked and brought up to date step by step.

use std::path::Path;

use rusqlite::Connection;

use crate::error::Error;

/// `PARL` in ASCII, so that a file of another program is not taken for ours.
const APPLICATION: i64 = 0x5041_524C;

/// Each step brings the format from its index to the next; a released one never changes.
const STEPS: &[&str] = &["
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE outbox (id BLOB PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE line (conversation BLOB PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE about (conversation BLOB PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE held (conversation BLOB PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE event (
    conversation BLOB NOT NULL,
    seq INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (conversation, seq)
) WITHOUT ROWID;
CREATE TABLE mail (device BLOB PRIMARY KEY, k INTEGER NOT NULL) WITHOUT ROWID;
"];

pub(super) fn open(file: &Path) -> Result<Connection, Error> {
    let failed = |e: rusqlite::Error| Error::Store {
        path: file.to_owned(),
        why: match e.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                format!(
                    "the local store is damaged ({e}); move it away and log in again: the server has everything but what was not sent yet"
                )
            }
            _ => e.to_string(),
        },
    };
    let mut sql = Connection::open(file).map_err(failed)?;
    // Nobody else writes here; who looks in by hand may hold it for a moment.
    sql.busy_timeout(std::time::Duration::from_secs(1))
        .map_err(failed)?;
    sql.pragma_update(None, "journal_mode", "WAL")
        .map_err(failed)?;
    sql.pragma_update(None, "synchronous", "FULL")
        .map_err(failed)?;
    let application: i64 = sql
        .pragma_query_value(None, "application_id", |r| r.get(0))
        .map_err(failed)?;
    let found: i64 = sql
        .pragma_query_value(None, "user_version", |r| r.get(0))
        .map_err(failed)?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let fresh = application == 0 && found == 0;
    if !fresh && application != APPLICATION {
        return Err(Error::Store {
            path: file.to_owned(),
            why: "it is a file of another program; name another folder".to_owned(),
        });
    }
    if found > known {
        return Err(Error::Newer {
            path: file.to_owned(),
            found,
            known,
        });
    }
    let from = usize::try_from(found).unwrap_or(0);
    for (step, at) in STEPS.iter().zip(1i64..).skip(from) {
        let change = sql.transaction().map_err(failed)?;
        change.execute_batch(step).map_err(failed)?;
        change
            .pragma_update(None, "application_id", APPLICATION)
            .map_err(failed)?;
        change
            .pragma_update(None, "user_version", at)
            .map_err(failed)?;
        change.commit().map_err(failed)?;
    }
    Ok(sql)
}
