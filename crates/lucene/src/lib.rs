//! Read-only segment readers for Lucene 4.1 to 10: bytes of segment files in, stored documents out.
#![forbid(unsafe_code)]
