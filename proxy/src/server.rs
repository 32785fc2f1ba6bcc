//! The running proxy: listener, threads, heartbeat, admin, drain.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use async_trait::async_trait;
use buffer::Budget;
use journal::{AppendError, Appender};
use pingora_core::apps::ServerApp;
use pingora_core::listeners::{L4BufferSettings, ListenerConfig};
use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::listening::Service;
use prometheus::Registry;
use settings::Exit;
use telemetry::{Admin, Readiness, Shutdown};
use thiserror::Error;
use tokio::signal::unix::Signal;
use tokio::sync::{Mutex, watch};
use tokio_util::task::TaskTracker;

use crate::Settings;
use crate::accept::make_ready;
use crate::certificates::{Files, UNVERIFIED, follow};
use crate::connection::Connection;
use crate::heartbeat::{beat, last_beat, show_memory};
use crate::keep_alive::keep_alive;
use crate::metrics::Metrics;
use crate::recording::Recording;
use crate::roster::Roster;
use crate::serve::serve;
use crate::source::Sources;
use crate::switch::Switch;
use crate::systemd::{self, Systemd, watch};
use crate::tape::Tape;
use crate::threads::Threads;
use crate::tls::{Listening, listening};
use crate::upgrade::{Inherited, Program, Successor, UpgradeError};
use crate::watched::{FileError, Watched};

/// Why the proxy did not start, or did not stop as it should.
#[derive(Debug, Error)]
pub enum RunError {
    #[error("can't listen on {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("TLS: {0}")]
    Tls(#[from] FileError),
    #[error("can't take over from an older process: {0}")]
    Upgrade(io::Error),
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
            RunError::Signals(_)
            | RunError::Metrics(_)
            | RunError::Thread(_)
            | RunError::Upgrade(_) => Exit::Bug,
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
    admin_listener: Option<Admin>,
    /// What a new process takes over: the listener, and the admin's.
    sockets: Vec<TcpListener>,
    /// Shows what is counted, and writes heartbeats where there is a journal.
    heartbeat: Option<tokio::task::JoinHandle<()>>,
    /// Ends the recording.
    recording: Option<tokio::task::JoinHandle<()>>,
    /// Reads certificates again; tells systemd that it is alive.
    upkeep: Vec<tokio::task::JoinHandle<()>>,
    systemd: Systemd,
}

/// What every connection needs.
struct App {
    settings: Settings,
    journal: Option<Appender>,
    node: Arc<str>,
    roster: Arc<Roster>,
    metrics: Arc<Metrics>,
    budget: Arc<Budget>,
    tls: Option<Arc<Watched<Listening>>>,
    sources: Arc<Sources>,
    open: TaskTracker,
    recording: Arc<Recording>,
}

impl App {
    /// What each connection costs while nothing passes.
    fn idle_connection(&self) -> usize {
        let client = if self.tls.is_some() { CLIENT_TLS } else { 0 };
        let source = if self.sources.files().is_some() { SOURCE_TLS } else { 0 };
        IDLE_CONNECTION + client + source
    }

