//! The threads that serve connections: one runtime each, and a connection stays on the thread that accepted it.
//!
//! (pingora's own no-steal runtime keeps its handles in a thread-local that outlives it, so that a second proxy in one
//! process may land on the first one's dead threads.)

use std::io;
use std::net::SocketAddr;
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use pingora_core::apps::ServerApp;
use pingora_core::server::{Fds, ShutdownWatch};
use pingora_core::services::Service as _;
use pingora_core::services::listening::Service;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// They run until [`Threads::join`].
#[derive(Default)]
pub(crate) struct Threads {
    pub(crate) end: CancellationToken,
    joined: Vec<JoinHandle<()>>,
    accepting: TaskTracker,
    /// How often each of them says that it runs; `None`: nobody asks.
    pulse: Option<Duration>,
    pulses: Vec<Pulse>,
}

/// Counts up as long as a thread runs.
pub(crate) type Pulse = Arc<AtomicU64>;

impl Threads {
    pub(crate) fn with_pulse(pulse: Option<Duration>) -> Threads {
        Threads { pulse, ..Threads::default() }
    }

    pub(crate) fn pulses(&self) -> Vec<Pulse> {
        self.pulses.clone()
    }

    pub(crate) fn add<A: ServerApp + Send + Sync + 'static>(
        &mut self,
        mut service: Service<A>,
        listener: std::net::TcpListener,
        address: SocketAddr,
        stopping: ShutdownWatch,
    ) -> io::Result<()> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build()?;
        // pingora takes the bound socket by its address, as from a process that hands over.
        let mut fds = Fds::new();
        fds.add(address.to_string(), listener.into_raw_fd());
        let fds = Arc::new(Mutex::new(fds));
        let (pulse, beat) = (Pulse::default(), self.pulse);
        self.pulses.push(pulse.clone());
        let (end, accepts) = (self.end.clone(), self.accepting.token());
        let thread = std::thread::Builder::new().name("capture".into()).spawn(move || {
            runtime.block_on(async move {
                if let Some(every) = beat {
                    tokio::spawn(beats(pulse, every));
                }
                service.start_service(Some(fds), stopping, 1).await;
                let_begin().await;
                drop(accepts);
                // Connections live on after the listener is closed, until all of them are done.
                end.cancelled().await;
            });
        });
        self.joined.push(thread?);
        Ok(())
    }

    /// Waits until none of them accepts, and every connection that was accepted has begun to be served.
    pub(crate) async fn stopped_accepting(&self) {
        self.accepting.close();
        self.accepting.wait().await;
    }

    pub(crate) fn join(self) {
        self.end.cancel();
        for thread in self.joined {
            let _ = thread.join();
        }
    }
}

async fn beats(pulse: Pulse, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        pulse.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lets every task run that has not begun: one whose connection was accepted last is known to nobody yet.
async fn let_begin() {
    let tasks = Handle::current().metrics().num_alive_tasks();
    // A runtime runs a number of tasks in a turn.
    for _ in 0..=tasks / 32 + 1 {
        tokio::task::yield_now().await;
    }
}
