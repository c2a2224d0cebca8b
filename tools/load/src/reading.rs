//! Who reads what back: fresh devices of the members, through the server as it is at the end.
//!
//! A group is read whole by a few. A channel of thousands is read whole by some, over both doors,
//! and by everyone else at its end and in one stretch each; together the stretches cover it many
//! times over, and the summary says by how many readers each place was read at least.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use parlour_sdk::protocol::{ConversationId, Seq};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::device::{Device, Job, Reads};
use crate::dice::Dice;
use crate::readback::{self, PAGE};
use crate::replay::Run;

/// Members who read a group back.
const OF_A_GROUP: usize = 3;
/// Fresh devices of the real core that read the whole channel through sockets.
const BY_SOCKET: usize = 4;
/// Pages of a channel's end that everyone reads.
const LAST_PAGES: u64 = 2;
/// Devices that read at once.
const AT_ONCE: usize = 16;

/// Reads a group back, whole, with fresh devices of its maker and of members drawn by the dice.
pub(crate) async fn group(
    run: &mut Run,
    conversation: ConversationId,
    members: &[String],
    newest: Seq,
) -> anyhow::Result<()> {
    let mut readers: Vec<String> = members.first().into_iter().cloned().collect();
    let others = drawn(&mut run.dice, members.get(1..).unwrap_or_default());
    readers.extend(others.into_iter().take(OF_A_GROUP - 1));
    for (at, session) in run.accounts.fresh(&readers).await?.iter().enumerate() {
        let (head, events) =
            readback::whole(&run.endpoint, session, conversation, &run.record).await?;
        if at == 0 {
            readback::members(conversation, &events, &run.record);
        }
        reached(head, newest)?;
    }
    Ok(())
}

/// Reads the channel back.
pub(crate) async fn channel(run: &mut Run) -> anyhow::Result<()> {
    let Some(channel) = run.channel.as_ref().map(|c| c.id) else {
        return Ok(());
    };
    let newest = run.record.newest(channel);
    let mut dice = Dice::new(run.options.seed ^ 0x7ead);
    let names = drawn(&mut dice, &run.accounts.names());
    let fresh = run.accounts.fresh(&names).await?;
    let (whole, others) = fresh.split_at((run.options.whole_readers as usize).min(fresh.len()));
    run.bar.set_message("reading the channel back, whole");
    for (at, session) in whole.iter().enumerate() {
        let (head, events) = readback::whole(&run.endpoint, session, channel, &run.record).await?;
        if at == 0 {
            readback::members(channel, &events, &run.record);
        }
        reached(head, newest)?;
    }
    let sockets: Vec<Device> = others
        .iter()
        .take(BY_SOCKET)
        .map(|s| Device::start(&run.endpoint, s.clone(), Reads::All, run.record.clone()))
        .collect();
    for device in &sockets {
        device.give(Job::Follow(channel)).await;
    }
    for device in &sockets {
        device.holds(newest).await;
        device.ends(false, newest).await;
    }
    run.bar
        .set_message("reading the channel back, in stretches");
    let window = Arc::new(Semaphore::new(AT_ONCE));
    let mut reading = JoinSet::new();
    for session in others {
        let permit = window.clone().acquire_owned().await?;
        let places = stretches(&mut dice, newest);
        let (endpoint, session, record) =
            (run.endpoint.clone(), session.clone(), run.record.clone());
        reading.spawn(async move {
            let _permit = permit;
            readback::parts(&endpoint, &session, channel, &places, &record).await
        });
        while let Some(done) = reading.try_join_next() {
            done.context("a reader died")??;
        }
    }
    while let Some(done) = reading.join_next().await {
        done.context("a reader died")??;
    }
    run.reading.push(format!(
        "the channel has {newest} places and {} users: fresh devices of {} read it whole, of {} \
         more through sockets as it is caught up with; {} read its last {} places and a stretch of \
         {PAGE} drawn from seed {}",
        names.len(),
        whole.len(),
        sockets.len(),
        others.len(),
        LAST_PAGES * u64::from(PAGE),
        run.options.seed
    ));
    Ok(())
}

/// What one reader asks for: a stretch drawn by the dice, and the end. All of what is no longer
/// than that.
fn stretches(dice: &mut Dice, newest: Seq) -> Vec<(Seq, Seq)> {
    let page = u64::from(PAGE);
    let end = newest.0.saturating_sub(LAST_PAGES * page);
    if end <= page {
        return vec![(Seq(1), newest)];
    }
    // Drawn from beyond both ends, so that the outermost places are as likely as others.
    let last = 1 + dice.below(end + page - 1);
    let from = (last + 1).saturating_sub(page).max(1);
    vec![(Seq(from), Seq(last.min(end))), (Seq(end + 1), newest)]
}

/// All of these, in an order drawn by the dice.
fn drawn(dice: &mut Dice, of: &[String]) -> Vec<String> {
    let mut all = of.to_vec();
    for at in (1..all.len()).rev() {
        all.swap(at, dice.below(at as u64 + 1) as usize);
    }
    all
}

fn reached(head: Seq, newest: Seq) -> anyhow::Result<()> {
    if head < newest {
        bail!("read back up to {head}, but {newest} was placed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Dice, Seq, drawn, stretches};

    #[test]
    fn stretches_rise_apart_and_reach_everywhere() {
        let mut dice = Dice::new(1);
        let mut readers = vec![0u32; 5_001];
        for _ in 0..1_000 {
            let places = stretches(&mut dice, Seq(5_000));
            let mut before = 0;
            for (from, to) in &places {
                assert!(*from > Seq(before) && from <= to, "{places:?}");
                before = to.0;
                (from.0..=to.0).for_each(|at| readers[at as usize] += 1);
            }
            assert_eq!(before, 5_000);
        }
        // 1000 stretches of 200 on 4600 places: about 43 each, at the outermost ones too.
        let least = readers[1..].iter().min().copied();
        assert!(least.is_some_and(|l| l > 15), "{least:?}");
    }

    #[test]
    fn what_is_short_is_read_whole() {
        let mut dice = Dice::new(1);
        for newest in [1, 200, 600] {
            assert_eq!(stretches(&mut dice, Seq(newest)), [(Seq(1), Seq(newest))]);
        }
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let names: Vec<String> = (0..50).map(|n| n.to_string()).collect();
        let one = drawn(&mut Dice::new(7), &names);
        assert_eq!(one, drawn(&mut Dice::new(7), &names));
        assert_ne!(one, drawn(&mut Dice::new(8), &names));
        let mut sorted = one.clone();
        sorted.sort_by_key(|n| n.parse::<u32>().ok());
        assert_eq!(sorted, names);
    }
}