    /// What switches capture; nothing to switch without a journal.
    fn switch(&self) -> Option<Switch> {
        let (node, roster) = (self.node.clone(), self.roster.clone());
        let (recording, marks) = (self.recording.clone(), Mutex::default());
        let journal = self.journal.clone()?;
        Some(Switch { journal, node, roster, recording, marks })
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
    pub async fn start(settings: Settings) -> Result<CaptureProxy, RunError> {
        CaptureProxy::start_with(settings, Inherited::default()).await
    }

    /// As [`CaptureProxy::start`], with what an older process hands over.
    pub(crate) async fn start_with(
        mut settings: Settings,
        mut inherited: Inherited,
    ) -> Result<CaptureProxy, RunError> {
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::new(&registry)?);
        let tls = settings.tls.as_ref().map(listening).transpose()?.map(Arc::new);
        let (source, source_tls) = (settings.source.clone(), &settings.source_tls);
        let sources = Arc::new(Sources::new(source, source_tls, settings.connect_timeout)?);
        let (listener, address) = bind(settings.listen, &mut inherited)?;
        let mut sockets = vec![listener.try_clone().map_err(RunError::Thread)?];
        let admin_listener =
            settings.admin.map(|address| bind(address, &mut inherited)).transpose()?;
        if settings.has_one_writer() {
            // Once the older process ends, there is none to go on.
            if inherited.takes_over() {
                check_journal(&settings).await?;
            }
            inherited.predecessor_ends().await.map_err(RunError::Upgrade)?;
        }
        let journal = open_journal(&settings).await?;
        if let Some(journal) = &journal {
            settings.read_size = fitting(settings.read_size, journal.largest_record());
        }
        let unverified = settings.source_tls.danger_accept_invalid_certs;
        let ready = Readiness::with_warnings(unverified.then_some(UNVERIFIED));
        let node: Arc<str> = format!("{:016x}", rand::random::<u64>()).into();
        let app = Arc::new(App {
            tls,
            sources,
            journal,
            node,
            roster: Arc::default(),
            metrics,
            // An eighth is for what an allocator keeps beside what it gives out.
            budget: Budget::of(settings.memory / 8 * 7),
            open: TaskTracker::new(),
            recording: Arc::new(Recording::of(settings.capture_only)),
            settings,
        });
        let own = app.switch().map(Switch::routes).unwrap_or_default();
        let admin = match admin_listener {
            None => None,
            Some((listener, address)) => {
                sockets.push(listener.try_clone().map_err(RunError::Thread)?);
                let served = Admin::on(listener, registry, ready.clone(), own);
                Some(served.map_err(|error| RunError::Listen { address, error })?)
            }
        };
        let (shown, budget) = (app.metrics.clone(), app.budget.clone());
        let heartbeat = match app.journal.clone() {
            None => tokio::spawn(show_memory(shown, budget)),
            Some(journal) => {
                let (node, roster) = (app.node.clone(), app.roster.clone());
                tokio::spawn(beat(journal, node, roster, shown, budget))
            }
        };
        let recording = app.settings.record_for.filter(|_| app.journal.is_some()).map(|time| {
            let app = app.clone();
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                app.recording.end();
                tracing::info!(?time, "the recording is over: clients are served on");
            })
        });
        let (stop, stopping) = watch::channel(false);
        let watchdog = systemd::watchdog();
        // Twice as often as they are looked at.
        let mut threads = Threads::with_pulse(watchdog.map(|every| every / 2));
        for _ in 0..app.settings.threads {
            let listener = listener.try_clone().map_err(RunError::Thread)?;
            let service = service(&app, address);
            threads.add(service, listener, address, stopping.clone()).map_err(RunError::Thread)?;
        }
        let systemd = Systemd::of_environment();
        let files = Files {
            listener: app.tls.clone(),
            sources: app.sources.clone(),
            metrics: app.metrics.tls.clone(),
            unverified,
        };
        let mut upkeep = vec![tokio::spawn(follow(files, systemd.clone()))];
        if let Some(every) = watchdog {
            upkeep.push(tokio::spawn(watch(systemd.clone(), every, threads.pulses())));
        }
        ready.set(true);
        systemd.ready();
        let source = app.settings.source.to_string();
        let process = std::process::id();
        tracing::info!(%address, %source, node = %app.node, process, "capture-proxy serves");
        inherited.serves();
        Ok(CaptureProxy {
            address,
            admin: admin.as_ref().map(|admin| admin.address),
            app,
            ready,
            stop,
            threads,
            admin_listener: admin,
            sockets,
            heartbeat: Some(heartbeat),
            recording,
            upkeep,
            systemd,
        })
    }

    /// As [`CaptureProxy::run`]; and when `upgrades` says so, a new process takes over, and this one drains without delay.
    pub(crate) async fn run_upgradable(
        mut self,
        shutdown: Shutdown,
        program: &Program,
        mut upgrades: Signal,
    ) -> Result<(), RunError> {
        loop {
            tokio::select! {
                () = shutdown.draining() => return self.run(shutdown).await,
                Some(()) = upgrades.recv() => {}
            }
            match self.hand_over(program).await {
                Ok(successor) => {
                    tracing::info!(?successor, "a new process takes over");
                    let systemd = self.systemd.clone();
                    let outcome = self.end(shutdown).await;
                    if let Successor::Waits { process } = successor {
                        systemd.succeeded_by(process);
                    }
                    return outcome;
                }
                Err(error) => {
                    tracing::error!(%error, "the upgrade has failed: this process serves on");
                }
            }
        }
    }

    async fn hand_over(&mut self, program: &Program) -> Result<Successor, UpgradeError> {
        let sockets: io::Result<Vec<_>> = self.sockets.iter().map(TcpListener::try_clone).collect();
        let successor = program.succeed(sockets?, self.app.settings.upgrade_timeout).await?;
        if let Successor::Serves { process } = successor {
            // What is asked from now on is the new one's to answer.
            self.systemd.succeeded_by(process);
            self.admin_listener = None;
        }
        Ok(successor)
    }

    /// Serves until `shutdown`; then says that it isn't ready, serves on for the drain's delay, takes no new connections,
    /// lets open exchanges end, and makes every record durable.
    ///
    /// # Errors
    /// [`RunError::Lost`] when records did not reach the journal.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), RunError> {
        shutdown.draining().await;
        self.ready.set(false);
        self.systemd.stopping();
        tokio::select! {
            () = tokio::time::sleep(self.app.settings.drain_delay) => {}
            () = shutdown.stopping() => {}
        }
        self.end(shutdown).await
    }

    async fn end(mut self, shutdown: Shutdown) -> Result<(), RunError> {
        let drain = self.app.settings.drain;
        self.sockets.clear();
        let _ = self.stop.send(true);
        self.threads.stopped_accepting().await;
        self.app.recording.close_connections();
        self.app.metrics.draining.set(1);
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
        let tasks = [self.heartbeat.take(), self.recording.take()].into_iter().flatten();
        for task in tasks.chain(self.upkeep.drain(..)) {
            task.abort();
        }
        self.app.recording.close_connections();
        self.threads.end.cancel();
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

/// Whether the journal could be opened if it weren't the older process's.
async fn check_journal(settings: &Settings) -> Result<(), RunError> {
    let Some(url) = settings.journal.clone() else { return Ok(()) };
    let append = settings.append.clone();
    let checking = tokio::task::spawn_blocking(move || Appender::check(&url, &append));
    let checked = checking.await.map_err(|error| RunError::Thread(io::Error::other(error)))?;
    Ok(checked?)
}

async fn open_journal(settings: &Settings) -> Result<Option<Appender>, RunError> {
    let Some(url) = settings.journal.clone() else { return Ok(None) };
    let append = settings.append.clone();
    let opening = tokio::task::spawn_blocking(move || Appender::open(&url, &append));
    let opened = opening.await.map_err(|error| RunError::Thread(io::Error::other(error)))?;
    Ok(Some(opened?))
}

/// A socket that listens: an older process's, or a new one.
fn bind(
    address: SocketAddr,
    inherited: &mut Inherited,
) -> Result<(TcpListener, SocketAddr), RunError> {
    let mut bound = || {
        let listener = match inherited.socket(address) {
            Some(listener) => listener,
            None => new_socket(address)?,
        };
        keep_alive(&listener)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound().map_err(|error| RunError::Listen { address, error })
}

fn new_socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(65_535)?.into_std()
}

/// The service that accepts, and calls us with bare connections. It listens on `app`'s address as it was bound.
fn service(app: &Arc<App>, address: SocketAddr) -> Service<Capture> {
    // Decrypting works best on pingora's own buffers; plain bytes need none.
    let buffers = match app.tls {
        Some(_) => L4BufferSettings::default(),
        None => L4BufferSettings::unbuffered(),
    };
    let mut service = Service::new("capture".into(), Capture(app.clone()));
    service.add_listener(ListenerConfig::tcp(address.to_string()).l4_buffer(buffers));
    service
}

/// What a connection costs while nothing passes (`benches/proxy/memory`).
const IDLE_CONNECTION: usize = 17 << 10;
/// What TLS with the client adds: pingora's buffer of 64 KiB, which stays once it was read into, and what rustls keeps. 73.6 KiB a
/// connection were measured, over 500 that had sent and got 300 KB each.
const CLIENT_TLS: usize = 74 << 10;
/// What TLS with the source adds: what rustls keeps. 8.4 KiB, measured in the same way.
const SOURCE_TLS: usize = 9 << 10;

struct Capture(Arc<App>);

#[async_trait]
impl ServerApp for Capture {
    async fn process_new(self: &Arc<Self>, accepted: Stream, _: &ShutdownWatch) -> Option<Stream> {
        let app = &self.0;
        let _open = app.open.token();
        app.metrics.connections.inc();
        let _memory = app.budget.connection(app.idle_connection());
        let accepted = match make_ready(&app.settings.entry, app.tls.as_deref(), accepted).await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection is closed before it was served");
                app.metrics.not_served.with_label_values(&[error.reason()]).inc();
                return None;
            }
        };
        let source = app.sources.connect().await;
        let (metrics, budget) = (&app.metrics, &app.budget);
        let recorded = app.journal.as_ref().filter(|_| app.recording.takes_one());
        let place = recorded.map(|journal| (journal, app.roster.enter(&app.node)));
        let tape = match &place {
            Some((journal, place)) => Tape::new(
                (*journal).clone(),
                &app.node,
                place.seat.clone(),
                metrics.clone(),
                budget.clone(),
            ),
            None => {
                metrics.unrecorded.inc_by(u64::from(app.journal.is_some()));
                Tape::blank(metrics.clone(), budget.clone())
            }
        };
        let (settings, recording, from) = (&app.settings, &app.recording, accepted.from);
        let connection = Connection::new(settings, metrics, &tape, budget, recording, from);
        serve(&connection, accepted, source).await;
        None
    }
}
