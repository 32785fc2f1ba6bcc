//! The running proxy: listener, threads, heartbeat, admin, drain.

use std::io;
use std::net::SocketAddr;
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use buffer::Budget;
use journal::{AppendError, Appender};
use parking_lot::Mutex;
use pingora_core::apps::ServerApp;
use pingora_core::listeners::ListenerConfig;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::stream::L4BufferSettings;
use pingora_core::server::{Fds, ShutdownWatch};
use pingora_core::services::Service as _;
use pingora_core::services::listening::Service;
use prometheus::Registry;
use settings::Exit;
use telemetry::{Admin, AdminError, Readiness, Shutdown};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Settings;
use crate::connection::Connection;
use crate::heartbeat::{beat, last_beat};
use crate::metrics::Metrics;
use crate::recording::Recording;
use crate::roster::Roster;
use crate::serve::{pass, serve};
use crate::source::Sources;
use crate::switch::Switch;
use crate::tape::Tape;

/// Why the proxy did not start, or did not stop as it should.
#[derive(Debug, Error)]
pub enum RunError {
    #[error("can't listen on {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("TLS on the listener: {0}; check --tls-certificate and --tls-key")]
    Tls(String),
    #[error(transparent)]
    Journal(#[from] AppendError),
    #[error("can't listen to signals: {0}")]
    Signals(io::Error),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("{0}")]
    Thread(io::Error),
    #[error("stopped with {lost} records that did not reach the journal")]
    Lost { lost: usize },
}

impl RunError {
    /// The exit code this ends in.
    pub fn exit(&self) -> Exit {
        match self {
            RunError::Listen { .. } | RunError::Journal(_) => Exit::Unavailable,
            RunError::Tls(_) => Exit::Config,
            RunError::Signals(_) | RunError::Metrics(_) | RunError::Thread(_) => Exit::Bug,
            RunError::Lost { .. } => Exit::No,
        }
    }
}

/// A proxy that accepts connections.
pub struct CaptureProxy {
    /// Where clients connect; the port is the real one when 0 was asked for.
    pub address: SocketAddr,
    /// The admin listener's address.
    pub admin: Option<SocketAddr>,
    app: Arc<App>,
    ready: Readiness,
    stop: watch::Sender<bool>,
    threads: Threads,
    _admin: Option<Admin>,
    heartbeat: Option<tokio::task::JoinHandle<()>>,
    /// Ends the recording.
    recording: Option<tokio::task::JoinHandle<()>>,
}

/// What every connection needs.
struct App {
    settings: Settings,
    journal: Option<Appender>,
    node: Arc<str>,
    roster: Arc<Roster>,
    metrics: Arc<Metrics>,
    budget: Arc<Budget>,
    sources: Sources,
    open: TaskTracker,
    recording: Arc<Recording>,
}

impl App {
    /// What switches capture; nothing to switch without a journal.
    fn switch(&self) -> Option<Switch> {
        let (node, roster) = (self.node.clone(), self.roster.clone());
        let (recording, turn) = (self.recording.clone(), Arc::default());
        let journal = self.journal.clone()?;
        Some(Switch { journal, node, roster, recording, turn })
    }
}

/// Starts a proxy and serves until `shutdown`, then drains.
///
/// # Errors
/// [`RunError`].
pub async fn run(settings: Settings, shutdown: Shutdown) -> Result<(), RunError> {
    CaptureProxy::start(settings).await?.run(shutdown).await
}

