//! One batch, from its first request to the last document accounted for.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cluster::{BulkItem, BulkReply, ClusterError, Reply};

use super::pace::Answer;
use super::patience::Patience;
use super::verdict::{ItemVerdict, Refusal, Said, judge_item, judge_refusal, never_fits};
use super::{Batch, Class, FailedItem, Obstacle, Outcome, Piece, SendError, Shared, path};

/// The work on a batch.
pub(super) struct Delivery<'a> {
    shared: &'a Shared,
    batch: &'a Batch,
    left: VecDeque<Piece>,
    outcome: Outcome,
    patience: Patience,
    /// Documents that were refused alone with 400.
    refused_alone: u32,
}

/// Requests without an answer until a piece is suspected, and until a single document is given up.
const SUSPECT: u32 = 2;
const HOPELESS: u32 = 5;
/// A single document of this size, refused as often while others were taken, isn't waiting for room: there never
/// will be.
const LARGE: usize = 8 << 20;
const REFUSED_OFTEN: u32 = 12;
/// As many documents refused one by one, and none taken: it isn't about the documents.
const NOT_THE_DOCUMENTS: u32 = 16;

impl<'a> Delivery<'a> {
    pub(super) fn new(shared: &'a Shared, batch: &'a Batch) -> Self {
        let whole = (!batch.is_empty()).then(|| Piece::whole(batch));
        Self {
            shared,
            batch,
            left: whole.into_iter().collect(),
            outcome: Outcome::default(),
            patience: Patience::new(shared.settings),
            refused_alone: 0,
        }
    }

    pub(super) async fn run(mut self) -> Result<Outcome, SendError> {
        while let Some(mut piece) = self.next() {
            let request = self.shared.request(self.batch, &piece).await?;
            let place = self.shared.gate.enter().await;
            let reply = self.shared.cluster.send(request).await;
            let took = place.took();
            piece.attempts += 1;
            match reply {
                Ok(reply) if reply.is_success() => match self.items_of(&reply, &piece) {
                    Ok(items) => {
                        let answer = self.account(&mut piece, items, took)?;
                        place.leave(answer.0);
                        if let Some(obstacle) = answer.1 {
                            self.left.push_back(piece);
                            self.wait(obstacle).await?;
                        }
                    }
                    Err(why) => {
                        place.leave(Answer::Silent);
                        self.doubt(piece, Obstacle::Answer(why), 0).await?;
                    }
                },
                Ok(reply) => {
                    let said = Said::read(&reply);
                    let refusal = judge_refusal(reply.status, &said);
                    place.leave(match refusal {
                        Refusal::Busy => Answer::Refused,
                        Refusal::TooLarge => Answer::TooLarge { bytes: piece.bytes(self.batch) },
                        _ => Answer::Neutral,
                    });
                    self.refused(piece, refusal, &reply, said).await?;
                }
                Err(error) => {
                    place.leave(Answer::Silent);
                    self.silent(piece, error).await?;
                }
            }
        }
        self.outcome.failed.sort_by_key(|failed| failed.position);
        debug_assert_eq!(self.outcome.accounted(), self.batch.len() as u64);
        Ok(self.outcome)
    }

    /// The next piece; one that was refused before goes out no larger than the pace is now.
    fn next(&mut self) -> Option<Piece> {
        let mut piece = self.left.pop_front()?;
        if piece.attempts > 0
            && let Some(rest) = piece.split_beyond(self.shared.gate.batch_bytes(), self.batch)
        {
            self.left.push_front(rest);
        }
        Some(piece)
    }

    /// The outcome of each item; none when all were taken.
    fn items_of(&self, reply: &Reply, piece: &Piece) -> Result<Vec<BulkItem>, String> {
        let expected = piece.items.len();
        if BulkReply::all_succeeded(&reply.body) == Some(expected) {
            return Ok(Vec::new());
        }
        let items = BulkReply::parse(&reply.body).map_err(|error| error.to_string())?.items;
        if items.len() != expected {
            return Err(format!("{} items answered, {expected} sent", items.len()));
        }
        Ok(items)
    }

