//! What an account may be called.
//!
//! Promises: a name has one spelling, and does not look like another by characters that cannot be
//! seen or by letters of several scripts; nor, if its letters pass for ASCII, like one that is
//! there (UTS #39: the general security profile, single script, skeletons). Names in ASCII are as
//! they are: one that comes after its look-alike is not refused. Never asked of accounts that are
//! there already, or that an import brings: those log in as they are called.

use parlour_protocol::error::Code;
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;
use unicode_security::{GeneralSecurityProfile as _, MixedScript as _};

use crate::http::answer::{Answer, Failure};

/// The longest name, in bytes.
const BYTES_MAX: usize = 64;

/// The one spelling of a name: composed (Unicode's NFC).
#[must_use]
pub fn composed(name: &str) -> String {
    name.nfc().collect()
}

/// A new account's name, composed.
///
/// # Errors
/// [`Code::BAD_NAME`], with what is wrong with it.
pub fn check(name: &str) -> Answer<String> {
    let name = composed(name);
    match wrong(&name) {
        None => Ok(name),
        Some(why) => Err(Failure::new(Code::BAD_NAME).why(why)),
    }
}

fn wrong(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("the name is empty".to_owned());
    }
    if name.len() > BYTES_MAX {
        return Some(format!(
            "the name has {} bytes, at most {BYTES_MAX} are allowed",
            name.len()
        ));
    }
    let fits = |c: char| match c {
        '@' | ':' => false,
        _ if c.is_ascii() => c.is_ascii_graphic(),
        // Joiners are within the profile, and cannot be seen.
        '\u{200c}' | '\u{200d}' => false,
        _ => c.identifier_allowed(),
    };
    if let Some(c) = name.chars().find(|c| !fits(*c)) {
        let shown = if c.is_ascii_graphic() {
            format!("`{c}`")
        } else {
            format!("U+{:04X}", u32::from(c))
        };
        return Some(format!("the name has {shown} in it"));
    }
    if name.chars().all(|c| c == '.') {
        return Some("the name is nothing but dots".to_owned());
    }
    if name.is_ascii() {
        return None;
    }
    let mixed = !name.is_single_script();
    mixed.then(|| "the name has letters of several scripts in it".to_owned())
}

/// The name in ASCII that this one passes for, if there is one: it must not be someone's.
#[must_use]
pub fn passes_for(name: &str) -> Option<String> {
    if name.is_ascii() {
        return None;
    }
    let looks: String = skeleton(name).collect();
    looks.is_ascii().then_some(looks)
}

#[cfg(test)]
mod tests {
    use super::{check, passes_for, wrong};

    #[test]
    fn names_of_any_one_script_are_taken() {
        for name in [
            "ada",
            "Ada.Lovelace-1815",
            "[x]^_`|{}\\",
            "josé",
            "Ωμέγα",
            "Маша",
            "שרה",
            "علي",
            "花子",
            "はなこ",
            "ハナコ太郎",
            "서연",
            "สมชาย",
            "दीपा",
            "Ünal",
            "Nguyễn",
            "3.14",
            "a..b",
        ] {
            assert_eq!(wrong(name), None, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_told_apart_is_not() {
        for (name, why) in [
            ("", "empty"),
            (&"x".repeat(65), "65 bytes"),
            ("a b", "U+0020"),
            ("a\u{a0}b", "U+00A0"),
            ("a@b", "`@`"),
            ("a:b", "`:`"),
            ("a\u{1b}[31m", "U+001B"),
            ("ada\u{202e}nimda", "U+202E"),
            ("ada\u{2066}", "U+2066"),
            ("ad\u{200b}a", "U+200B"),
            ("ad\u{200d}a", "U+200D"),
            ("ada\u{feff}", "U+FEFF"),
            ("ada\u{ad}", "U+00AD"),
            ("ada🦀", "U+1F980"),
            ("ａｄａ", "U+FF41"),
            ("аda", "several scripts"),
            ("mаria", "several scripts"),
            ("..", "dots"),
            (".", "dots"),
        ] {
            let found = wrong(name).unwrap_or_else(|| panic!("{name:?} is taken"));
            assert!(found.contains(why), "{name:?}: {found}");
        }
    }

    #[test]
    fn letters_that_pass_for_ascii_are_known() {
        for (name, looks) in [
            ("сосо", Some("coco")),
            ("Маша", Some("Mawa")),
            ("Борис", None),
            ("josé", None),
            ("ada", None),
        ] {
            assert_eq!(passes_for(name).as_deref(), looks, "{name}");
        }
    }

    #[test]
    fn a_name_has_one_spelling() {
        let one = check("jose\u{301}").expect("a name");
        assert_eq!(one, "jos\u{e9}");
    }
}
