//! Some items of a batch that go out in one request.

use bytes::{Bytes, BytesMut};

use super::Batch;

/// Positions in the batch, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) items: Vec<u32>,
    /// How often these items were sent.
    pub(super) attempts: u32,
    /// How often a request with these items got no answer, or a failure, from a target that is there.
    pub(super) unanswered: u32,
    /// How often they were answered with 429 since they are a piece.
    pub(super) rejected: u32,
    /// What [`super::Shared`] had taken by the first of these.
    pub(super) taken_before: u64,
}

impl Piece {
    pub(super) fn whole(batch: &Batch) -> Self {
        let items = (0..batch.len() as u32).collect();
        Self { items, attempts: 0, unanswered: 0, rejected: 0, taken_before: 0 }
    }

    pub(super) fn bytes(&self, batch: &Batch) -> usize {
        self.items.iter().map(|&at| batch.item_bytes(at as usize)).sum()
    }

    /// The request's body: a view of the batch where the items lie side by side.
    pub(super) fn body(&self, batch: &Batch) -> Bytes {
        let runs = self.items.chunk_by(|before, after| before + 1 == *after);
        let mut slices = runs.map(|run| {
            let first = run[0] as usize;
            batch.slice(first..first + run.len())
        });
        let Some(first) = slices.next() else { return Bytes::new() };
        let Some(second) = slices.next() else { return first };
        let mut body = BytesMut::with_capacity(self.bytes(batch));
        [first, second].into_iter().chain(slices).for_each(|slice| body.extend_from_slice(&slice));
        body.freeze()
    }

    /// Two halves by bytes, each with at least one item; a single item comes back as it is.
    pub(super) fn halve(mut self, batch: &Batch) -> Result<(Self, Self), Self> {
        if self.items.len() < 2 {
            return Err(self);
        }
        let half = self.bytes(batch) / 2;
        let cut = self.cut_at(batch, half);
        let rest = self.items.split_off(cut);
        let rest = Self { items: rest, unanswered: 0, ..self };
        Ok((Self { unanswered: 0, ..self }, rest))
    }

    /// Splits off what goes beyond `bytes`; the first item stays whatever its size.
    pub(super) fn split_beyond(&mut self, bytes: usize, batch: &Batch) -> Option<Self> {
        if self.items.len() < 2 || self.bytes(batch) <= bytes {
            return None;
        }
        let cut = self.cut_at(batch, bytes);
        Some(Self { items: self.items.split_off(cut), ..*self })
    }

    /// How many items fit into `bytes`, at least one and not all.
    fn cut_at(&self, batch: &Batch, bytes: usize) -> usize {
        let mut sum = 0;
        let fit = self.items.iter().take_while(|&&at| {
            sum += batch.item_bytes(at as usize);
            sum <= bytes
        });
        fit.count().clamp(1, self.items.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Action, Operation},
        send::{BatchBuilder, batch::Place},
    };

    fn batch(sizes: &[usize]) -> Batch {
        let mut builder = BatchBuilder::new(Some("i".into()));
        for (document, &size) in sizes.iter().enumerate() {
            let id = document.to_string();
            let action = Action {
                operation: Operation::Index,
                index: None,
                id: &id,
                routing: None,
                version: None,
            };
            let place = Place { segment: 0, document: document as u32 };
            builder.push(&action, &vec![b'x'; size], place);
        }
        builder.take()
    }

    #[test]
    fn side_by_side_items_are_a_view_and_others_are_gathered() {
        let batch = batch(&[1, 2, 3, 4]);
        let whole = Piece::whole(&batch);
        assert_eq!(whole.body(&batch).as_ptr(), batch.slice(0..4).as_ptr());
        let some = Piece { items: vec![0, 2, 3], ..whole };
        let body = some.body(&batch);
        assert_eq!(body, [batch.slice(0..1), batch.slice(2..4)].concat());
        assert_eq!(body.len(), some.bytes(&batch));
        assert_eq!(batch.action(2), br#"{"index":{"_id":"2"}}"#);
        assert_eq!(batch.source(2), b"xxx");
    }

    #[test]
    fn halves_are_by_bytes_and_never_empty() {
        let batch = batch(&[5000, 1, 1, 1]);
        let (left, right) = Piece::whole(&batch).halve(&batch).unwrap();
        assert_eq!((left.items, right.items), (vec![0], vec![1, 2, 3]));
        let mut piece = Piece::whole(&batch);
        let rest = piece.split_beyond(10, &batch).unwrap();
        assert_eq!((piece.items.as_slice(), rest.items.len()), (&[0][..], 3));
        assert!(piece.split_beyond(10, &batch).is_none());
        assert!(piece.halve(&batch).is_err());
    }
}
