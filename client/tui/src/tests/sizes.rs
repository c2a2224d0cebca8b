//! Every state on small screens: no sentence of the client's own is cut.

mod scenes;

use parlour_sdk::protocol::kind::Role;
use unicode_width::UnicodeWidthChar as _;

use scenes::{SCENES, talk};

const SIZES: [(u16, u16); 3] = [(40, 12), (60, 20), (100, 30)];

#[test]
fn what_is_unread_elsewhere_is_told_where_the_list_is_not() {
    let bar = |w, h| {
        let screen = talk(w, h, Role::Owner).screen();
        screen.lines().next().map(str::to_owned).unwrap_or_default()
    };
    assert_eq!(bar(40, 12).trim(), "Parlour · ada · 1 unread elsewhere");
    assert_eq!(bar(60, 20).trim(), "Parlour · ada · 127.0.0.1:7400");
}

/// The parts of a screen, each as one line: what lies over the rest, or else list, conversation and
/// what goes over the whole width.
fn parts(screen: &str) -> Vec<String> {
    // A cell each: what is wide has an empty one behind it.
    let cells = |row: &str| -> Vec<char> {
        let cell = |c: char| std::iter::once(c).chain((1..c.width().unwrap_or(1)).map(|_| '\0'));
        row.chars().flat_map(cell).collect()
    };
    let rows: Vec<Vec<char>> = screen.lines().map(cells).collect();
    let column = |row: &[char], wanted: char| row.iter().position(|c| *c == wanted);
    let top = rows.iter().position(|row| row.contains(&'┌'));
    let bottom = rows.iter().position(|row| row.contains(&'└'));
    if let (Some(top), Some(bottom)) = (top, bottom) {
        let (left, right) = (column(&rows[top], '┌'), column(&rows[top], '┐'));
        let (left, right) = (left.unwrap() + 1, right.unwrap());
        let within = |row: &Vec<char>| -> String { row[left..right].iter().collect() };
        let within = joined(rows[top..bottom].iter().skip(1).map(within));
        let below = joined(rows[bottom + 1..].iter().map(|row| row.iter().collect()));
        return vec![within, below];
    }
    let half = |row: &Vec<char>, after: bool| -> Option<String> {
        let at = column(row, '│')?;
        let half = if after { &row[at + 1..] } else { &row[..at] };
        Some(half.iter().collect())
    };
    let whole = |row: &&Vec<char>| !row.contains(&'│');
    vec![
        joined(rows.iter().filter_map(|row| half(row, false))),
        joined(rows.iter().filter_map(|row| half(row, true))),
        joined(rows.iter().filter(whole).map(|row| row.iter().collect())),
    ]
}

fn joined(rows: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = rows.collect();
    let all = all.join(" ").replace('\0', "");
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn no_sentence_is_cut_on_a_small_screen() {
    let mut cut = String::new();
    for (name, sentences, scene) in SCENES {
        for (w, h) in SIZES {
            let screen = scene(w, h).screen();
            let parts = parts(&screen);
            for sentence in *sentences {
                let whole = |part: &String| sentence.split('|').any(|s| part.contains(s));
                if !parts.iter().any(whole) {
                    cut.push_str(&format!(
                        "{name} at {w}x{h}: no `{sentence}` in\n{screen}\n"
                    ));
                }
            }
        }
    }
    assert!(cut.is_empty(), "{cut}");
}

/// A sentence that is not whole is not found, whatever else of its words is on the screen.
#[test]
fn a_sentence_that_is_cut_is_not_taken_for_whole() {
    let screen = " ada   │ One that\n was  ┌ x ──────┐\n cut. │ One that│\n      │ was cut…│\n      \
                  └─────────┘\n whole.\n";
    assert_eq!(parts(screen), ["One that was cut…", "whole."]);
    let beside = " One    │ that\n was    │ cut.\n";
    assert_eq!(parts(beside), ["One was", "that cut.", ""]);
}
