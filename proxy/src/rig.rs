//! For tests: one connection without sockets, and its journal.

use std::sync::Arc;
use std::time::Duration;

use buffer::Budget;
use codec::record::Kind;
use journal::{Appender, JournalUrl, Reader, StartFrom};
use tempfile::TempDir;

use crate::connection::Connection;
use crate::metrics::Metrics;
use crate::recording::Recording;
use crate::roster::{Place, Roster};
use crate::tape::Tape;
use crate::{Flags, Settings};

/// What a connection borrows.
pub(crate) struct Rig {
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) journal: Appender,
    pub(crate) budget: Arc<Budget>,
    url: JournalUrl,
    tape: Tape,
    recording: Recording,
    _place: Place,
    _folder: TempDir,
}

impl Rig {
    /// Of a connection that is recorded.
    pub(crate) fn new(change: impl FnOnce(&mut Settings)) -> Rig {
        Rig::of(true, |_| {}, change)
    }

    pub(crate) fn with_flags(is_recorded: bool, change: impl FnOnce(&mut Flags)) -> Rig {
        Rig::of(is_recorded, change, |_| {})
    }

    fn of(
        is_recorded: bool,
        flag: impl FnOnce(&mut Flags),
        set: impl FnOnce(&mut Settings),
    ) -> Rig {
        let folder = TempDir::new().unwrap();
        let mut flags = Flags {
            source: Some("http://127.0.0.1:9".into()),
            listen: Some("127.0.0.1:0".into()),
            journal: Some(format!("file://{}", folder.path().join("j").display())),
            ..Flags::default()
        };
        flag(&mut flags);
        let mut settings = Settings::load(flags, []).unwrap();
        set(&mut settings);
        let url = settings.journal.clone().unwrap();
        let journal = Appender::open(&url, &settings.append).unwrap();
        let metrics = Arc::new(Metrics::new(&prometheus::Registry::new()).unwrap());
        let budget = Budget::of(64 << 20);
        let place = Arc::new(Roster::default()).enter("node");
        let seat = place.seat.clone();
        let tape = match is_recorded {
            true => Tape::new(journal.clone(), "node", seat, metrics.clone(), budget.clone()),
            false => Tape::blank(metrics.clone(), budget.clone()),
        };
        let recording = Recording::of(1.0);
        Rig {
            settings,
            metrics,
            journal,
            budget,
            url,
            tape,
            recording,
            _place: place,
            _folder: folder,
        }
    }

    pub(crate) fn connection(&self) -> Connection<'_> {
        let Rig { settings, metrics, tape, budget, recording, .. } = self;
        Connection::new(settings, metrics, tape, budget, recording, None)
    }

    /// The answers that are on record when the journal is closed.
    pub(crate) async fn answers(self) -> Vec<u8> {
        self.journal.close(Duration::ZERO);
        let mut reader = Reader::open(&self.url, "test", StartFrom::Beginning, &[]).await.unwrap();
        let ends = reader.ends().await.unwrap();
        let mut answers = Vec::new();
        while !reader.has_reached(&ends) {
            for observation in reader.next().await.unwrap().record.unwrap().observations {
                if let Kind::Write(data) = observation.kind {
                    answers.extend_from_slice(&data);
                }
            }
        }
        answers
    }
}
