//! The log, as a gateway sees it: one durable thing is done with a record, and it is appended
//! (decision 1).
//!
//! Never here: a second write beside it. What is made of the log, the router makes.

use parlour_ports::Error;
use parlour_protocol::error::Code;
use parlour_protocol::id::ConversationId;
use parlour_protocol::position::{Partition, Position};
use parlour_protocol::record::Record;

use crate::gateway::code;
use crate::node::Node;
use crate::telemetry;

/// Appends a record to its conversation's partition. Answers where it lies.
///
/// # Errors
/// `Some`: it will never appear. `None`: nobody knows.
pub(crate) async fn append(
    node: &Node,
    conversation: ConversationId,
    record: Record,
) -> Result<Position, Option<Code>> {
    let log = &node.ports.log;
    let partition = Partition::of(conversation, log.partitions());
    if node.is_full() {
        metrics::counter!(telemetry::APPENDS, "outcome" => "refused").increment(1);
        return Err(Some(Code::STORAGE_FULL));
    }
    let (outcome, result) = match log.append(partition, record).await {
        Ok(position) => ("appended", Ok(position)),
        Err(Error::Unknown { .. }) => ("unknown", Err(None)),
        Err(error) => ("refused", Err(Some(code("log", &error)))),
    };
    metrics::counter!(telemetry::APPENDS, "outcome" => outcome).increment(1);
    result
}
