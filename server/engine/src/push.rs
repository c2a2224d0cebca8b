//! The push stage's rules: which device is woken for what (decision 20).
//!
//! Promises: every durable event is decided once at least, in order, and the cursor moves only
//! over what was decided: a crash repeats a wake, with the same collapse id, and drops none. Nobody
//! is passed over because nothing could be found out of them. What a woken device shows is cleared
//! when its user has read it, as far as that is remembered.
//! Never: anything readable in a wake.

pub mod decider;
pub mod step;
mod woken;

pub use decider::Decider;
pub use step::{Config, DeviceFacts, Input, Output, UserFacts};
