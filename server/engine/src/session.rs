//! The session stage's rules: which sessions a node holds, under which lease, and who of them is
//! told what.
//!
//! Promises: a raised head is never dropped; a device registers before it reads its inbox; who is
//! no member of a channel is given nothing of it; every queue has a bound and a stated policy.
//! Never here: whether a socket lives. The lease decides where others look, and no more.
//!
//! [`node`] is one node's machine, in [`step`]s; [`channels`] judges its sessions in channels; [`presence`]
//! meters who is told of whom.

pub mod channels;
pub mod node;
pub mod presence;
pub mod step;

pub use node::Node;
pub use step::{Config, Counts, InChannel, Input, Output};
