//! Several replayers of one group: what each tells the others, through one document on the target.
//!
//! ```text
//! .godwit-group / board:JOURNAL:GROUP    members: what each reads, how far it is, its controls; whose turn it is
//!               / told:JOURNAL:GROUP:ID  a control request with its answer, as captured
//! ```
//! Each member replaces its own part by compare-and-set, several times a second, and gives its conductor what the others
//! say. Nobody's clock is compared: a member whose `beat` stands still for `--member-timeout` is gone, by the watch of
//! whoever sees it, and so is its turn.

mod board;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use cluster::{Cluster, ClusterError, Method, Request, encode_segment};
use journal::JournalUrl;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::Instant,
};

use board::Board;
pub(crate) use board::{Announced, Member, Told, View};

use crate::{context::RunError, losses, replay::Report};

/// Hidden, so that no pattern of a client's request finds it.
pub(crate) const INDEX: &str = ".godwit-group";
/// How often a member looks at the board when nothing hurries it.
const LOOK: Duration = Duration::from_millis(200);
/// A beat is written as often even if nothing has changed, in parts of the time after which a member is gone.
const BEATS: u32 = 8;

/// What a conductor says of itself.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) member: Member,
    /// It has something to do that only one does at a time.
    pub(crate) wants_turn: bool,
    /// It has done enough of it: others wait.
    pub(crate) gives_turn_back: bool,
    /// How often partitions have gone; the view that follows has it too.
    pub(crate) moves: u64,
    /// Controls that the others have to know before they see the member's marks.
    pub(crate) tell: Vec<(String, Told)>,
}

/// One member's way to the board.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) own: Mutex<Own>,
    pub(crate) wake: Notify,
}

/// The task that keeps the board.
pub(crate) struct Membership {
    group: Arc<Group>,
    task: JoinHandle<Keeper>,
    stop: Arc<Notify>,
}

