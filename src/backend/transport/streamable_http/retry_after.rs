//! How long a backend wants to be left alone, by its `Retry-After`.
//!
//! Spec: RFC 9110, section 10.2.3.

use std::time::{Duration, SystemTime};

use http::{
    HeaderMap,
    header::{DATE, HeaderName, RETRY_AFTER},
};

/// Reads seconds, or a date. A date is held against the answer's own, so that the backend's clock need
/// not agree with ours; where it has none, against `now`.
pub(super) fn read(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = text(headers, &RETRY_AFTER)?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than can be counted are a pause all the same.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let from = self::text(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    // A date that has passed asks for no pause.
    Some(
        until
            .duration_since(from.unwrap_or(now))
            .unwrap_or_default(),
    )
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const EARLY: &str = "Thu, 26 Nov 2026 09:00:00 GMT";
    const LATER: &str = "Thu, 26 Nov 2026 09:00:07 GMT";

    fn asked(retry_after: &'static str, date: Option<&'static str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(retry_after));
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_static(date));
        }
        let now = httpdate::parse_http_date("Thu, 26 Nov 2026 09:00:03 GMT").unwrap();
        read(&headers, now)
    }

    #[test]
    fn seconds_are_taken_as_they_are() {
        assert_eq!(asked("0", None), Some(Duration::ZERO));
        assert_eq!(asked(" 120 ", None), Some(Duration::from_mins(2)));
        let endless = asked("99999999999999999999999", None);
        assert_eq!(endless, Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn a_date_is_held_against_the_backends_own_clock() {
        assert_eq!(asked(LATER, Some(EARLY)), Some(Duration::from_secs(7)));
        assert_eq!(asked(LATER, None), Some(Duration::from_secs(4)));
        assert_eq!(asked(EARLY, Some(LATER)), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_neither_asks_for_nothing() {
        for text in ["", "soon", "-1", "1.5", "2026-11-26", "+3"] {
            assert_eq!(asked(text, Some(EARLY)), None, "{text}");
        }
    }
}
