//! The router stage's rules: store, locate, raise, locate again (decision 16).
//!
//! Promises: nothing is told before its rows, and those of every earlier event of its partition,
//! are durable; progress is raised over a record only when every step is done for it; a step that
//! failed is repeated unchanged.
//! Never: a second router's absence is not assumed; a zombie does the same harmlessly.
//!
//! [`Partition`] is one partition's life on one router, in [`step`]s; [`tell`] makes signals of what was decided;
//! [`raise`] gathers heads until they are durable and acknowledged.

pub mod partition;
pub mod raise;
pub mod step;
pub mod tell;

pub use crate::log::begin::{Bounds, Remedy};
pub use partition::{Config, Partition};
pub use step::{Call, Input, Output, Placed};
pub use tell::Found;
