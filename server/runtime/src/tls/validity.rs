//! From when until when a certificate is valid (RFC 5280, 4.1.2.5).
//!
//! Never: a judgement on anything else in it.

use std::time::Duration;

use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{DateTime, Decode as _};

/// Both ends, inclusive, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from_s: u64,
    pub(super) until_s: u64,
}

impl Validity {
    /// Of a certificate; none if it cannot be made out.
    pub(super) fn of(der: &[u8]) -> Option<Self> {
        let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
        let validity = certificate.tbs_certificate().validity();
        Some(Self {
            from_s: validity.not_before.to_unix_duration().as_secs(),
            until_s: validity.not_after.to_unix_duration().as_secs(),
        })
    }
}

/// A time as people read it, in UTC.
pub(super) fn date(at_s: u64) -> String {
    DateTime::from_unix_duration(Duration::from_secs(at_s))
        .map_or_else(|_| format!("{at_s} s after 1970"), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (at_s, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (u64::MAX, "18446744073709551615 s after 1970"),
        ] {
            assert_eq!(date(at_s), shown);
        }
    }

    #[test]
    fn what_is_no_certificate_says_nothing() {
        for der in [&b""[..], b"0", &[0x30, 0x82, 0xff, 0xff], &[0x30, 0x00]] {
            assert_eq!(Validity::of(der), None, "{der:?}");
        }
    }
}
