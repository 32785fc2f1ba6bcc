//! One connection: a request goes out, its reply comes in.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use codec::http1::{
    Assembled, DEFAULT_HEAD_LIMIT, Finished, Method, ResponseAssembler, ResponseMessage, Version,
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

use super::request::Heading;
use crate::{Reply, Request, sigv4::Signed};

/// A body up to this size is copied behind its head, so that one write sends both.
const COPIED: usize = 16 << 10;
/// Room for a read.
const READ: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// What is written, kept for its memory.
    out: Vec<u8>,
    read: BytesMut,
    replies: ResponseAssembler,
    /// Another request may follow.
    reusable: bool,
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Failed {
    TooLong,
    Broken(String),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Connection {
    pub(super) async fn open(host: &str, port: u16) -> io::Result<Self> {
        // Of an address of version 6 in a url, brackets are part.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            out: Vec::new(),
            read: BytesMut::new(),
            replies: ResponseAssembler::new(DEFAULT_HEAD_LIMIT, 0),
            reusable: true,
        })
    }

    pub(super) fn is_reusable(&self) -> bool {
        self.reusable
    }

    /// Whether nothing has come since the last reply: neither an end nor what nobody asked for.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// `Err`, or given up: the connection is of no use any more.
    pub(super) async fn exchange(
        &mut self,
        heading: &Heading,
        request: &Request,
        signed: Option<&Signed>,
        limit: usize,
    ) -> Result<Reply, Failed> {
        self.reusable = false;
        self.replies = ResponseAssembler::new(DEFAULT_HEAD_LIMIT, limit);
        let began = Instant::now();
        // A refusal may come before the whole body is sent, and be all that comes.
        let written = self.write(heading, request, signed).await;
        let method = Method::of(request.method.as_str().as_bytes());
        let (reply, waited) = match self.reply(method, began, limit).await {
            Ok(found) => found,
            Err(failed) => return Err(written.err().map_or(failed, Failed::from)),
        };
        let close = reply.headers.has_token("connection", "close");
        self.reusable &= written.is_ok() && reply.version == Version::Http11 && !close;
        Ok(Reply {
            status: reply.status,
            headers: headers(&reply),
            body: reply.body.to_bytes(),
            waited,
            note: None,
        })
    }

    async fn write(
        &mut self,
        heading: &Heading,
        request: &Request,
        signed: Option<&Signed>,
    ) -> io::Result<()> {
        self.out.clear();
        heading.write(request, signed, &mut self.out);
        if request.body.len() <= COPIED {
            self.out.extend_from_slice(&request.body);
            return self.stream.write_all(&self.out).await;
        }
        let mut both = bytes::Buf::chain(self.out.as_slice(), request.body.as_ref());
        self.stream.write_all_buf(&mut both).await
    }

    /// The reply, and how long its first bytes took.
    async fn reply(
        &mut self,
        method: Method,
        began: Instant,
        limit: usize,
    ) -> Result<(ResponseMessage, Duration), Failed> {
        let mut waited = None;
        loop {
            self.read.reserve(READ);
            let count = self.stream.read_buf(&mut self.read).await?;
            let waited = *waited.get_or_insert_with(|| began.elapsed());
            if count == 0 {
                return match self.replies.finish() {
                    Finished::Message(reply) if reply.complete => Ok((kept(reply)?, waited)),
                    _ => Err(Failed::Broken("the connection ended before the answer did".into())),
                };
            }
            let mut bytes: Bytes = self.read.split().freeze();
            loop {
                match self.replies.next(&mut bytes, method) {
                    None => break,
                    Some(Assembled::Opaque(reason)) => {
                        return Err(Failed::Broken(format!("the answer has no bounds: {reason}")));
                    }
                    Some(Assembled::Message(reply)) if reply.interim => {}
                    Some(Assembled::Message(reply)) => {
                        // What comes without being asked for belongs to nobody.
                        self.reusable = bytes.is_empty();
                        return Ok((kept(reply)?, waited));
                    }
                }
            }
            if self.replies.body_len() > limit as u64 {
                return Err(Failed::TooLong);
            }
        }
    }
}

fn kept(reply: ResponseMessage) -> Result<ResponseMessage, Failed> {
    if reply.body.truncated { Err(Failed::TooLong) } else { Ok(reply) }
}

fn headers(reply: &ResponseMessage) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(reply.headers.len());
    for (name, value) in reply.headers.iter() {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_maybe_shared(value.clone()))
        {
            map.append(name, value);
        }
    }
    map
}
