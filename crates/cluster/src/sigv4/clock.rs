//! Clocks that differ.

use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use reqwest::header::{DATE, HeaderMap};

/// How long a signature holds.
const TOLERATED: SignedDuration = SignedDuration::from_mins(5);

/// Why a signed request was refused, where the answer's time tells it.
pub(crate) fn note(status: u16, headers: &HeaderMap, now: SystemTime) -> Option<String> {
    if status != 403 {
        return None;
    }
    let theirs = headers.get(DATE)?.to_str().ok()?;
    let theirs = rfc2822::parse(theirs).ok()?.timestamp();
    let ahead = Timestamp::try_from(now).ok()?.duration_since(theirs);
    if ahead.abs() <= TOLERATED {
        return None;
    }
    let minutes = ahead.abs().as_mins();
    let direction = if ahead.is_positive() { "ahead of" } else { "behind" };
    Some(format!(
        "this machine's clock is {minutes} minutes {direction} the cluster's, and a signature holds for five: set it right"
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn only_a_large_difference_explains_a_refusal() {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        let theirs = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let ahead = note(403, &headers, theirs + minutes(7)).unwrap();
        assert!(ahead.contains("7 minutes ahead"), "{ahead}");
        assert!(note(403, &headers, theirs - minutes(61)).unwrap().contains("61 minutes behind"));
        assert_eq!(note(403, &headers, theirs + minutes(5)), None);
        assert_eq!(note(400, &headers, theirs + minutes(7)), None);
        headers.insert(DATE, HeaderValue::from_static("soon"));
        assert_eq!(note(403, &headers, theirs + minutes(7)), None);
    }
}
