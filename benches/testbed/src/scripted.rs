//! A server of bytes: records all it gets and answers by a script. For tests of what a proxy does
//! to bytes; where a test is about search, use a real server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

mod framing;

/// What the script is shown after each read.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Which connection, from 0 in the order of their coming.
    pub connection: usize,
    /// All its bytes so far.
    pub received: &'a [u8],
    /// How many complete requests these are.
    pub requests: usize,
    /// How many of them are new with this read.
    pub new_requests: usize,
}

/// What the source does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Close for writing (`FIN`) and go on reading.
    Finish,
    /// Close.
    Close,
    /// Reset (`RST`).
    Reset,
}

type Script = dyn FnMut(Seen<'_>) -> Vec<Step> + Send;

/// A listening source. Dropping it closes everything.
#[derive(Debug)]
pub struct ScriptedSource {
    addr: SocketAddr,
    connections: watch::Receiver<Vec<Connection>>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Clone)]
struct Connection {
    received: Arc<Mutex<Vec<u8>>>,
    /// Counts reads, and the end of the connection.
    progress: watch::Receiver<Progress>,
    orders: mpsc::UnboundedSender<Step>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    bytes: usize,
    client_finished: bool,
}

impl ScriptedSource {
    /// Calls `script` after each read and does what it says.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn new(
        script: impl FnMut(Seen<'_>) -> Vec<Step> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let (publish, connections) = watch::channel(Vec::new());
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(script));
        let accepting = tokio::spawn(accept(listener, script, publish));
        Ok(Self { addr, connections, accepting })
    }

    /// Answers each complete request with these bytes.
    ///
    /// # Errors
    /// As [`ScriptedSource::new`].
    pub async fn answering(answer: impl Into<Vec<u8>>) -> anyhow::Result<Self> {
        let answer = answer.into();
        Self::new(move |seen| vec![Step::Send(answer.clone()); seen.new_requests]).await
    }

    /// Answers the first complete request of each connection with the first of `answers`, and so on;
    /// what comes after the last gets none.
    ///
    /// # Errors
    /// As [`ScriptedSource::new`].
    pub async fn answering_each(answers: Vec<Vec<u8>>) -> anyhow::Result<Self> {
        Self::new(move |seen| {
            let first = seen.requests - seen.new_requests;
            let due = answers.iter().skip(first).take(seen.new_requests);
            due.map(|answer| Step::Send(answer.clone())).collect()
        })
        .await
    }

    /// Never answers by itself: the test does, with [`ScriptedSource::act`].
    ///
    /// # Errors
    /// As [`ScriptedSource::new`].
    pub async fn silent() -> anyhow::Result<Self> {
        Self::new(|_| Vec::new()).await
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://` and [`ScriptedSource::addr`].
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Every byte that connection has brought so far; empty where there is no such connection.
    #[must_use]
    pub fn received(&self, connection: usize) -> Vec<u8> {
        let known = self.connections.borrow();
        known.get(connection).map(|known| known.received.lock().clone()).unwrap_or_default()
    }

    /// Waits until that connection is there and has brought `bytes` bytes, and returns all it has.
    ///
    /// # Errors
    /// After 10 s, with what came.
    pub async fn wait_for(&self, connection: usize, bytes: usize) -> anyhow::Result<Vec<u8>> {
        self.wait(connection, move |progress| progress.bytes >= bytes)
            .await
            .with_context(|| format!("waited for {bytes} bytes on connection {connection}"))
    }

    /// Waits until the other side has closed that connection, and returns all it brought.
    ///
    /// # Errors
    /// After 10 s, with what came.
    pub async fn wait_for_end(&self, connection: usize) -> anyhow::Result<Vec<u8>> {
        self.wait(connection, |progress| progress.client_finished)
            .await
            .with_context(|| format!("waited for the end of connection {connection}"))
    }

    async fn wait(
        &self,
        connection: usize,
        enough: impl Fn(&Progress) -> bool,
    ) -> anyhow::Result<Vec<u8>> {
        let waited = async {
            let mut connections = self.connections.clone();
            connections.wait_for(|known| known.len() > connection).await?;
            let mut progress = self.progress_of(connection)?;
            progress.wait_for(enough).await?;
            anyhow::Ok(())
        };
        match tokio::time::timeout(Duration::from_secs(10), waited).await {
            Ok(outcome) => outcome.map(|()| self.received(connection)),
            Err(_) => {
                let came = self.received(connection);
                anyhow::bail!("10 s over; received: {:?}", String::from_utf8_lossy(&came))
            }
        }
    }

    fn progress_of(&self, connection: usize) -> anyhow::Result<watch::Receiver<Progress>> {
        let known = self.connections.borrow();
        let connection = known.get(connection).context("no such connection")?;
        Ok(connection.progress.clone())
    }

    /// Does `step` on that connection now.
    ///
    /// # Errors
    /// When there is no such connection, or it is closed.
    pub fn act(&self, connection: usize, step: Step) -> anyhow::Result<()> {
        let known = self.connections.borrow();
        let known = known.get(connection).context("no such connection")?;
        known.orders.send(step).ok().context("the connection is closed")
    }
}

impl Drop for ScriptedSource {
    fn drop(&mut self) {
        self.accepting.abort();
        for connection in self.connections.borrow().iter() {
            let _ = connection.orders.send(Step::Close);
        }
    }
}

async fn accept(
    listener: TcpListener,
    script: Arc<Mutex<Script>>,
    publish: watch::Sender<Vec<Connection>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let number = publish.borrow().len();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (report, progress) = watch::channel(Progress::default());
        let (orders, inbox) = mpsc::unbounded_channel();
        let known = Connection { received: Arc::clone(&received), progress, orders };
        publish.send_modify(|connections| connections.push(known));
        tokio::spawn(serve(stream, number, received, Arc::clone(&script), report, inbox));
    }
}

async fn serve(
    mut stream: TcpStream,
    number: usize,
    received: Arc<Mutex<Vec<u8>>>,
    script: Arc<Mutex<Script>>,
    report: watch::Sender<Progress>,
    mut orders: mpsc::UnboundedReceiver<Step>,
) {
    let _ = stream.set_nodelay(true);
    let mut buffer = vec![0; 64 * 1024];
    let mut requests = 0;
    let mut open = true;
    loop {
        let steps = tokio::select! {
            order = orders.recv() => match order {
                Some(step) => vec![step],
                None => return,
            },
            count = stream.read(&mut buffer), if open => match count {
                Ok(count) if count > 0 => {
                    let mut all = received.lock();
                    all.extend_from_slice(&buffer[..count]);
                    let complete = framing::complete_requests(&all);
                    let seen = Seen {
                        connection: number,
                        received: &all,
                        requests: complete,
                        new_requests: complete.saturating_sub(requests),
                    };
                    requests = complete;
                    let steps = (script.lock())(seen);
                    report.send_modify(|progress| progress.bytes = all.len());
                    steps
                }
                _ => {
                    open = false;
                    report.send_modify(|progress| progress.client_finished = true);
                    continue;
                }
            },
        };
        for step in steps {
            let done = match step {
                Step::Send(bytes) => stream.write_all(&bytes).await,
                Step::Finish => stream.shutdown().await,
                Step::Close => return,
                Step::Reset => {
                    let _ = stream.set_zero_linger();
                    return;
                }
            };
            if done.is_err() {
                open = false;
                report.send_modify(|progress| progress.client_finished = true);
            }
        }
    }
}
