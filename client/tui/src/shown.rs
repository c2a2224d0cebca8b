//! Text of others, made harmless: nothing in it is interpreted by a terminal.

/// One line of it: control characters, escapes and marks that turn the direction of writing become
/// visible replacements; line ends become `⏎`.
pub(crate) fn line(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => '⏎',
            '\t' => ' ',
            // C0 has pictures of its own.
            c if (c as u32) < 0x20 => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
            '\u{7f}' => '\u{2421}',
            c if c.is_control() => '\u{fffd}',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => {
                '\u{fffd}'
            }
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn nothing_reaches_the_terminal_as_a_command() {
        assert_eq!(line("a\u{1b}[31mred\r\n"), "a␛[31mred␍⏎");
        assert_eq!(line("\u{9b}31m\u{7f}"), "\u{fffd}31m\u{2421}");
        assert_eq!(line("abc\u{202e}txt.exe"), "abc\u{fffd}txt.exe");
        assert_eq!(line("日本語 🎉"), "日本語 🎉");
    }

    #[test]
    fn a_long_line_stays_a_line() {
        let long = "\u{1b}".repeat(65_536);
        assert!(line(&long).chars().all(|c| c == '␛'));
    }
}
