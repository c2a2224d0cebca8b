//! The checker on good histories, on hand-broken ones, and on random ones with one flaw.

mod broken;
mod from_frames;
mod parts;
mod random;
mod reuse;
mod world;
