//! Planted bugs, to see that the simulation would find them: `cargo xtask sim --mutants`.
//!
//! Each leaves out one rule that a decision or an invariant states. Promises: they are there with
//! the feature `mutants` alone, which nothing that ships has; without it [`planted`] is a constant
//! no, and the compiler takes the rest away. Never two at once.

#[cfg(feature = "mutants")]
use core::sync::atomic::{AtomicUsize, Ordering};

macro_rules! mutants {
    ($($name:ident: $rule:literal, $what:literal;)*) => {
        /// A planted bug.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Mutant {
            $(#[doc = $what] $name,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The decision (`D`) or invariant (`I`) that it leaves out.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$name => $rule,)* }
            }

            /// What is wrong with it, in words.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }
    };
}

mutants! {
    NoDedup: "D4", "a record whose send has an outcome already is placed again";
    ReuseAnswered: "D4", "a send of other contents under a used id is answered with the place of the first";
    RefusalForgotten: "D4", "a final refusal is not an outcome: tried again, the send may be placed";
    VerdictIgnored: "D4", "a refusal by a gateway in the log is judged anew";
    AfterIgnored: "D5", "a send does not wait for the one that it names in `after`";
    CancelPasses: "D5", "a cancel does not wait in line";
    AsOfIgnored: "D2", "questions are answered by what is there, not as of the record's position";
    ForgetsUndurable: "D2", "the sequencer forgets what it decided before it is durable";
    SeqFromClock: "D2", "a place is taken from the record's time";
    HeadNotAsked: "D2", "a router that begins again does not ask how far a conversation got";
    CountsEverything: "D13", "changes and memberships count as messages";
    PrevNamesQuiet: "D13", "`prev` names quiet events";
    NonMembersAct: "D7", "membership is looked at by the gateway alone";
    RemovedStay: "D7", "a removal ends no membership";
    SentBeforeDurable: "D6", "senders are answered before their rows are durable";
    BatchesPass: "D6", "a batch is told and done with before the one before it is durable";
    ProgressFirst: "D16", "progress is made durable before the rows";
    NoRaise: "D16", "heads are durable, and nobody is told of them";
    LocatedOnce: "D16", "sessions are located when an event is told, and not again when its head is durable";
    RaiseUnacknowledged: "D16", "heads are told like events, at most once, and progress waits for nobody";
    LetGoEarly: "D27", "records are let go before the progress over them is durable";
    JoinedPipelines: "D27", "on one machine a batch is stored while the one before it may be lost";
    AnsweredBeforeSync: "D6", "on one machine a batch is answered before it is synced";
    NamedNotTold: "D19", "nobody tells a node that a user of its own came into a channel";
    ReadyUnregistered: "D16", "a device reads its inbox before its session can be found";
    LeaseNotRenewed: "D18", "after a lease is lost nobody is registered again";
    MissTrusted: "D19", "memberships stay sure though events of the channel were missed";
    OldReadingTrusted: "D19", "a reading of memberships from before a change is trusted";
    RevocationUnread: "D28", "nodes do not read the list of revocations";
    TooEarly: "I3", "events are sent before `welcome`";
    GivenTwice: "I3", "a connection is given an event as often as a node is told of it";
    OverflowSilent: "I4", "what does not fit is dropped without its head";
    WithheldSilent: "D11", "places that are withheld are left out in silence";
    ChangesUnfolded: "D11", "pages show events as they were first, whatever changed them";
    BodyComesBack: "D11", "a late write of a body undoes its erasure";
    LinesTrusted: "D22", "lines whose digest differs are not sent";
    MarkGoesDown: "D23", "the last mark that comes is the mark, lower or not";
    FreshIds: "D4", "a client tries again under another id";
    OutboxForgets: "I1", "a client forgets a send when it hands it over";
    GapsTrusted: "I2", "a client takes what comes behind a gap as following what it had";
    HeadsTrusted: "I2", "a client that is told of a head fetches nothing";
    ChangesUnasked: "D11", "a client that was away asks for no changes of what it holds";
    RefusalUnkept: "I1", "a client tells of a refusal before it is kept";
}

#[cfg(feature = "mutants")]
static PLANTED: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Plants one for the whole process, in place of any other; none: all is well.
#[cfg(feature = "mutants")]
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.store(mutant.map_or(usize::MAX, |m| m as usize), Ordering::SeqCst);
}

/// Whether this one is planted.
#[cfg(feature = "mutants")]
#[must_use]
pub fn planted(mutant: Mutant) -> bool {
    PLANTED.load(Ordering::Relaxed) == mutant as usize
}

/// Whether this one is planted: never.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn planted(_: Mutant) -> bool {
    false
}