    /// Accounts for what is settled and leaves in `piece` what has to be sent again.
    fn account(
        &mut self,
        piece: &mut Piece,
        items: Vec<BulkItem>,
        took: Duration,
    ) -> Result<(Answer, Option<Obstacle>), SendError> {
        let bytes = piece.bytes(self.batch);
        if items.is_empty() {
            self.outcome.written += piece.items.len() as u64;
            self.progress();
            return Ok((Answer::Taken { bytes, took }, None));
        }
        let (mut again, mut obstacle, mut busy) = (Vec::new(), None, false);
        let verdicts: Vec<ItemVerdict> = items.iter().map(judge_item).collect();
        piece.unanswered += u32::from(verdicts.contains(&ItemVerdict::Broken));
        if verdicts.contains(&ItemVerdict::Busy) {
            self.rejected(piece);
        }
        for ((item, verdict), &position) in items.iter().zip(verdicts).zip(&piece.items) {
            let said = || Said::of(item);
            match verdict {
                ItemVerdict::Written => self.outcome.written += 1,
                ItemVerdict::Superseded => self.outcome.superseded += 1,
                ItemVerdict::Failed(class) => {
                    self.fail(position, class, item.status, said(), piece.attempts);
                }
                ItemVerdict::Broken if piece.unanswered >= HOPELESS => {
                    self.fail(position, Class::Other, item.status, said(), piece.attempts);
                }
                ItemVerdict::Busy if self.is_too_large(piece, item.status, &said()) => {
                    self.fail(position, Class::TooLarge, item.status, said(), piece.attempts);
                }
                ItemVerdict::IndexMissing if self.batch.index.is_none() => {
                    self.fail(position, Class::IndexMissing, item.status, said(), piece.attempts);
                }
                ItemVerdict::IndexMissing => return Err(self.index_missing(said())),
                ItemVerdict::Credentials => return Err(self.credentials(item.status, said())),
                ItemVerdict::Blocked => {
                    again.push(position);
                    obstacle = Some(Obstacle::Blocked(said().reason));
                }
                ItemVerdict::Busy | ItemVerdict::Broken => {
                    again.push(position);
                    busy = true;
                    if obstacle.is_none() {
                        let Said { kind, reason } = said();
                        obstacle = Some(Obstacle::Busy { status: item.status, kind, reason });
                    }
                }
            }
        }
        if again.len() < piece.items.len() {
            self.progress();
        }
        piece.items = again;
        // A block says nothing of how much the target could take.
        Ok(match &obstacle {
            None => (Answer::Taken { bytes, took }, None),
            Some(_) if busy => (Answer::Refused, obstacle),
            Some(_) => (Answer::Neutral, obstacle),
        })
    }

    /// The request as a whole was answered with something else than a success.
    async fn refused(
        &mut self,
        mut piece: Piece,
        refusal: Refusal,
        reply: &Reply,
        said: Said,
    ) -> Result<(), SendError> {
        let status = reply.status;
        let busy = |said: Said| Obstacle::Busy { status, kind: said.kind, reason: said.reason };
        if status == 429 {
            self.rejected(&mut piece);
        }
        match refusal {
            Refusal::Busy if self.is_too_large(&piece, status, &said) => {
                self.halve_or_fail(piece, Class::TooLarge, status, said);
                Ok(())
            }
            Refusal::Busy => {
                // Behind the others, which may be what there is room for.
                self.left.push_back(piece);
                self.wait(busy(said)).await
            }
            Refusal::Blocked => {
                self.left.push_front(piece);
                self.wait(Obstacle::Blocked(said.reason)).await
            }
            Refusal::Broken => self.doubt(piece, busy(said), status).await,
            Refusal::TooLarge => {
                self.halve_or_fail(piece, Class::TooLarge, status, said);
                Ok(())
            }
            Refusal::Malformed => {
                self.refused_alone += u32::from(piece.items.len() == 1);
                let taken = self.outcome.written + self.outcome.superseded;
                if self.refused_alone >= NOT_THE_DOCUMENTS && taken == 0 {
                    return Err(SendError::EverythingRefused {
                        url: self.shared.cluster.url().to_owned(),
                        index: self.index().to_owned(),
                        refused: self.refused_alone,
                        status,
                        reason: said.reason,
                    });
                }
                self.halve_or_fail(piece, Class::Malformed, status, said);
                Ok(())
            }
            Refusal::Credentials => Err(self.credentials(status, said)),
            Refusal::IndexMissing => Err(self.index_missing(said)),
            Refusal::Unexpected => Err(SendError::Unexpected {
                url: self.shared.cluster.url().to_owned(),
                path: path(self.batch),
                status,
                body: reply.excerpt(),
            }),
        }
    }

