//! Text of others, made harmless: nothing in it is interpreted by a terminal, and nothing in it is
//! invisible, so that two texts that differ never look the same by what a terminal leaves out.
//!
//! What is not promised: letters of different scripts can look alike; marks past the fourth on a
//! letter are not told apart; emoji joined into one that a terminal has no picture of look as if
//! they stood side by side. Whoever must know whom they talk to compares the unique name, or the id
//! on the conversation's page.

use std::iter::Peekable;
use std::str::Chars;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

const JOINER: char = '\u{200d}';
/// Asks for the coloured form of what stands before it.
const EMOJI_FORM: char = '\u{fe0f}';
/// Makes a key of the digit before it.
const KEYCAP: char = '\u{20e3}';
/// Flags that are spelt in tags after a black flag: England, Scotland, Wales.
const TAG_FLAGS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];

/// Marks on one letter that are shown; real writing has fewer.
const MARKS_MAX: usize = 4;

/// One line of it. Control characters, escapes and invisible characters become visible
/// replacements; line ends become `⏎`; a letter's marks past the fourth become one `·`.
pub(crate) fn line(text: &str) -> String {
    shown(text, false)
}

/// A name, on one line: as [`line()`], and what only some writing needs is made visible too.
pub(crate) fn name(text: &str) -> String {
    shown(text, true)
}

fn shown(text: &str, strict: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let (mut before, mut marks) = (None, 0);
    // The pictograph that a joiner would join to the next one, if what is drawn last is one.
    let mut picture = false;
    while let Some(c) = chars.next() {
        if is_mark(c) || extends(before, c) {
            marks += 1;
            // A mark on nothing would sit on whatever stands before the text.
            match marks {
                1.. if before.is_none() => named(&mut out, c),
                1..=MARKS_MAX => out.push(c),
                _ if marks == MARKS_MAX + 1 => out.push('·'),
                _ => {}
            }
            continue;
        }
        marks = 0;
        let joined = std::mem::take(&mut picture);
        match c {
            '\n' => out.push('⏎'),
            '\t' => out.push(' '),
            // C0 has pictures of its own.
            c if (c as u32) < 0x20 => {
                out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'));
            }
            '\u{7f}' => out.push('\u{2421}'),
            c if c.is_control() => out.push('\u{fffd}'),
            JOINER if joined && chars.peek().copied().is_some_and(is_pictographic) => out.push(c),
            EMOJI_FORM if takes_emoji_form(before, &mut chars) => {
                picture = joined;
                out.push(c);
            }
            // The colour of a skin, in the picture before it.
            '\u{1f3fb}'..='\u{1f3ff}' => {
                picture = joined;
                out.push(c);
            }
            '🏴' => {
                picture = true;
                out.push(c);
                if let Some(flag) = tag_flag(&chars) {
                    picture = false;
                    out.extend(chars.by_ref().take(flag));
                }
            }
            '\u{200c}' if !strict && parts(before, &mut chars) => out.push(c),
            '\u{e000}'..='\u{f8ff}' if strict => named(&mut out, c),
            c if is_invisible(c) => named(&mut out, c),
            c if is_other_space(c) => out.push('␣'),
            // It has no cell of its own, and nothing to stand on.
            c if c.width() == Some(0) => named(&mut out, c),
            c => {
                picture = is_pictographic(c);
                out.push(c);
            }
        }
        before = Some(c);
    }
    out
}

/// By its number: `<U+202E>`.
fn named(out: &mut String, c: char) {
    out.push_str(&format!("<U+{:04X}>", c as u32));
}

/// Whether Unicode's Extended_Pictographic has it: by the table of graphemes, in which a joiner
/// joins those and nothing else.
fn is_pictographic(c: char) -> bool {
    let perhaps = matches!(c, '©' | '®' | '\u{203c}'..='\u{3299}' | '\u{1f000}'..='\u{1ffff}');
    let joined = || -> String { [c, JOINER, '\u{1f469}'].iter().collect() };
    perhaps && joined().graphemes(true).count() == 1
}

/// Whether the emoji form of what stands before is another than what that looks like anyhow: `❤️`,
/// or a keycap: `1️⃣`.
fn takes_emoji_form(before: Option<char>, after: &mut Peekable<Chars<'_>>) -> bool {
    match before {
        Some('0'..='9' | '#' | '*') => after.peek() == Some(&KEYCAP),
        Some(c) => {
            let coloured: String = [c, EMOJI_FORM].iter().collect();
            coloured.width() > c.width().unwrap_or(0)
        }
        None => false,
    }
}

/// How many tags follow, if they spell a flag and end as they must.
fn tag_flag(after: &Peekable<Chars<'_>>) -> Option<usize> {
    let tags: Vec<char> = after.clone().take_while(|c| is_tag(*c)).take(8).collect();
    let letter = |c: &char| char::from_u32(*c as u32 - 0xe0000);
    let (end, letters) = tags.split_last()?;
    let spelt: String = letters.iter().filter_map(letter).collect();
    (*end == '\u{e007f}' && TAG_FLAGS.contains(&spelt.as_str())).then_some(tags.len())
}

/// Whether a non-joiner parts two Arabic letters, as Persian is written.
fn parts(before: Option<char>, after: &mut Peekable<Chars<'_>>) -> bool {
    let letter = |c: char| matches!(c, '\u{620}'..='\u{6ff}' | '\u{750}'..='\u{77f}');
    before.is_some_and(letter) && after.peek().copied().is_some_and(letter)
}

/// Whether it is drawn into the cell of what stands before it, as vowel signs and the parts of a
/// Hangul syllable are.
fn extends(before: Option<char>, c: char) -> bool {
    if c.width() != Some(0) || is_invisible(c) || c.is_control() {
        return false;
    }
    let both: Option<String> = before.map(|b| [b, c].iter().collect());
    both.is_some_and(|both| both.graphemes(true).count() == 1)
}

fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..='\u{e007f}')
}

/// Marks that stand on the letter before them.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{34e}' | '\u{350}'..='\u{36f}' | '\u{483}'..='\u{489}'
        | '\u{591}'..='\u{5bd}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}'
        | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{e31}' | '\u{e34}'..='\u{e3a}'
        | '\u{e47}'..='\u{e4e}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// What takes no room and says nothing by itself: format characters (Unicode's Cf), joiners that
/// join nothing, selectors that select nothing, fillers, tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{10ffff}')
}

/// Spaces that are not the space: a name with one looks like a name with another.
fn is_other_space(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{2800}'
    )
}

#[cfg(test)]
mod tests {
    use unicode_segmentation::UnicodeSegmentation as _;

    use super::line;
    use crate::text;

    #[test]
    fn nothing_reaches_the_terminal_as_a_command() {
        assert_eq!(line("a\u{1b}[31mred\r\n"), "a␛[31mred␍⏎");
        assert_eq!(line("\u{9b}31m\u{7f}"), "\u{fffd}31m\u{2421}");
        assert_eq!(line("日本語 🎉"), "日本語 🎉");
    }

    #[test]
    fn what_is_invisible_is_shown() {
        assert_eq!(line("abc\u{202e}txt.exe"), "abc<U+202E>txt.exe");
        assert_eq!(line("be\u{200b}n"), "be<U+200B>n");
        assert_eq!(line("be\u{200d}n"), "be<U+200D>n");
        assert_eq!(line("be\u{ad}n\u{feff}"), "be<U+00AD>n<U+FEFF>");
        assert_eq!(line("ben\u{fe0f}"), "ben<U+FE0F>");
        assert_eq!(line("b\u{a0}n"), "b␣n");
        assert_eq!(line("ben\u{3164}"), "ben<U+3164>");
        assert_eq!(line("ben\u{e0041}"), "ben<U+E0041>");
        assert_eq!(line("1\u{fe0f}"), "1<U+FE0F>");
        assert_eq!(line("👍\u{fe0f}"), "👍<U+FE0F>");
        assert_eq!(line("→\u{fe0f}"), "→<U+FE0F>");
        assert_eq!(line("→\u{200d}→"), "→<U+200D>→");
        assert_eq!(line("1\u{fe0f}\u{200d}👍"), "1<U+FE0F><U+200D>👍");
        assert_eq!(line("👍\u{200d}"), "👍<U+200D>");
        let flag = |tags: &str| -> String {
            let tag = |c: char| char::from_u32(0xe0000 + c as u32).unwrap();
            format!("🏴{}", tags.chars().map(tag).collect::<String>())
        };
        for no_flag in ["a", "gbeng", "gbxyz\u{7f}", "gbenggbeng\u{7f}", "\u{7f}"] {
            let shown = line(&flag(no_flag));
            assert_eq!(shown.matches("<U+E00").count(), no_flag.len(), "{shown}");
        }
        assert_eq!(line(&flag("gbsct\u{7f}")), flag("gbsct\u{7f}"));
    }

    #[test]
    fn writing_and_emoji_stay_as_they_are() {
        for whole in [
            "👩‍👩‍👧‍👦",
            "👍🏽",
            "👩🏽‍🚀",
            "🏳️‍🌈",
            "❤️",
            "1️⃣",
            "🇩🇪",
            "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
            "é e\u{301}",
            "สวัสดี",
            "שָׁלוֹם",
            "مَرْحَبًا",
        ] {
            assert_eq!(line(whole), whole);
        }
    }

    #[test]
    fn a_name_hides_less_than_a_text() {
        let persian = "می\u{200c}خواهم";
        assert_eq!(line(persian), persian);
        assert_eq!(super::name(persian), "می<U+200C>خواهم");
        assert_eq!(line("a\u{200c}b"), "a<U+200C>b");
        assert_eq!(super::name("a\u{f8ff}"), "a<U+F8FF>");
    }

    #[test]
    fn a_flood_of_marks_is_four_and_a_dot() {
        let flood = format!("a{}b", "\u{301}".repeat(1_000));
        assert_eq!(line(&flood), format!("a{}·b", "\u{301}".repeat(4)));
        assert_eq!(line("\u{301}a"), "<U+0301>a");
    }

    #[test]
    fn a_long_line_stays_a_line() {
        let long = "\u{1b}".repeat(65_536);
        assert!(line(&long).chars().all(|c| c == '␛'));
    }

    /// Put into a name, no character that there is vanishes, whatever it stands after: the name
    /// takes more cells.
    #[test]
    fn no_character_vanishes() {
        for before in ["b", "1", "🏴", "→"] {
            let plain = text::width(&super::name(&format!("{before}en")));
            let gone: Vec<String> = ('\0'..=char::MAX)
                .filter(|c| !super::is_mark(*c))
                .filter(|c| super::is_invisible(*c) || !is_part_of_another(before, *c))
                .filter(|c| text::width(&super::name(&format!("{before}{c}en"))) <= plain)
                .map(|c| format!("{:04X}", c as u32))
                .collect();
            assert!(
                gone.is_empty(),
                "after {before}, {}: {:?}",
                gone.len(),
                gone.first_chunk::<60>()
            );
        }
    }

    /// Letters that a terminal draws into the cell of another, by the table that it uses too.
    fn is_part_of_another(before: &str, c: char) -> bool {
        let both = format!("{before}{c}");
        both.graphemes(true).count() < 2 || format!("{c}e").graphemes(true).count() < 2
    }
}
