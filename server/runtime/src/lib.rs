//! How each stage runs: loops, sockets, HTTP API, telemetry, drain.
//!
//! Promises: it executes what machines put out, and holds no rule of order (decision 26).
pub mod bounds;
pub mod clock;
pub mod config;
pub mod drain;
pub mod node;
pub mod password;
pub mod ports;
pub mod router;
pub mod sockets;
pub mod telemetry;
pub mod tokens;
pub mod gateway {
    pub mod upgrade;
    pub mod wire;
}
pub mod http {
    pub mod accounts;
    pub mod admin;
    pub mod answer;
    pub mod ops;
}
