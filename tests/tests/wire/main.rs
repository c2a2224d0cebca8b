//! Black box: a real node, real sockets, both codecs.

mod accounts;
mod bad_frames;
mod bad_sends;
mod bounds;
mod certificate;
mod chat;
mod commands;
mod http_api;
mod life;
mod page;
mod push;
mod refusals;
mod store;
#[path = "../support/table.rs"]
mod table;

/// Both codecs.
const CODECS: [parlour_protocol::codec::Codec; 2] = [
    parlour_protocol::codec::Codec::Json,
    parlour_protocol::codec::Codec::MessagePack,
];
