//! How many messages a second `History::append` takes, by how many are in a batch.
//!
//! `cargo run --release -p parlour-embedded --example append -- FOLDER`; the folder must be on the
//! disk that is measured. One caller at a time, each batch synced before the next.

use std::time::{Duration, Instant};

use parlour_embedded::Store;
use parlour_protocol::bytes::Bytes;
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};
use parlour_protocol::kind::{Class, HistoryRule, Shape};
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::record::Header;
use parlour_protocol::row::{Carried, Event, Outcome, OutcomeRow, Row};
use parlour_protocol::seq::Seq;

const EACH: Duration = Duration::from_secs(5);

fn message(c: ConversationId, seq: u64) -> [Row; 2] {
    let (sender, device) = (UserId::from_bytes([1; 16]), DeviceId::from_bytes([1; 16]));
    let id = MessageId::derived("append", &[c.as_bytes(), &seq.to_be_bytes()]);
    let position = Position {
        generation: Generation(1),
        partition: Partition(0),
        offset: Offset(seq),
    };
    let carried = Carried {
        n: seq,
        prev: Seq(seq - 1),
        members: 0,
        shape: Shape::Group,
        history: HistoryRule::All,
        quiet: false,
    };
    let outcome = Outcome::Placed {
        seq: Seq(seq),
        n: seq,
        time_ms: seq,
        digest: None,
    };
    [
        Row::Event(Event {
            conversation: c,
            seq: Seq(seq),
            position,
            carried,
            header: Header::new(c, id, sender, device, Class::Content, "text", seq).to_bytes(),
            payload: Bytes::from(vec![b'x'; 100]),
        }),
        Row::Outcome(OutcomeRow {
            conversation: c,
            sender,
            id,
            position,
            at: Seq(seq),
            outcome,
        }),
    ]
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("name a folder")?;
    let store = Store::open(std::path::Path::new(&folder))?;
    let history = store.history();
    for batch in [1u64, 64, 256] {
        let c = ConversationId::derived("append", &[&batch.to_be_bytes()]);
        let (began, mut last) = (Instant::now(), 0);
        while began.elapsed() < EACH {
            let rows = (last + 1..=last + batch).flat_map(|seq| message(c, seq));
            history.append(Partition(0), rows.collect()).await?;
            last += batch;
        }
        let rate = last as f64 / began.elapsed().as_secs_f64();
        println!("batches of {batch}: {rate:.0} messages/s");
    }
    Ok(())
}
