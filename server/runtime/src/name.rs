//! What an account may be called.
//!
//! Promises: a new name has one spelling, and does not look like another by characters that cannot
//! be seen or by letters of several scripts; nor, if its letters pass for ASCII, like one that is
//! there (UTS #39: the general security profile, single script, confusables). Names in ASCII are as
//! they are: one that comes after its look-alike is not refused. Never asked of accounts that are
//! there already, or that an import brings: those log in as they are called.

use parlour_protocol::error::Code;
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;
use unicode_security::{GeneralSecurityProfile as _, MixedScript as _};

use crate::http::answer::{Answer, Failure};

/// The longest name, in bytes.
pub const BYTES_MAX: usize = 64;
const THAI_AM: char = '\u{0e33}';
const LAO_AM: char = '\u{0eb3}';
/// So many names are looked up for one that may pass for them.
const ALIKE_MAX: usize = 32;

/// The spellings under which a name may be known: composed (Unicode's NFC), which every new one is,
/// and as it was given. None: it is longer than any name.
#[must_use]
pub fn spellings(name: &str) -> Vec<String> {
    if name.len() > BYTES_MAX {
        return Vec::new();
    }
    let composed: String = name.nfc().collect();
    let mut all = vec![name.to_owned()];
    if composed != name && composed.len() <= BYTES_MAX {
        all.insert(0, composed);
    }
    all
}

/// A new account's name, composed.
///
/// # Errors
/// [`Code::BAD_NAME`], with what is wrong with it.
pub fn check(name: &str) -> Answer<String> {
    // It may grow, but no further than to thrice its length.
    let name: String = if name.len() > BYTES_MAX {
        name.to_owned()
    } else {
        name.nfc().collect()
    };
    match wrong(&name) {
        None => Ok(name),
        Some(why) => Err(Failure::new(Code::BAD_NAME).why(why)),
    }
}

/// The Thai or Lao vowel AM that a name has in its other spelling: a ring, perhaps a tone mark, and the
/// vowel AA. Both look the same.
fn am_in_two(name: &str) -> Option<char> {
    let mut ring = false;
    for c in name.chars() {
        match c {
            '\u{0e4d}' | '\u{0ecd}' => ring = true,
            '\u{0e32}' if ring => return Some(THAI_AM),
            '\u{0eb2}' if ring => return Some(LAO_AM),
            '\u{0e48}'..='\u{0e4b}' | '\u{0ec8}'..='\u{0ecb}' => {}
            _ => ring = false,
        }
    }
    None
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
        // Everyday vowels, which the profile leaves out for their other spelling.
        THAI_AM | LAO_AM => true,
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
    if let Some(whole) = am_in_two(name) {
        return Some(format!(
            "the name has U+{:04X} in two: write it as one letter, {whole}",
            u32::from(whole)
        ));
    }
    if name.chars().all(|c| c == '.') {
        return Some("the name is nothing but dots".to_owned());
    }
    if name.is_ascii() {
        return None;
    }
    if !name.is_single_script() {
        return Some("the name has letters of several scripts in it".to_owned());
    }
    // Names are told apart without regard to case.
    let small = name.to_lowercase();
    let decomposed = small.nfc().ne(small.chars());
    decomposed.then(|| "the name has letters that change their spelling with their case".to_owned())
}

/// Names in ASCII that this one passes for, in small letters: none of them may be someone's. Letters
/// that themselves look alike (l, I, 1) are each of them. None: it passes for none; an error: for
/// more than can be looked up.
///
/// # Errors
/// [`Code::BAD_NAME`].
pub fn passes_for(name: &str) -> Answer<Vec<String>> {
    let mut all = vec![String::new()];
    if name.is_ascii() {
        return Ok(Vec::new());
    }
    for c in name.chars() {
        let looks: String = if c.is_ascii() {
            c.to_ascii_lowercase().to_string()
        } else {
            skeleton(c.encode_utf8(&mut [0; 4])).collect()
        };
        if !looks.is_ascii() {
            return Ok(Vec::new());
        }
        let alike: &[&str] = match looks.as_str() {
            _ if c.is_ascii() => &[],
            // Of what looks alike in ASCII, all is put as one.
            "l" => &["l", "i", "1"],
            "O" => &["o", "0"],
            "rn" => &["rn", "m"],
            _ => &[],
        };
        let looks = looks.to_ascii_lowercase();
        all = match alike {
            [] => all.into_iter().map(|one| one + &looks).collect(),
            alike => all
                .iter()
                .flat_map(|one| alike.iter().map(move |looks| format!("{one}{looks}")))
                .collect(),
        };
        if all.len() > ALIKE_MAX {
            return Err(Failure::new(Code::BAD_NAME).why("the name passes for too many others"));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::{check, passes_for, spellings, wrong};

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
            "น้ำ",
            "ไทยน้ำ",
            "ນ້ຳ",
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
            ("J\u{30c}an", "with their case"),
            ("น\u{0e4d}\u{0e49}\u{0e32}", "U+0E33"),
            ("น\u{0e49}\u{0e4d}\u{0e32}", "U+0E33"),
            ("ນ\u{0ecd}\u{0eb2}", "U+0EB3"),
            ("..", "dots"),
            (".", "dots"),
        ] {
            let found = wrong(name).unwrap_or_else(|| panic!("{name:?} is taken"));
            assert!(found.contains(why), "{name:?}: {found}");
        }
    }

    #[test]
    fn letters_that_pass_for_ascii_are_known() {
        for (name, among) in [
            ("сосо", "coco"),
            ("сосо1", "coco1"),
            ("Маша", "mawa"),
            ("admın", "admin"),
            ("Іѕаас", "isaac"),
            ("Іѕаас", "lsaac"),
            ("ОО", "00"),
        ] {
            let found = passes_for(name).expect("few enough");
            assert!(found.iter().any(|n| n == among), "{name}: {found:?}");
            assert!(found.iter().all(|n| n.is_ascii()));
        }
        for name in ["Борис", "josé", "ada", "l1l1l1l1l1"] {
            assert!(passes_for(name).expect("few enough").is_empty(), "{name}");
        }
        assert!(passes_for("ӏӏӏӏӏӏӏӏ").is_err(), "3 to the 8th");
    }

    #[test]
    fn a_name_is_known_as_it_was_given_too() {
        assert_eq!(spellings("ada"), ["ada"]);
        assert_eq!(spellings("jose\u{301}"), ["jos\u{e9}", "jose\u{301}"]);
        assert!(spellings(&"x".repeat(65)).is_empty());
        // Composed it has more bytes.
        assert_eq!(spellings(&"\u{1d160}".repeat(16)).len(), 1);
    }

    #[test]
    fn a_name_has_one_spelling() {
        let one = check("jose\u{301}").expect("a name");
        assert_eq!(one, "jos\u{e9}");
    }
}
