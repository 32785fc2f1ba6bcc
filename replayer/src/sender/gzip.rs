//! Compression of request bodies.

use std::{
    borrow::Cow,
    io::{self, Write as _},
};

use bytes::Bytes;
use cluster::{HeaderValue, Request};
use flate2::{Compression, write::GzEncoder};

/// What fits into one packet gains nothing.
const LEAST: usize = 1400;
/// More is compressed on a thread for such work, so that other requests aren't held up.
const MUCH: usize = 32 << 10;

/// The request with its body compressed, where that is shorter.
pub(super) async fn packed(request: &Request) -> Cow<'_, Request> {
    let body = request.body.clone();
    let compressed = match body.len() {
        length if length < LEAST => return Cow::Borrowed(request),
        length if length < MUCH => compress(&body),
        _ => match tokio::task::spawn_blocking(move || compress(&body)).await {
            Ok(compressed) => compressed,
            Err(died) => std::panic::resume_unwind(died.into_panic()),
        },
    };
    match compressed {
        Ok(compressed) if compressed.len() < request.body.len() => {
            let mut packed = request.clone();
            packed.headers.insert("content-encoding", HeaderValue::from_static("gzip"));
            packed.body = compressed;
            Cow::Owned(packed)
        }
        // Memory takes what is written; and what doesn't get shorter goes as it is.
        _ => Cow::Borrowed(request),
    }
}

fn compress(body: &Bytes) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use cluster::Method;

    use super::*;

    #[tokio::test]
    async fn bodies_are_compressed_where_that_is_shorter() {
        let of = |body: Vec<u8>| Request::json(Method::POST, "/_bulk", body);
        for length in [LEAST, MUCH, 1 << 20] {
            let request = of(vec![b'a'; length]);
            let packed = packed(&request).await;
            assert_eq!(packed.headers["content-encoding"], "gzip");
            let whole = codec::body::decode(b"gzip", &packed.body, length).unwrap();
            assert_eq!(whole, request.body);
        }
        let short = of(vec![b'a'; LEAST - 1]);
        assert!(matches!(packed(&short).await, Cow::Borrowed(_)));
        let random = of((0..4096).map(|_| rand::random()).collect());
        assert!(matches!(packed(&random).await, Cow::Borrowed(_)));
    }
}
