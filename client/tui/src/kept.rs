//! [`Kept`]: what the screen keeps from one run to the next: drafts, names, the open conversation.
//!
//! Promises: a file is whole or not there: it is written beside and moved into place, readable for
//! its owner alone. What cannot be read is as if it were not there; nothing else hangs on it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use parlour_sdk::protocol::{ConversationId, Seq, UserId};
use serde::{Deserialize, Serialize};

use crate::people::Person;

const FILE: &str = "screen.json";

/// What the screen keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    pub(crate) names: BTreeMap<UserId, Person>,
    pub(crate) drafts: BTreeMap<ConversationId, String>,
    pub(crate) open: Option<ConversationId>,
    /// One's own affairs: kind, key, where it was set last, and whether it is on.
    pub(crate) affairs: Vec<(String, String, Seq, bool)>,
}

impl Kept {
    /// What is kept in a folder.
    pub(crate) fn read(folder: &Path) -> Self {
        std::fs::read(folder.join(FILE))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// Keeps it in a folder.
    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let beside = folder.join("screen.json.new");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        std::fs::rename(beside, folder.join(FILE))
    }

    /// Keeps nothing any more.
    pub(crate) fn forget(folder: &Path) {
        // It may not be there.
        let _ = std::fs::remove_file(folder.join(FILE));
    }
}
