//! The rules, each with its name and what it says.
//!
//! Promises: every rule counts towards at most one of the four figures of a report's last line.

use core::fmt;

/// Which figure of the last line a rule's breaches count towards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Lost,
    Duplicated,
    Reordered,
    Phantom,
    Other,
}

macro_rules! rules {
    ($($konst:ident $name:literal $figure:ident $about:literal;)*) => {
        /// What a history is held to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $(#[doc = $about] $konst,)* }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$konst,)*];

            /// Its name in a report.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$konst => $name,)* }
            }

            /// What it says.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$konst => $about,)* }
            }

            pub(crate) const fn figure(self) -> Figure {
                match self { $(Self::$konst => Figure::$figure,)* }
            }
        }
    };
}

rules! {
    LostWrite "lost-write" Lost "What was acknowledged, or shown to anyone, is in the final reading, with its body.";
    Unseen "unseen" Lost "A device that is online at the end has every event of its memberships that it did not leave unfetched.";
    SkippedWithoutNotice "skipped-without-notice" Lost "A device gets no event past one that it lacks, unless it fetches that one or is told; `prev` names the last place before that was not quiet.";
    Dense "dense" Lost "Places are 1 to the head without holes.";
    Duplicate "duplicate" Duplicated "One (conversation, user, id) has one place, and stands once in a timeline.";
    TwoOutcomes "two-outcomes" Duplicated "One (conversation, user, id) has one outcome: one place or a final refusal.";
    InconsistentOffsets "inconsistent-offsets" Reordered "A place names one event, with one content, to everyone.";
    NonMonotonic "non-monotonic" Reordered "In one connection a conversation's live events rise; so do a timeline and a reading.";
    ProgramOrder "program-order" Reordered "A device's sends in a conversation are placed in the order in which it made them.";
    Phantom "phantom" Phantom "What is received was sent before, by this sender, with this body.";
    RefusedButRead "refused-but-read" Phantom "Nobody ever sees what was finally refused.";
    Membership "membership" Phantom "Only who may read a place is given it, is withheld nothing of their own memberships, and only who may act at a place has acted there.";
    Marks "marks" Other "Marks never go down, read is at most delivered, delivered at most the head, and only their owner moves them.";
    Counts "counts" Other "n rises by one with every countable event, and with nothing else.";
    IncompleteRecord "incomplete-record" Other "The record has what the other rules need: every answered id was called, every conversation has members and was read back whole.";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