impl CaptureProxy {
    /// Opens the journal, binds, and accepts connections.
    ///
    /// # Errors
    /// [`RunError`]: the journal or an address can't be had.
    pub async fn start(mut settings: Settings) -> Result<CaptureProxy, RunError> {
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::new(&registry)?);
        let journal = open_journal(&settings).await?;
        if let Some(journal) = &journal {
            settings.read_size = fitting(settings.read_size, journal.largest_record());
        }
        let address = settings.listen;
        let listening = |error| RunError::Listen { address, error };
        let (listener, address) = bind(address).map_err(listening)?;
        let ready = Readiness::default();
        let node: Arc<str> = format!("{:016x}", rand::random::<u64>()).into();
        let app = Arc::new(App {
            sources: Sources::new(settings.source.clone(), settings.connect_timeout),
            journal,
            node,
            roster: Arc::default(),
            metrics,
            budget: Budget::of(settings.memory),
            open: TaskTracker::new(),
            recording: Arc::new(Recording::of(settings.capture_only)),
            settings,
        });
        let own = app.switch().map(Switch::routes).unwrap_or_default();
        let admin = Admin::bind_with(app.settings.admin, registry, ready.clone(), own).await;
        let admin = admin
            .map_err(|AdminError { address, source: error }| RunError::Listen { address, error })?;
        let heartbeat = app.journal.clone().map(|journal| {
            let (node, roster) = (app.node.clone(), app.roster.clone());
            tokio::spawn(beat(journal, node, roster, app.metrics.clone(), app.budget.clone()))
        });
        let recording = app.settings.record_for.filter(|_| app.journal.is_some()).map(|time| {
            let app = app.clone();
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                app.recording.end();
                tracing::info!(?time, "the recording is over: clients are served on");
            })
        });
        let (stop, stopping) = watch::channel(false);
        let mut threads = Threads::default();
        for _ in 0..app.settings.threads {
            let listener = listener.try_clone().map_err(RunError::Thread)?;
            threads.add(service(&app, address)?, listener, address, stopping.clone())?;
        }
        ready.set(true);
        let source = app.settings.source.to_string();
        tracing::info!(%address, %source, node = %app.node, "capture-proxy serves");
        Ok(CaptureProxy {
            address,
            admin: admin.as_ref().map(|admin| admin.address),
            app,
            ready,
            stop,
            threads,
            _admin: admin,
            heartbeat,
            recording,
        })
    }

    /// Serves until `shutdown`; then says that it isn't ready, serves on for the drain's delay, takes no new connections,
    /// lets open exchanges end, and makes every record durable.
    ///
    /// # Errors
    /// [`RunError::Lost`] when records did not reach the journal.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), RunError> {
        shutdown.draining().await;
        self.ready.set(false);
        let (delay, drain) = (self.app.settings.drain_delay, self.app.settings.drain);
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = shutdown.stopping() => {}
        }
        let _ = self.stop.send(true);
        self.app.recording.end();
        self.app.open.close();
        tokio::select! {
            () = self.app.open.wait() => {}
            () = tokio::time::sleep(drain) => {
                tracing::warn!(open = self.app.open.len(), "connections did not end in time");
            }
            () = shutdown.stopping() => {}
        }
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.abort();
        }
        let died = |error| RunError::Thread(io::Error::other(error));
        let threads = std::mem::take(&mut self.threads);
        tokio::task::spawn_blocking(move || threads.join()).await.map_err(died)?;
        let app = self.app.clone();
        if let Some(journal) = &app.journal {
            let last = last_beat(journal, &app.node, &app.roster);
            if tokio::time::timeout(drain, last).await.is_err() {
                tracing::warn!("the journal has no room for the last heartbeat");
            }
        }
        let closing = tokio::task::spawn_blocking(move || {
            app.journal.as_ref().map_or(0, |journal| journal.close(drain))
        });
        let lost = closing.await.map_err(died)?;
        if lost > 0 {
            return Err(RunError::Lost { lost });
        }
        tracing::info!("capture-proxy has drained");
        Ok(())
    }

    /// Records whose bytes were somewhere else in the journal's delivery report than where they
    /// were read to: 0, or something copies.
    pub fn moved_records(&self) -> usize {
        self.app.journal.as_ref().map_or(0, Appender::moved)
    }
}

impl Drop for CaptureProxy {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        for task in [self.heartbeat.take(), self.recording.take()].into_iter().flatten() {
            task.abort();
        }
        self.app.recording.end();
        self.threads.end.cancel();
    }
}

/// The threads that serve connections: one runtime each, and a connection stays on the thread that
/// accepted it. (pingora's own no-steal runtime keeps its handles in a thread-local that outlives
/// it, so that a second proxy in one process may land on the first one's dead threads.)
#[derive(Default)]
struct Threads {
    end: CancellationToken,
    joined: Vec<JoinHandle<()>>,
}

