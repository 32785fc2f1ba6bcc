//! `.cfe`: where in `<segment>.cfs` each of its files lies.
//!
//! ```text
//! header · vInt n · n × (string suffix such as `.fdt` or `_Lucene90_0.dvd` · i64 offset · i64 length) · footer
//! ```
//! The files are whole: each has its own header and footer. Not inside are `.si`, deletions and files of a
//! generation.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    LuceneError, SegmentCommit, header,
    input::{Input, Order},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compound {
    entries: BTreeMap<String, Range<u64>>,
}

impl Compound {
    /// Reads a whole `.cfe`. `length` is that of the `.cfs`: an entry that goes beyond it is an error.
    pub fn parse(
        file: &str,
        bytes: &[u8],
        segment: &SegmentCommit,
        length: u64,
    ) -> Result<Self, LuceneError> {
        let header = header::plain(&mut Input::new(file, bytes))?;
        let (legacy, order) = match header.codec {
            "CompoundFileWriterEntries" => (true, Order::Big),
            "Lucene50CompoundEntries" => (false, Order::Big),
            "Lucene90CompoundEntries" => (false, Order::Little),
            _ => return Err(header.unknown(file)),
        };
        header.expect(file, 0, u32::from(legacy))?;
        let has_footer = !legacy || header.version >= 1;
        let mut input =
            if has_footer { header::checked(file, bytes)? } else { Input::new(file, bytes) };
        if legacy {
            header::plain(&mut input)?;
        } else {
            header::index(&mut input, segment.id.as_ref())?;
        }
        input.order = order;
        let count = i64::from(input.vint()?);
        let count = input.checked_count(count, 17)?;
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let name = input.string()?.to_owned();
            let (offset, size) = (input.offset()?, input.offset()?);
            let end = offset.checked_add(size).filter(|end| *end <= length);
            let Some(end) = end else {
                return Err(input.corrupt(format!("{name} lies outside the compound file")));
            };
            if entries.insert(name, offset..end).is_some() {
                return Err(input.corrupt("a file is listed twice"));
            }
        }
        input.end()?;
        Ok(Self { entries })
    }

    /// Where the file of that suffix lies, e.g. `.fdt` or `_Lucene90_0.dvd`.
    pub fn range(&self, suffix: &str) -> Option<Range<u64>> {
        self.entries.get(suffix).cloned()
    }
}
