//! What Godwit reads and writes, as bytes in and values out: capture records, HTTP/1.1 framing,
//! content codings and types, stored sources, exported records, PROXY headers, what of all that must not be stored. No I/O, no
//! clock; nothing here trusts a byte.

#![forbid(unsafe_code)]

pub mod body;
pub mod content;
pub mod export;
pub mod http1;
pub mod proxy_header;
pub mod reads;
pub mod record;
pub mod redact;
pub mod source;
