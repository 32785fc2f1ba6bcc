//! `.si`: how many documents a segment has, and whether its files are in one compound file.
//!
//! ```text
//! Lucene40/46  string version · i32 documents · i8 compound (1, or −1 for no) · maps and sets
//! Lucene50/62  3 × i32 version · i32 documents · u8 compound · …
//! Lucene70/86  3 × i32 version · u8 has minimum [· 3 × i32] · i32 documents · u8 compound · …
//! Lucene90     as Lucene86, little-endian; segments of 9.9 and newer have a byte more, which isn't read
//! ```

use crate::{
    LuceneError, SegmentCommit, header,
    input::{Input, Order},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// How many documents it has, deleted ones included.
    pub documents: u32,
    /// Its files are inside `<segment>.cfs`.
    pub compound: bool,
    /// The Lucene that wrote it, e.g. (9, 12, 1).
    pub version: (u32, u32, u32),
}

impl SegmentInfo {
    /// Reads a whole `.si`.
    pub fn parse(file: &str, bytes: &[u8], segment: &SegmentCommit) -> Result<Self, LuceneError> {
        let header = header::plain(&mut Input::new(file, bytes))?;
        let (layout, known) = match header.codec {
            "Lucene40SegmentInfo" | "Lucene46SegmentInfo" => (Layout::Four, 1),
            "Lucene50SegmentInfo" => (Layout::Five, 1),
            "Lucene62SegmentInfo" => (Layout::Five, 1),
            "Lucene70SegmentInfo" => (Layout::Seven, 0),
            "Lucene86SegmentInfo" => (Layout::Seven, 0),
            "Lucene90SegmentInfo" => (Layout::Nine, 0),
            _ => return Err(header.unknown(file)),
        };
        header.expect(file, 0, known)?;
        // The footer came with Lucene 4.8, as version 1 of Lucene46; Lucene40 has none.
        let has_footer = layout != Layout::Four || header.version >= 1;
        let mut input =
            if has_footer { header::checked(file, bytes)? } else { Input::new(file, bytes) };
        if layout == Layout::Four {
            header::plain(&mut input)?;
        } else {
            header::index(&mut input, segment.id.as_ref())?;
        }
        if layout == Layout::Nine {
            input.order = Order::Little;
        }
        let version = match layout {
            Layout::Four => version_in_words(input.string()?),
            _ => (number(&mut input)?, number(&mut input)?, number(&mut input)?),
        };
        if matches!(layout, Layout::Seven | Layout::Nine) && input.byte()? != 0 {
            input.skip(12)?;
        }
        let documents = number(&mut input)?;
        if documents > MOST_DOCUMENTS {
            return Err(input.corrupt(format!("{documents} documents are more than a segment has")));
        }
        let compound = match input.byte()? {
            1 => true,
            0xFF => false,
            other => return Err(input.corrupt(format!("{other} is neither compound nor not"))),
        };
        if segment.deleted > documents || segment.soft_deleted > documents - segment.deleted {
            return Err(LuceneError::Count {
                segment: segment.name.clone(),
                what: "the number of documents",
                said: documents.into(),
                found: u64::from(segment.deleted) + u64::from(segment.soft_deleted),
            });
        }
        Ok(Self { documents, compound, version })
    }

    /// Checks the number of documents against the length of their stored fields, so that nothing is allocated
    /// for documents that can't be there: 4,096 without any field, which is as many as a chunk has, take 7 bytes.
    pub fn check_length(&self, segment: &SegmentCommit, fdt: u64) -> Result<(), LuceneError> {
        let most = fdt.saturating_mul(4096 / 7);
        if u64::from(self.documents) <= most {
            return Ok(());
        }
        Err(LuceneError::Count {
            segment: segment.name.clone(),
            what: "the number of documents that its stored fields have room for",
            said: self.documents.into(),
            found: most,
        })
    }

    /// Before Lucene 5 deletions are in `.del` files.
    pub fn is_legacy(&self) -> bool {
        self.version.0 < 5
    }
}

/// Lucene's own limit.
const MOST_DOCUMENTS: u32 = i32::MAX as u32 - 128;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Four,
    Five,
    Seven,
    Nine,
}

fn number(input: &mut Input<'_>) -> Result<u32, LuceneError> {
    let number = input.i32()?;
    u32::try_from(number).map_err(|_| input.corrupt(format!("{number} is negative")))
}

/// `4.10.4`, sometimes with a tail.
fn version_in_words(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::tests as files;

    fn parse(documents: i32, compound: u8, deleted: u32) -> Result<SegmentInfo, LuceneError> {
        let mut body = [9i32, 12, 1].map(i32::to_le_bytes).concat();
        body.push(0);
        body.extend(documents.to_le_bytes());
        body.push(compound);
        let file = files::file("Lucene90SegmentInfo", 0, [7; 16], &body);
        SegmentInfo::parse("_0.si", &file, &SegmentCommit { deleted, ..files::segment() })
    }

    #[test]
    fn numbers_that_cant_be_are_refused() {
        let good = SegmentInfo { documents: 10, compound: true, version: (9, 12, 1) };
        assert_eq!(parse(10, 1, 10), Ok(good));
        assert!(parse(10, 1, 11).is_err());
        assert!(parse(10, 2, 0).is_err());
        assert!(parse(-1, 1, 0).is_err());
        assert!(parse(i32::MAX, 1, 0).is_err());
    }

    #[test]
    fn there_are_no_more_documents_than_the_stored_fields_have_room_for() {
        let info = |documents| parse(documents, 0xFF, 0).unwrap();
        assert_eq!(info(4096).check_length(&files::segment(), 8), Ok(()));
        assert!(info(2_000_000_000).check_length(&files::segment(), 1 << 20).is_err());
        assert_eq!(info(2_000_000_000).check_length(&files::segment(), 4 << 20), Ok(()));
    }
}
