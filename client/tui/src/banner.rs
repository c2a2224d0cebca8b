//! What is the matter with the connection or the store, in words: for the bar at the top.
//!
//! Promises: the first words say what it is; what can be done comes before the reason, which may be
//! long.

use parlour_sdk::Link;

use crate::model::Model;
use crate::{shown, text};

/// Rows that it takes at most, and of how many rows of the screen it takes one.
const ROWS_MAX: u16 = 4;
const OF: u16 = 3;

/// What is the matter; none if all is well.
fn matter(model: &Model) -> Option<String> {
    if let Some(problem) = &model.store_problem {
        let problem = shown::line(problem);
        return Some(format!("This device cannot store anything: {problem}"));
    }
    Some(match &model.link {
        Link::Live => match model.unanswered_ms() {
            Some(ms) => {
                let s = ms / 1_000;
                format!("The server does not answer ({s} s). What you send is kept and goes out.")
            }
            None if model.is_slowed() => {
                "Sending more slowly: the server takes so many a minute.".to_owned()
            }
            None => return None,
        },
        Link::Waiting { until_ms, why } => {
            let left_s = until_ms.saturating_sub(model.now_ms).div_ceil(1_000);
            let why = shown::line(&plain(why));
            format!("Offline: reconnecting in {left_s} s (Ctrl+R: now) · {why}")
        }
        Link::Connecting | Link::Greeting => "Connecting…".to_owned(),
        Link::Syncing => "Catching up…".to_owned(),
        Link::Stopped(Some((_, why))) => {
            let why = shown::line(why);
            format!("Not connected (Ctrl+R: try again) · {why}")
        }
        Link::Stopped(None) => "Not connected (Ctrl+R: try again)".to_owned(),
    })
}

/// A reason without what says nothing to a person who reads it in passing.
fn plain(why: &str) -> String {
    let why = why.replace("http://", "").replace("https://", "");
    match why.split_once(" (os error ") {
        Some((before, number)) => {
            let after = number.split_once(')').map_or("", |(_, after)| after);
            format!("{before}{after}")
        }
        None => why,
    }
}

/// The same in the rows that it takes on this screen; none if all is well. A low screen keeps its
/// rows: there the end is left out.
pub(crate) fn rows(model: &Model) -> Vec<String> {
    let (w, h) = model.size;
    let Some(matter) = matter(model).filter(|_| model.me.is_some()) else {
        return Vec::new();
    };
    let width = usize::from(w).saturating_sub(2);
    told(&matter, width, usize::from((h / OF).clamp(1, ROWS_MAX)))
}

/// A sentence in at most so many rows; an ellipsis says that its end is left out.
pub(crate) fn told(words: &str, width: usize, most: usize) -> Vec<String> {
    let mut rows = text::wrap(words, width);
    if rows.len() > most.max(1) {
        let rest = rows.split_off(most.max(1) - 1);
        rows.push(text::cut(&rest.join(" "), width));
    }
    rows
}

/// The first of these that fits, or the last.
pub(crate) fn fitting<'a>(words: &[&'a str], width: usize) -> &'a str {
    let fits = words.iter().find(|w| text::width(w) <= width);
    fits.or(words.last()).copied().unwrap_or_default()
}
