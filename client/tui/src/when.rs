//! Times as people say them, in a time zone that is given. Reads no clock.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

fn zoned(ms: u64, zone: &TimeZone) -> jiff::Zoned {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms)
        .unwrap_or(Timestamp::MAX)
        .to_zoned(zone.clone())
}

/// The day that it falls on.
pub(crate) fn day(ms: u64, zone: &TimeZone) -> Date {
    zoned(ms, zone).date()
}

/// `14:02`.
pub(crate) fn clock(ms: u64, zone: &TimeZone) -> String {
    zoned(ms, zone).strftime("%H:%M").to_string()
}

/// `Tuesday 24 November 2026`.
pub(crate) fn day_name(ms: u64, zone: &TimeZone) -> String {
    zoned(ms, zone).strftime("%A %-d %B %Y").to_string()
}

/// As short as can be, seen from `now`: `14:02`, `yesterday`, `Mon`, `24 Nov`, `24 Nov 2025`.
pub(crate) fn short(ms: u64, now_ms: u64, zone: &TimeZone) -> String {
    let (then, now) = (zoned(ms, zone), zoned(now_ms, zone));
    let days = now
        .date()
        .since(then.date())
        .map_or(0, |span| span.get_days());
    match days {
        ..=0 => then.strftime("%H:%M").to_string(),
        1 => "yesterday".to_owned(),
        2..=6 => then.strftime("%a").to_string(),
        _ if then.year() == now.year() => then.strftime("%-d %b").to_string(),
        _ => then.strftime("%-d %b %Y").to_string(),
    }
}

/// `2026-11-24 14:02`.
pub(crate) fn stamp(ms: u64, zone: &TimeZone) -> String {
    zoned(ms, zone).strftime("%Y-%m-%d %H:%M").to_string()
}

/// To the second, with the day.
pub(crate) fn whole(ms: u64, zone: &TimeZone) -> String {
    zoned(ms, zone)
        .strftime("%A %-d %B %Y, %H:%M:%S")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_795_521_600_000; // Tuesday 24 November 2026, 12:00 UTC

    #[test]
    fn times_as_people_say_them() {
        let utc = TimeZone::UTC;
        let hour = 3_600_000;
        assert_eq!(day_name(NOON, &utc), "Tuesday 24 November 2026");
        assert_eq!(clock(NOON, &utc), "12:00");
        assert_eq!(short(NOON - hour, NOON, &utc), "11:00");
        assert_eq!(short(NOON + hour, NOON, &utc), "13:00");
        assert_eq!(short(NOON - 13 * hour, NOON, &utc), "yesterday");
        assert_eq!(short(NOON - 60 * hour, NOON, &utc), "Sun");
        assert_eq!(short(NOON - 24 * 20 * hour, NOON, &utc), "4 Nov");
        assert_eq!(short(NOON - 24 * 365 * hour, NOON, &utc), "24 Nov 2025");
        let east = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(clock(NOON, &east), "14:00");
        assert_eq!(clock(u64::MAX, &utc).len(), 5);
    }
}
