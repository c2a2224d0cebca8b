//! [`View`]: the store as it stood at one moment.
//!
//! A batch that is being committed shows row by row, in no order, to whoever just reads. A view
//! never shows part of a batch: a page with an `as_of` has every change up to it, and who reads an
//! outcome reads the membership that came with it.

use std::ops::RangeBounds;

use fjall::{Keyspace, Readable as _, Snapshot};
use minicbor::Decode;
use parlour_ports::Error;
use parlour_protocol::row;

use crate::commit::unreadable;
use crate::files::Watch;
use crate::store::Shared;

/// The store as it stood at one moment. Short-lived: what it sees is not cleared away.
pub(crate) struct View {
    data: Keyspace,
    at: Snapshot,
    watch: Watch,
}

impl Shared {
    /// The store as it stands now.
    pub(crate) fn view(&self) -> View {
        View {
            data: self.data.clone(),
            at: self.db.snapshot(),
            watch: self.watch.clone(),
        }
    }

    /// The row of a key, alone.
    pub(crate) fn get<T: for<'b> Decode<'b, ()>>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        self.view().get(key)
    }
}

impl View {
    /// The row of a key.
    pub(crate) fn get<T: for<'b> Decode<'b, ()>>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        let bytes = self.at.get(&self.data, key);
        match bytes.map_err(|e| self.watch.unreadable(key, &e))? {
            None => Ok(None),
            Some(bytes) => row::from_bytes(&bytes)
                .map(Some)
                .map_err(|e| unreadable(key, e)),
        }
    }

    /// Rows of a range of keys.
    pub(crate) fn range(&self, keys: impl RangeBounds<Vec<u8>>) -> fjall::Iter {
        self.at.range(&self.data, keys)
    }

    /// Rows whose keys begin so.
    pub(crate) fn prefix(&self, prefix: impl AsRef<[u8]>) -> fjall::Iter {
        self.at.prefix(&self.data, prefix)
    }

    /// Rows in order, until `take` has enough (answers false).
    pub(crate) fn each<T: for<'b> Decode<'b, ()>>(
        &self,
        rows: fjall::Iter,
        mut take: impl FnMut(&[u8], T) -> bool,
    ) -> Result<(), Error> {
        for item in rows {
            let (key, row) = self.row(item)?;
            if !take(&key, row) {
                break;
            }
        }
        Ok(())
    }

    /// One row of a range.
    pub(crate) fn row<T: for<'b> Decode<'b, ()>>(
        &self,
        item: fjall::Guard,
    ) -> Result<(fjall::UserKey, T), Error> {
        let pair = item.into_inner();
        let (key, bytes) = pair.map_err(|e| self.watch.unread("rows cannot be read", &e))?;
        let row = row::from_bytes(&bytes).map_err(|e| unreadable(&key, e))?;
        Ok((key, row))
    }
}
