//! A Parlour client for native programs: the core, driven over real sockets, with a local store.
//!
//! Promises: what was accepted by [`Client::request`] is in the store before it is handed to a
//! socket, and is told of as sent, refused or given up, over restarts too; a program that reads
//! updates too slowly is told so ([`Update::Lagged`]), and never holds the client up; tokens and
//! passwords are never shown by `Debug`, logs or errors.
//!
//! In flow order: where the server is ([`Endpoint`]), how one logs in ([`Http`]), where things are
//! kept ([`Data`]), the running client ([`Client`]) and what it tells ([`Updates`]).
//!
//! ```no_run
//! # async fn example() -> Result<(), parlour_sdk::Error> {
//! use parlour_sdk::{Client, Config, Endpoint, Http, Store};
//!
//! let endpoint = Endpoint::new("http://127.0.0.1:8080")?;
//! let session = Http::new(&endpoint).log_in("ada", "her password", "a script").await?;
//! let client = Client::connect(Config::new(endpoint, session, Store::Memory)).await?;
//! let ben = client.find_user("ben").await?;
//! client.send_to(ben.user, "hello").await?;
//! # Ok(())
//! # }
//! ```

mod client;
mod config;
mod driver;
mod endpoint;
mod error;
mod http;
mod lock;
mod socket;
mod store;
mod updates;

pub use client::Client;
pub use config::{Config, Session, Store};
pub use endpoint::Endpoint;
pub use error::Error;
pub use http::Http;
pub use parlour_client_core as core;
pub use parlour_client_core::view::{Before, Item, State, Summary, Timeline};
pub use parlour_client_core::{
    Accepted, Command, Ended, Fetch, Link, Refused, Request, Via, draft,
};
pub use parlour_protocol as protocol;
pub use socket::Socket;
pub use store::Data;
pub use updates::{Update, Updates};
