//! From when until when a certificate is valid, read out of its DER (RFC 5280, 4.1).
//!
//! Never: a judgement on anything else in it, nor a panic whatever the bytes are.

const SECONDS_PER_DAY: i64 = 86_400;

/// Both ends, inclusive, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from_s: i64,
    pub(super) until_s: i64,
}

impl Validity {
    /// Of a certificate; none if it cannot be made out.
    pub(super) fn of(der: &[u8]) -> Option<Self> {
        let (certificate, _) = value(der, 0x30)?;
        let (mut rest, _) = value(certificate, 0x30)?;
        // The version, which the oldest certificates do not have.
        if rest.first() == Some(&0xa0) {
            rest = value(rest, 0xa0)?.1;
        }
        // Serial number, algorithm, issuer.
        for tag in [0x02, 0x30, 0x30] {
            rest = value(rest, tag)?.1;
        }
        let (validity, _) = value(rest, 0x30)?;
        let (from_s, rest) = time(validity)?;
        let (until_s, _) = time(rest)?;
        Some(Self { from_s, until_s })
    }
}

/// The contents of the first element, which has this tag, and what is behind it.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, len], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    if len < 0x80 {
        return rest.split_at_checked(len.into());
    }
    let (long, rest) = rest.split_at_checked(usize::from(len & 0x7f))?;
    if long.is_empty() || long.len() > 4 {
        return None;
    }
    let len = long
        .iter()
        .fold(0_u32, |len, byte| len << 8 | u32::from(*byte));
    rest.split_at_checked(usize::try_from(len).ok()?)
}

/// The time at the front, and what is behind it.
fn time(der: &[u8]) -> Option<(i64, &[u8])> {
    let (text, rest, century) = match der.first()? {
        // UTCTime: years from 1950 to 2049.
        0x17 => {
            let (text, rest) = value(der, 0x17)?;
            (text, rest, None)
        }
        // GeneralizedTime.
        _ => {
            let (text, rest) = value(der, 0x18)?;
            let (century, text) = text.split_at_checked(2)?;
            (text, rest, Some(number(century)?))
        }
    };
    let &[y1, y2, o1, o2, d1, d2, h1, h2, m1, m2, s1, s2, b'Z'] = text else {
        return None;
    };
    let pair = |a, b| number(&[a, b]);
    let year = pair(y1, y2)?;
    let year = match century {
        Some(century) => century * 100 + year,
        None if year < 50 => 2_000 + year,
        None => 1_900 + year,
    };
    let days = days(year, pair(o1, o2)?, pair(d1, d2)?);
    let seconds = pair(h1, h2)? * 3_600 + pair(m1, m2)? * 60 + pair(s1, s2)?;
    Some((days * SECONDS_PER_DAY + seconds, rest))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |n, digit| {
        digit
            .is_ascii_digit()
            .then(|| n * 10 + i64::from(digit - b'0'))
    })
}

/// Days since 1970 of a day of the Gregorian calendar. Years here begin in March, so that the day
/// of a leap year is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
        - 719_468
}

/// A time as people read it, in UTC.
pub(super) fn date(at_s: i64) -> String {
    let (days_since, second) = (
        at_s.div_euclid(SECONDS_PER_DAY),
        at_s.rem_euclid(SECONDS_PER_DAY),
    );
    let z = days_since + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02} UTC",
        second / 3_600,
        second / 60 % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_those_of_the_calendar() {
        for (at_s, shown) in [
            (0, "1970-01-01 00:00 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_799, "2000-02-29 23:59 UTC"),
            (951_868_800, "2000-03-01 00:00 UTC"),
            (1_704_067_199, "2023-12-31 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59 UTC"),
        ] {
            assert_eq!(date(at_s), shown);
        }
        // There and back, each day of eight centuries.
        let mut day = days(1_600, 1, 1);
        for year in 1_600..2_400 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let months = [
                31,
                if leap { 29 } else { 28 },
                31,
                30,
                31,
                30,
                31,
                31,
                30,
                31,
                30,
                31,
            ];
            for (month, len) in (1..).zip(months) {
                for of_month in 1..=len {
                    assert_eq!(days(year, month, of_month), day);
                    let shown = format!("{year:04}-{month:02}-{of_month:02} 00:00 UTC");
                    assert_eq!(date(day * SECONDS_PER_DAY), shown);
                    day += 1;
                }
            }
        }
    }

    #[test]
    fn both_forms_of_time_are_read_and_others_are_not() {
        let utc = |text: &str| [&[0x17, text.len() as u8], text.as_bytes()].concat();
        let general = |text: &str| [&[0x18, text.len() as u8], text.as_bytes()].concat();
        let read = |der: &[u8]| time(der).map(|(at_s, _)| at_s);
        assert_eq!(read(&utc("700101000000Z")), Some(0));
        assert_eq!(read(&utc("491231235959Z")), Some(2_524_607_999));
        assert_eq!(read(&utc("500101000000Z")), Some(-631_152_000));
        assert_eq!(read(&general("20000229000000Z")), Some(951_782_400));
        for wrong in [
            "",
            "700101000000",
            "70010100000Z",
            "7001010000xxZ",
            "700101000000+0100",
        ] {
            assert_eq!(read(&utc(wrong)), None, "{wrong}");
        }
        assert_eq!(read(&general("700101000000Z")), None);
    }

    #[test]
    fn bytes_that_are_cut_or_of_another_kind_say_nothing() {
        let der = [
            0x30, 0x81, 0x2c, 0x30, 0x2a, 0xa0, 1, 2, 0x02, 1, 9, 0x30, 0, 0x30, 0, 0x30, 0x1e,
            0x17, 13,
        ];
        let times = [&b"700101000000Z"[..], &[0x17, 13], b"700101000001Z"].concat();
        let der = [&der[..], &times].concat();
        let right = Validity {
            from_s: 0,
            until_s: 1,
        };
        assert_eq!(Validity::of(&der), Some(right));
        for len in 0..der.len() {
            assert_eq!(Validity::of(&der[..len]), None, "{len} bytes");
        }
        for at in 0..der.len() {
            for byte in 0..=255 {
                let mut other = der.clone();
                other[at] = byte;
                // Whatever comes of it, it comes without a panic.
                let _ = Validity::of(&other);
            }
        }
    }
}
