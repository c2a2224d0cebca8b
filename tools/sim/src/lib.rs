//! The world by seed: the engine's machines, the ports' references and the client core, in one
//! deterministic world, under faults.
//!
//! Promises: the same seed gives the same world, event by event. No thread, no clock, no I/O.
//! Never: a rule of order of its own. What ships is what runs here; this crate only executes, and
//! does it as badly as the ports' promises allow (decision 27).
//!
//! [`world`] holds everything and runs the queue; [`client`], [`node`] and [`router`] execute what
//! machines put out; [`alarm`] is when machines are given time; [`calls`] is how calls go wrong;
//! [`faults`] breaks things; [`work`] is what users do; [`script`] forces one interleaving instead
//! of rolling dice; [`wire`] judges each frame, [`folds`] what devices show, and [`judge`] says
//! whether it all held. With the feature `mutants`, bugs are planted to see that it would not have.

pub mod alarm;
pub mod calls;
pub mod client;
pub mod dice;
pub mod faults;
pub mod folds;
pub mod judge;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod node;
pub mod router;
pub mod script;
pub mod wire;
pub mod work;
pub mod world;

pub use judge::Outcome;
pub use world::World;

/// Runs one seed from beginning to end.
#[must_use]
pub fn run(seed: u64, trace: bool) -> Outcome {
    World::new(seed, trace).live()
}
