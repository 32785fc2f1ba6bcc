//! The few answers that the proxy gives itself. After each the connection is closed.

/// Why the proxy answers instead of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The journal does not take the write, and the source has nothing of it.
    Journal,
    /// The journal does not take the rest of a write, and the source has the part before.
    Midway,
    /// The source does not accept connections.
    Source,
    /// A request's head did not come to its end in time.
    Head,
}

impl Refusal {
    /// The reason's name in metrics.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Refusal::Journal => "journal",
            Refusal::Midway => "midway",
            Refusal::Source => "source",
            Refusal::Head => "head",
        }
    }

    /// The whole answer.
    pub(crate) fn answer(self) -> &'static [u8] {
        match self {
            Refusal::Journal => {
                b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
                retry-after: 1\r\ncontent-length: 82\r\nconnection: close\r\n\r\n\
                {\"error\":\"capture-proxy: the journal takes no records; the write was not sent on\"}"
            }
            // 500: of 502, 503 and 504 the clients of both vendors believe that another try does no harm, and make it by
            // themselves. No 4xx: it would say that nothing was executed.
            Refusal::Midway => {
                b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\n\
                content-length: 144\r\nconnection: close\r\n\r\n\
                {\"error\":\"capture-proxy: the journal takes no more records; a part of the request was sent on, \
                and whether any of it was executed is not known\"}"
            }
            Refusal::Source => {
                b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: application/json\r\n\
                content-length: 63\r\nconnection: close\r\n\r\n\
                {\"error\":\"capture-proxy: the source cluster cannot be reached\"}"
            }
            Refusal::Head => {
                b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\n\
                content-length: 66\r\nconnection: close\r\n\r\n\
                {\"error\":\"capture-proxy: the request's head did not come in time\"}"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_as_long_as_it_says() {
        for refusal in [Refusal::Journal, Refusal::Midway, Refusal::Source, Refusal::Head] {
            let text = std::str::from_utf8(refusal.answer()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            assert_eq!(length.unwrap().parse(), Ok(body.len()), "{refusal:?}");
        }
    }
}
