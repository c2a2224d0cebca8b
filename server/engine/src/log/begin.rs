//! Where a router begins to read a partition, and when it must not (decision 2, *Progress*).
//!
//! Never guesses: a log that ends before what was done, begins later than the next place, or holds
//! another record there stops the partition with the remedy.

use core::fmt;

use parlour_protocol::bytes::Bytes;
use parlour_protocol::position::{Generation, Offset, Partition, Position, Progress};

/// What a partition of the log holds of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The unbroken log.
    pub generation: Generation,
    /// The first offset that can still be read.
    pub first: Offset,
    /// The offset that the next record gets.
    pub end: Offset,
    /// Whether the generation is sealed at `end`.
    pub sealed: bool,
}

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The first record to read.
    pub from: Position,
    /// That record was done before: compare its hash, and go on behind it.
    pub compare: Option<Bytes>,
}

/// Why a partition stops, and what a person does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The log ends before what was done.
    Truncated {
        /// The last place done.
        done: Position,
        /// The log's end.
        end: Offset,
    },
    /// The log begins later than the next place.
    Expired {
        /// The next place.
        next: Position,
        /// The log's first.
        first: Offset,
    },
    /// The log holds another record at the last place done: it was made anew.
    Recreated {
        /// The last place done.
        done: Position,
    },
    /// The store knows a later generation than the log has.
    OldLog {
        /// The store's.
        done: Position,
        /// The log's newest.
        newest: Generation,
    },
    /// Records are missing in the midst of the log.
    Hole {
        /// The next place.
        next: Position,
        /// What the log gave instead.
        found: Position,
    },
    /// The log has no generation at all.
    Empty,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ANEW: &str = "If the log is really lost, stop every node and begin a new \
            generation of it, under a higher number; what was acknowledged lies in the store.";
        match self {
            Self::Truncated { done, end } => write!(
                f,
                "the log ends at offset {} but {done} was done already: it was cut short or made \
                 anew. Restore the log. {ANEW}",
                end.0
            ),
            Self::Expired { next, first } => write!(
                f,
                "the log begins at offset {} but {next} was not done yet: records expired before \
                 they were read. Raise the log's retention, and restore it if you can. {ANEW}",
                first.0
            ),
            Self::Recreated { done } => write!(
                f,
                "the log holds another record at {done} than the one that was done there: it was \
                 made anew under the same generation. Restore the log. {ANEW}"
            ),
            Self::OldLog { done, newest } => write!(
                f,
                "the store was written from {done} but the log's newest generation is {}: the log \
                 is older than the store. Connect the right log. {ANEW}",
                newest.0
            ),
            Self::Hole { next, found } => write!(
                f,
                "the log gave {found} where {next} is next: records are missing. Restore the log. {ANEW}"
            ),
            Self::Empty => write!(f, "the log has no generation: it was never made. {ANEW}"),
        }
    }
}

/// Where to begin, from how far each cursor got and from what the log holds. Of several cursors
/// the one that got least far counts: steps may be repeated.
///
/// # Errors
/// The [`Remedy`] with which the partition stops.
pub fn begin(
    partition: Partition,
    cursors: &[Vec<(Generation, Progress)>],
    bounds: &[Bounds],
) -> Result<Begin, Remedy> {
    let mut least: Option<Option<&Progress>> = None;
    for cursor in cursors {
        let newest = cursor.iter().max_by_key(|(g, _)| *g).map(|(_, p)| p);
        least = Some(match least {
            None => newest,
            Some(None) => None,
            Some(Some(a)) => match newest {
                None => None,
                Some(b) if b.position.before(a.position) => Some(b),
                Some(_) => Some(a),
            },
        });
    }
    let newest = bounds
        .iter()
        .map(|b| b.generation)
        .max()
        .ok_or(Remedy::Empty)?;
    let at = |generation, offset| Position {
        generation,
        partition,
        offset,
    };
    // The first record of the earliest generation later than `after` that the log still has.
    let next_generation = |after: Option<Generation>| -> Result<Begin, Remedy> {
        let bound = bounds
            .iter()
            .filter(|b| after.is_none_or(|g| b.generation > g))
            .min_by_key(|b| b.generation)
            .ok_or(Remedy::Empty)?;
        let from = at(bound.generation, Offset(0));
        if bound.first > from.offset {
            return Err(Remedy::Expired {
                next: from,
                first: bound.first,
            });
        }
        Ok(Begin {
            from,
            compare: None,
        })
    };
    let Some(done) = least.flatten() else {
        return next_generation(None);
    };
    let position = done.position;
    if position.generation > newest {
        return Err(Remedy::OldLog {
            done: position,
            newest,
        });
    }
    let Some(bound) = bounds.iter().find(|b| b.generation == position.generation) else {
        // That log died with its process, or was given up by an operator: it ended with its rows.
        return next_generation(Some(position.generation));
    };
    let next = position.next();
    if bound.end < next.offset {
        return Err(Remedy::Truncated {
            done: position,
            end: bound.end,
        });
    }
    if bound.sealed && bound.end == next.offset {
        return next_generation(Some(position.generation));
    }
    if bound.first > next.offset {
        return Err(Remedy::Expired {
            next,
            first: bound.first,
        });
    }
    if bound.first == next.offset {
        // The record itself has merely expired; nothing is missing.
        return Ok(Begin {
            from: next,
            compare: None,
        });
    }
    Ok(Begin {
        from: position,
        compare: Some(done.record_hash.clone()),
    })
}
