//! The interleavings that have a name, each forced exactly, and judged.
//!
//! Promises: a script that misses its moment fails, by a claim, or by an order that was never met.
//! That these scripts show what is wrong, and not only what is right, is `left_out.rs`.

use parlour_sim::Outcome;

#[path = "scripts/delivery.rs"]
mod delivery;
#[path = "scripts/log.rs"]
mod log;
#[path = "scripts/sends.rs"]
mod sends;
#[path = "scripts/store.rs"]
mod store;

/// Held by the judge and by the script's own claims; tells the end of the story if not.
#[track_caller]
fn clean(outcome: &Outcome) {
    if outcome.breaches.is_empty() {
        return;
    }
    if let Some(path) = std::env::var_os("SCRIPT_STORY") {
        std::fs::write(path, outcome.trace.join("\n")).expect("the story is written");
    }
    let from = outcome.trace.len().saturating_sub(40);
    panic!(
        "{}\n\nthe end of the story (SCRIPT_STORY=file keeps it whole):\n{}",
        outcome.breaches.join("\n"),
        outcome.trace[from..].join("\n")
    );
}

#[test]
fn a_member_removed_after_a_send_and_before_its_replay() {
    clean(&log::removed_before_replay());
}

#[test]
fn a_generation_that_begins_anew() {
    clean(&log::sealed_generation());
}

#[test]
fn a_generation_that_begins_anew_since_its_process_died() {
    clean(&log::generation_died());
}

#[test]
fn a_truncated_log() {
    clean(&log::truncated());
}

#[test]
fn a_truncated_log_that_grew_again() {
    clean(&log::recreated());
}

#[test]
fn a_write_that_timed_out_and_lands_an_hour_later() {
    clean(&log::write_an_hour_late());
}

#[test]
fn an_append_that_arrives_after_its_own_retry() {
    clean(&sends::append_after_its_retry());
}

#[test]
fn a_refused_first_attempt_and_an_accepted_second_that_comes_first() {
    clean(&sends::refused_then_accepted(false));
}

#[test]
fn a_refused_first_attempt_and_an_accepted_second_that_comes_second() {
    clean(&sends::refused_then_accepted(true));
}

#[test]
fn two_pipelined_sends_of_which_the_first_times_out() {
    clean(&sends::first_of_two_times_out());
}

#[test]
fn two_pipelined_sends_of_which_the_first_lands_late() {
    clean(&sends::first_of_two_lands_late());
}

#[test]
fn a_device_that_registers_between_store_and_raise() {
    clean(&delivery::registers_between());
}

#[test]
fn a_device_that_is_registered_late() {
    clean(&delivery::registers_late());
}

#[test]
fn a_device_that_moves_between_locate_and_relay() {
    clean(&delivery::moves_between());
}

#[test]
fn a_deletion_that_a_device_learns_of_only_by_paging_back() {
    clean(&delivery::deletion_by_paging_back());
}

#[test]
fn a_restore_from_backup_under_connected_clients() {
    clean(&store::restore());
}

#[test]
fn a_token_row_and_its_revocation_by_clocks_a_day_apart() {
    clean(&store::revocation(86_400_000, -86_400_000));
    clean(&store::revocation(-86_400_000, 86_400_000));
}
