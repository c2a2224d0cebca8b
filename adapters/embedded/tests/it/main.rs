//! The embedded store, tried over its ports alone: on a real disk, killed, copied and damaged.

mod accounts;
mod backup;
mod crash;
mod damage;
mod facts;
mod first;
mod full;
mod met;
mod rows;
mod store;
mod suites;
mod torn;