impl Membership {
    /// Joins. `partitions`: how many the journal has.
    pub(crate) async fn join(
        target: Cluster,
        (journal, group): (&JournalUrl, &str),
        partitions: usize,
        timeout: Duration,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Result<Self, ClusterError> {
        target.make_index(INDEX, &json!({"dynamic": false})).await?;
        let keeper = Keeper {
            target,
            name: format!("{}:{group}", losses::name(journal)),
            me: format!("{:016x}", rand::random::<u64>()),
            partitions,
            timeout,
            watched: HashMap::new(),
            known: HashSet::new(),
            written: None,
            beat: 0,
        };
        let own = Own::default();
        let shared = Arc::new(Group { own: Mutex::new(own), wake: Notify::new() });
        let stop = Arc::new(Notify::new());
        let task = tokio::spawn(keeper.keep(Arc::clone(&shared), Arc::clone(&stop), reports));
        Ok(Self { group: shared, task, stop })
    }

    pub(crate) fn group(&self) -> Arc<Group> {
        Arc::clone(&self.group)
    }

    /// Takes this member off the board.
    pub(crate) async fn leave(self) -> Result<(), ClusterError> {
        self.stop.notify_one();
        match self.task.await {
            Ok(mut keeper) => keeper.leave().await,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

struct Keeper {
    target: Cluster,
    /// Of the journal and the group.
    name: String,
    me: String,
    partitions: usize,
    timeout: Duration,
    /// The beats of others, and since when each is the same.
    watched: HashMap<String, (u64, Instant)>,
    /// Controls of others that the conductor has been told.
    known: HashSet<String>,
    /// When the board was written last.
    written: Option<Instant>,
    beat: u64,
}

/// The board as it is on the target: what it was read at, to replace just that.
struct Read {
    board: Board,
    at: Option<(u64, u64)>,
}

impl Keeper {
    async fn keep(
        mut self,
        group: Arc<Group>,
        stop: Arc<Notify>,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Keeper {
        loop {
            let view = self.cycle(&group).await.map_err(RunError::from);
            let failed = view.is_err();
            let gone = reports.send(Report::View { view: view.map(Box::new) }).is_err();
            if failed || gone {
                stop.notified().await;
                return self;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = group.wake.notified() => {}
                () = stop.notified() => return self,
            }
        }
    }

    /// Writes what has changed here, and reads what has changed elsewhere.
    async fn cycle(&mut self, group: &Group) -> Result<View, ClusterError> {
        let (mut member, moves, wants, gives_back, tell) = {
            let mut own = group.own.lock();
            let gives_back = std::mem::take(&mut own.gives_turn_back);
            let tell = std::mem::take(&mut own.tell);
            (own.member.clone(), own.moves, own.wants_turn, gives_back, tell)
        };
        for (id, told) in tell {
            let path = self.path(&format!("told:{}:{id}", self.name));
            let body = serde_json::to_vec(&told).unwrap_or_default();
            self.target.call(Request::json(Method::PUT, path, body)).await?;
        }
        let board = loop {
            let Read { mut board, at } = self.read().await?;
            let before = board.clone();
            self.watch(&mut board);
            member.beat = board.members.get(&self.me).map_or(0, |me| me.beat);
            board.members.insert(self.me.clone(), member.clone());
            if gives_back {
                board.turns.retain(|member| *member != self.me);
            }
            board.line_up(&self.me, wants);
            let is_due = self.written.is_none_or(|at| at.elapsed() >= self.timeout / BEATS);
            if board == before && !is_due {
                break board;
            }
            self.beat += 1;
            if let Some(me) = board.members.get_mut(&self.me) {
                me.beat = self.beat;
            }
            if self.replace(&board, at).await? {
                self.written = Some(Instant::now());
                break board;
            }
        };
        let mut view = board.seen_by(&self.me, self.partitions);
        view.moves = moves;
        self.known.retain(|id| view.elsewhere.contains_key(id));
        for (id, announced) in &view.elsewhere {
            if announced.answered.is_none() || self.known.contains(id) {
                continue;
            }
            let path = self.path(&format!("told:{}:{id}", self.name));
            #[derive(Deserialize)]
            struct Found {
                #[serde(rename = "_source")]
                source: Told,
            }
            if let Some(reply) = self.target.find(Request::new(Method::GET, path.clone())).await? {
                let found: Found = serde_json::from_slice(&reply.body)
                    .map_err(|error| self.target.answer_error(&path, error))?;
                view.told.push((id.clone(), found.source));
                self.known.insert(id.clone());
            }
        }
        Ok(view)
    }

    /// Takes members off whose beat stands still.
    fn watch(&mut self, board: &mut Board) {
        let (me, now) = (&self.me, Instant::now());
        for (name, member) in &board.members {
            let seen = self.watched.entry(name.clone()).or_insert((member.beat, now));
            if seen.0 != member.beat {
                *seen = (member.beat, now);
            }
        }
        let is_gone = |name: &String| {
            let seen = self.watched.get(name);
            name != me && seen.is_some_and(|(_, since)| since.elapsed() >= self.timeout)
        };
        let gone: Vec<String> =
            board.members.keys().filter(|name| is_gone(name)).cloned().collect();
        for name in gone {
            tracing::warn!(member = name, "a replayer of the group is gone");
            board.remove(&name);
            self.watched.remove(&name);
        }
        self.watched.retain(|name, _| board.members.contains_key(name));
        board.turns.retain(|name| board.members.contains_key(name));
    }

    async fn leave(&mut self) -> Result<(), ClusterError> {
        loop {
            let Read { mut board, at } = self.read().await?;
            board.remove(&self.me);
            if self.replace(&board, at).await? {
                return Ok(());
            }
        }
    }

    fn path(&self, id: &str) -> String {
        format!("/{INDEX}/_doc/{}", encode_segment(id))
    }

    async fn read(&self) -> Result<Read, ClusterError> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(rename = "_seq_no")]
            number: u64,
            #[serde(rename = "_primary_term")]
            term: u64,
            #[serde(rename = "_source")]
            board: Board,
        }
        let path = self.path(&format!("board:{}", self.name));
        match self.target.find(Request::new(Method::GET, path.clone())).await? {
            None => Ok(Read { board: Board::default(), at: None }),
            Some(reply) => {
                let found: Found = serde_json::from_slice(&reply.body)
                    .map_err(|error| self.target.answer_error(&path, error))?;
                Ok(Read { board: found.board, at: Some((found.number, found.term)) })
            }
        }
    }

    /// Whether the board was still as it had been read.
    async fn replace(&self, board: &Board, at: Option<(u64, u64)>) -> Result<bool, ClusterError> {
        let path = self.path(&format!("board:{}", self.name));
        let path = match at {
            Some((number, term)) => format!("{path}?if_seq_no={number}&if_primary_term={term}"),
            None => format!("{path}?op_type=create"),
        };
        let body = serde_json::to_vec(board).unwrap_or_default();
        match self.target.call(Request::json(Method::PUT, path, body)).await {
            Ok(_) => Ok(true),
            Err(error) if error.status() == Some(409) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Announcements by their control's name: `connection:number`.
pub(crate) type Announcements = BTreeMap<String, Announced>;
