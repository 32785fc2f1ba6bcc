//! A door in front of a real server: each request passes, or is answered at the door.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
    task::{AbortHandle, JoinHandle, JoinSet},
};

/// What a whole request, its head and its body as they came, is answered in the server's place; `None`: it passes.
type Verdict = dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync;

/// Looks at each request. For clients that send one at a time and say how long it is. Dropping it closes everything.
#[derive(Debug)]
pub struct Gate {
    addr: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Gate {
    /// In front of `target`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn in_front_of(
        target: SocketAddr,
        verdict: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, target, Arc::new(verdict)));
        Ok(Self { addr, accepting })
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// An answer of JSON.
    #[must_use]
    pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\n{headers}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, verdict: Arc<Verdict>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        let verdict = Arc::clone(&verdict);
        connections.spawn(async move { drop(carry(client, target, &*verdict).await) });
    }
}

async fn carry(client: TcpStream, target: SocketAddr, verdict: &Verdict) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let to_client = Arc::new(Mutex::new(to_client));
    let answering = tokio::spawn(answers(from_server, Arc::clone(&to_client)));
    let _answering = Ends(answering.abort_handle());
    let mut received = Vec::new();
    while let Some(length) = request(&mut from_client, &mut received).await? {
        let bytes: Vec<u8> = received.drain(..length).collect();
        match verdict(&bytes) {
            None => to_server.write_all(&bytes).await?,
            Some(answer) => to_client.lock().await.write_all(&answer).await?,
        }
    }
    Ok(())
}

/// Reads until a whole request is there; its length. `None`: the client is gone.
async fn request(from: &mut OwnedReadHalf, received: &mut Vec<u8>) -> io::Result<Option<usize>> {
    loop {
        if let Some(length) = length(received)?
            && received.len() >= length
        {
            return Ok(Some(length));
        }
        if from.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
}

/// Bytes of the request that `received` begins with, once its head is there.
fn length(received: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
    let value = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    if value("transfer-encoding").is_some() {
        return Err(io::Error::other("a request that doesn't say how long it is"));
    }
    let body: usize =
        value("content-length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
    Ok(Some(end + 4 + body))
}

async fn answers(mut from: OwnedReadHalf, to: Arc<Mutex<OwnedWriteHalf>>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.lock().await.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
    let _ = to.lock().await.shutdown().await;
}

struct Ends(AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}
