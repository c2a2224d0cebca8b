//! What can happen in the world, and to whom.

use parlour_client_core as core;
use parlour_engine::{gateway, router as engine_router, session};
use parlour_protocol::frame::Client as Frame;
use parlour_protocol::id::{ConversationId, MessageId, SessionId};
use parlour_protocol::position::Partition;
use parlour_protocol::record::Record;
use parlour_protocol::row::Row;

use crate::faults::Fault;

/// Something that happens at a time.
#[derive(Debug)]
pub enum Event {
    /// To a client, in one life of its process.
    Client(usize, u32, ToClient),
    /// To a node, in one life.
    Node(usize, u32, ToNode),
    /// To a router's partition, in one life.
    Router(usize, u32, Partition, engine_router::Input),
    /// Rows reach the store.
    Rows(Vec<Row>),
    /// Changes reach the roster.
    Changes(Vec<parlour_protocol::roster::Change>),
    /// A record reaches the log.
    Record(Partition, Box<Record>, Option<u64>),
    /// A call of a router takes effect and is answered.
    RouterCall(usize, u32, Partition, Box<engine_router::Output>, u64),
    /// A call of a connection takes effect and is answered.
    NodeCall(
        usize,
        u32,
        SessionId,
        gateway::connection::Ask,
        Box<gateway::need::Need>,
        u64,
    ),
    /// A call of a node's machine takes effect and is answered.
    SessionCall(usize, u32, Box<session::Output>, u64),
    /// A partition is given to a router.
    Assign(Partition, usize),
    /// Rows that a process of this generation answered for too early: for a planted bug alone.
    Unsynced(u64, Vec<Row>),
    /// A router loses a partition, if it still has this life of it.
    Revoke(usize, Partition, u64),
    /// Something breaks, or is mended.
    Fault(Fault),
    /// A user does something.
    Work,
}

/// What reaches a client.
#[derive(Debug)]
pub enum ToClient {
    /// A frame's bytes on a link.
    Frame(u64, std::sync::Arc<[u8]>),
    /// The link is up.
    Up(u64),
    /// The link is gone.
    Down(u64, Option<u16>),
    /// Its store has confirmed a batch.
    Persisted(core::saved::Ticket),
    /// Time.
    Tick,
    /// Its process begins.
    Begin,
    /// Its owner starts it again after a stop.
    Resume,
    /// Its program dies.
    Die,
    /// Its program uses the id of a send that has ended for another one.
    Reuse(ConversationId, MessageId),
}

/// What reaches a node.
#[derive(Debug)]
pub enum ToNode {
    /// A frame on a link.
    Frame(u64, Box<Frame>),
    /// A client connects.
    Open(u64, usize),
    /// The link is gone.
    Down(u64),
    /// An input of a connection.
    Connection(SessionId, Box<gateway::Input>),
    /// An input of the node's machine.
    Session(Box<session::Input>),
    /// Time, for a connection.
    Tick(SessionId),
    /// Its process begins.
    Begin,
}
