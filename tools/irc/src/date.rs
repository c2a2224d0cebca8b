//! A log file's date, from its name `YYYY-MM-DD.log`.
//!
//! Promises: only real dates of the Gregorian calendar, from 1970 to 9999.

/// One day in milliseconds.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The midnight (UTC) at which the day of this log file begins, in milliseconds since 1970.
/// Folders before the name do not count. `None` if the name is not `YYYY-MM-DD.log`.
#[must_use]
pub fn midnight_ms(file_name: &str) -> Option<u64> {
    let name = file_name.rsplit(['/', '\\']).next()?;
    let date = name.strip_suffix(".log")?;
    let mut parts = date.split('-');
    let (year, month, day) = (
        digits(parts.next()?, 4)?,
        digits(parts.next()?, 2)?,
        digits(parts.next()?, 2)?,
    );
    if parts.next().is_some() || year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    if day == 0 || day > days_of(year, month) {
        return None;
    }
    Some(days_since_1970(year, month, day) * DAY_MS)
}

/// A number of exactly this many decimal digits.
pub(crate) fn digits(text: &str, count: usize) -> Option<u64> {
    if text.len() != count || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let years: u64 = (1970..year)
        .map(|y| if is_leap(y) { 366 } else { 365 })
        .sum();
    let months: u64 = (1..month).map(|m| days_of(year, m)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_dates() {
        // Each from `date -u -d DATE +%s`.
        assert_eq!(midnight_ms("1970-01-01.log"), Some(0));
        assert_eq!(midnight_ms("2004-11-15.log"), Some(1_100_476_800_000));
        assert_eq!(midnight_ms("a/b/2008-02-29.log"), Some(1_204_243_200_000));
        assert_eq!(midnight_ms("2011-11-13.log"), Some(1_321_142_400_000));
    }

    #[test]
    fn other_names() {
        for name in [
            "",
            ".log",
            "2004-11-15",
            "2004-11-15.txt",
            "2004-13-01.log",
            "2005-02-29.log",
            "2004-00-10.log",
            "2004-10-00.log",
            "1969-12-31.log",
            "04-11-15.log",
            "2004-11-15-1.log",
            "+004-11-15.log",
            "2004-11-1é.log",
        ] {
            assert_eq!(midnight_ms(name), None, "{name}");
        }
    }
}