    /// Is a rejection about a single document's size, not about what else the target has to do?
    fn is_too_large(&self, piece: &Piece, status: u16, said: &Said) -> bool {
        let often = piece.rejected >= REFUSED_OFTEN && piece.bytes(self.batch) >= LARGE;
        // A target that takes nothing from anybody is only busy.
        let alone = || self.taken() > piece.taken_before || self.patience.is_quarter_over();
        status == 429 && piece.items.len() == 1 && (never_fits(&said.reason) || (often && alone()))
    }

    fn rejected(&self, piece: &mut Piece) {
        if piece.rejected == 0 {
            piece.taken_before = self.taken();
        }
        piece.rejected += 1;
    }

    fn taken(&self) -> u64 {
        self.shared.taken.load(Ordering::Relaxed)
    }

    /// Some of a request was taken, or is settled in another way.
    fn progress(&mut self) {
        self.shared.taken.fetch_add(1, Ordering::Relaxed);
        self.patience.progress();
    }

    async fn silent(&mut self, piece: Piece, error: ClusterError) -> Result<(), SendError> {
        match error {
            ClusterError::Connect { reason, .. } => {
                self.left.push_front(piece);
                self.wait(Obstacle::Silent(reason)).await
            }
            ClusterError::TooLong { .. } if piece.items.len() > 1 => {
                self.doubt(piece, Obstacle::Silent(error.to_string()), 0).await
            }
            error if error.is_transient() => {
                self.doubt(piece, Obstacle::Silent(error.to_string()), 0).await
            }
            error => Err(error.into()),
        }
    }

    /// No answer, or none that makes sense: the target's fault or that of what was sent. When it happens
    /// again while the target answers something else, it is what was sent.
    async fn doubt(
        &mut self,
        mut piece: Piece,
        obstacle: Obstacle,
        status: u16,
    ) -> Result<(), SendError> {
        // While it is away nothing is learned of what was sent.
        let is_there = status != 0 || self.shared.is_there().await;
        piece.unanswered += u32::from(is_there);
        let suspect = if piece.items.len() > 1 { SUSPECT } else { HOPELESS };
        if is_there && piece.unanswered >= suspect {
            let said = Said { kind: "no_answer".into(), reason: obstacle.to_string() };
            self.halve_or_fail(piece, Class::Other, status, said);
            return Ok(());
        }
        self.left.push_front(piece);
        self.wait(obstacle).await
    }

    fn halve_or_fail(&mut self, piece: Piece, class: Class, status: u16, said: Said) {
        match piece.halve(self.batch) {
            Ok((first, second)) => {
                self.left.push_front(second);
                self.left.push_front(first);
            }
            Err(single) => {
                let mut said = said;
                if said.reason.is_empty() {
                    let bytes = single.bytes(self.batch);
                    said.reason = format!(
                        "{status} was the answer to a request of {bytes} bytes with only this document"
                    );
                }
                for position in single.items {
                    self.fail(position, class, status, said.clone(), single.attempts);
                }
                self.patience.progress();
            }
        }
    }

    fn fail(&mut self, position: u32, class: Class, status: u16, said: Said, attempts: u32) {
        let Said { kind, reason } = said;
        let position = position as usize;
        self.outcome.failed.push(FailedItem { position, class, status, kind, reason, attempts });
    }

    async fn wait(&mut self, obstacle: Obstacle) -> Result<(), SendError> {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        let url = self.shared.cluster.url();
        self.shared.warnings.warn(url, self.index(), &obstacle);
        let Err(waited) = self.patience.wait().await else { return Ok(()) };
        let (url, index) = (url.to_owned(), self.index().to_owned());
        Err(SendError::GaveUp { url, index, waited, obstacle })
    }

    fn credentials(&self, status: u16, said: Said) -> SendError {
        let url = self.shared.cluster.url().to_owned();
        SendError::Credentials { url, status, reason: said.reason }
    }

    fn index_missing(&self, said: Said) -> SendError {
        SendError::IndexMissing { index: self.index().to_owned(), reason: said.reason }
    }

    fn index(&self) -> &'a str {
        self.batch.index.as_deref().unwrap_or("(several indices)")
    }
}