impl Threads {
    fn add(
        &mut self,
        mut service: Service<Capture>,
        listener: std::net::TcpListener,
        address: SocketAddr,
        stopping: ShutdownWatch,
    ) -> Result<(), RunError> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().map_err(RunError::Thread)?;
        // pingora takes the bound socket by its address, as from a process that hands over.
        let mut fds = Fds::new();
        fds.add(address.to_string(), listener.into_raw_fd());
        let fds = Arc::new(Mutex::new(fds));
        let end = self.end.clone();
        let thread = std::thread::Builder::new().name("capture".into()).spawn(move || {
            runtime.block_on(async move {
                let serving = service.start_service(Some(fds), stopping, 1);
                // Connections live on after the listener is closed, until all of them are done.
                tokio::join!(serving, end.cancelled());
            });
        });
        self.joined.push(thread.map_err(RunError::Thread)?);
        Ok(())
    }

    fn join(self) {
        self.end.cancel();
        for thread in self.joined {
            let _ = thread.join();
        }
    }
}

/// What a record has besides what was read: its slab's room in front and behind, and some to spare.
const AROUND_A_READ: usize = 512;

/// The largest read whose record the journal takes.
fn fitting(read_size: usize, largest_record: usize) -> usize {
    let most = largest_record.saturating_sub(AROUND_A_READ);
    if read_size > most {
        tracing::warn!(
            read_size,
            most,
            "the topic takes no record of a whole read: reads are made smaller; raise its max.message.bytes for larger ones"
        );
    }
    read_size.min(most)
}

async fn open_journal(settings: &Settings) -> Result<Option<Appender>, RunError> {
    let Some(url) = settings.journal.clone() else { return Ok(None) };
    let append = settings.append.clone();
    let opening = tokio::task::spawn_blocking(move || Appender::open(&url, &append));
    let opened = opening.await.map_err(|error| RunError::Thread(io::Error::other(error)))?;
    Ok(Some(opened?))
}

fn bind(address: SocketAddr) -> io::Result<(std::net::TcpListener, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(65_535)?.into_std()?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The service that accepts, does TLS, and calls us with streams. It listens on `app`'s address as
/// it was bound.
fn service(app: &Arc<App>, address: SocketAddr) -> Result<Service<Capture>, RunError> {
    let mut endpoint = ListenerConfig::tcp(address.to_string());
    endpoint = match &app.settings.tls {
        // Decrypting works best on pingora's own buffers; plain bytes need none.
        Some(tls) => {
            let (certificate, key) = (tls.certificate.to_string_lossy(), tls.key.to_string_lossy());
            let made = TlsSettings::intermediate(&certificate, &key);
            endpoint.tls(made.map_err(|error| RunError::Tls(error.to_string()))?)
        }
        None => endpoint.l4_buffer(L4BufferSettings::unbuffered()),
    };
    let mut service = Service::new("capture".into(), Capture(app.clone()));
    service.add_listener(endpoint);
    Ok(service)
}

/// What a connection costs while nothing passes (`benches/proxy/memory`).
const IDLE_CONNECTION: usize = 17 << 10;

struct Capture(Arc<App>);

#[async_trait]
impl ServerApp for Capture {
    async fn process_new(self: &Arc<Self>, client: Stream, _: &ShutdownWatch) -> Option<Stream> {
        let app = &self.0;
        let _open = app.open.token();
        app.metrics.connections.inc();
        let _memory = app.budget.connection(IDLE_CONNECTION);
        let source = app.sources.connect().await;
        let Some(journal) = app.journal.as_ref().filter(|_| app.recording.takes_one()) else {
            app.metrics.unrecorded.inc_by(u64::from(app.journal.is_some()));
            pass(&app.settings, &app.metrics, &app.budget, client, source).await;
            return None;
        };
        let place = app.roster.enter(&app.node);
        let (metrics, budget) = (&app.metrics, &app.budget);
        let seat = place.seat.clone();
        let tape = Tape::new(journal.clone(), &app.node, seat, metrics.clone(), budget.clone());
        let recording = &app.recording;
        let connection = Connection::new(&app.settings, metrics, &tape, budget, recording);
        serve(&connection, client, source).await;
        None
    }
}
