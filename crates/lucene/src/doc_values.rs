//! `.dvm`: where in `.dvd` the values of each field lie.
//!
//! Only two things are wanted of doc values: which documents have a value (soft deletes), and the numbers of
//! numeric fields (`_seq_no`, `_primary_term`, `_version`). The entries of all other fields have to be walked
//! over, since they have no lengths. (Lucene's `Lucene70…`, `Lucene80…` and `Lucene90DocValuesProducer`.)
//!
//! ```text
//! index header · { i32 field (−1 ends) · u8 type · [skip index] · entry } … · footer
//! ```

mod column;
mod packed;
mod present;

use std::collections::BTreeMap;

use crate::{
    Field, Fields, LuceneError, SegmentCommit,
    commit::base36,
    fields::DocValuesType,
    header,
    input::{Input, Order},
};

pub use column::Column;
pub use present::Present;

/// Where the doc values of a field are: two files, by extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocValuesFiles {
    /// Without extension: `_3_Lucene90_0`, or `_3_2_Lucene90_0` of a generation.
    pub stem: String,
    /// The files are of a generation, and so never inside a compound file.
    pub is_generation: bool,
}

impl DocValuesFiles {
    /// The files of a field; `None` when it has no doc values in the segment.
    pub fn of(segment: &SegmentCommit, field: &Field) -> Option<Self> {
        if field.doc_values == DocValuesType::None {
            return None;
        }
        let format = field.attributes.get("PerFieldDocValuesFormat.format")?;
        let suffix = field.attributes.get("PerFieldDocValuesFormat.suffix")?;
        let stem = match field.doc_values_generation {
            Some(generation) => {
                format!("{}_{}_{format}_{suffix}", segment.name, base36(generation))
            }
            None => format!("{}_{format}_{suffix}", segment.name),
        };
        Some(Self { stem, is_generation: field.doc_values_generation.is_some() })
    }
}

/// Where the documents with a value are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PresentEntry {
    /// −2: no document; −1: every document.
    pub(crate) offset: i64,
    pub(crate) length: i64,
    pub(crate) rank_power: Option<u8>,
}

/// Where and how the numbers of a field lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumericEntry {
    pub(crate) present: PresentEntry,
    pub(crate) values: u64,
    pub(crate) table: Vec<i64>,
    /// Values lie in blocks of 2^shift, each with its own width.
    pub(crate) block_shift: Option<u32>,
    pub(crate) bits: u8,
    pub(crate) minimum: i64,
    pub(crate) divisor: i64,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) order: Order,
}

/// The numeric entries of a `.dvm`, by field number.
#[derive(Clone, Debug)]
pub struct DocValuesMeta {
    numeric: BTreeMap<u32, NumericEntry>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Format {
    Seven,
    Eight(u32),
    Nine,
}

impl DocValuesMeta {
    /// Reads a whole `.dvm`.
    pub fn parse(
        file: &str,
        bytes: &[u8],
        segment: &SegmentCommit,
        fields: &Fields,
    ) -> Result<Self, LuceneError> {
        let mut input = header::checked(file, bytes)?;
        let header = header::index(&mut input, segment.id.as_ref())?;
        let (format, known) = match header.codec {
            "Lucene70DocValuesMetadata" => (Format::Seven, 0),
            "Lucene80DocValuesMetadata" => (Format::Eight(header.version), 2),
            "Lucene90DocValuesMetadata" => (Format::Nine, 2),
            _ => return Err(header.unknown(file)),
        };
        header.expect(file, 0, known)?;
        if format == Format::Nine {
            input.order = Order::Little;
        }
        // 4 × i64 · 2 × i32, and another i32 since the index may skip fields of several values.
        let skip_index = if header.version >= 2 { 44 } else { 40 };
        let mut numeric = BTreeMap::new();
        loop {
            let number = input.i32()?;
            if number == -1 {
                break;
            }
            let Some(field) = fields.numbered(number as u32) else {
                return Err(input.corrupt(format!("field {number} isn't in the field infos")));
            };
            let kind = input.byte()?;
            if field.has_skip_index {
                input.skip(skip_index)?;
            }
            let mut entry = Entry { input: &mut input, format, field };
            match kind {
                0 => drop(numeric.insert(field.number, entry.numeric()?)),
                1 => entry.binary()?,
                2 => entry.sorted()?,
                3 => entry.sorted_set()?,
                4 => entry.sorted_numeric()?,
                other => return Err(input.corrupt(format!("doc values of kind {other}"))),
            }
        }
        input.end()?;
        Ok(Self { numeric })
    }

    pub fn numeric(&self, field: &Field) -> Option<&NumericEntry> {
        self.numeric.get(&field.number)
    }
}

/// Reads one entry.
struct Entry<'i, 'a> {
    input: &'i mut Input<'a>,
    format: Format,
    field: &'i Field,
}

impl Entry<'_, '_> {
    fn present(&mut self) -> Result<PresentEntry, LuceneError> {
        let (offset, length) = (self.input.i64()?, self.input.i64()?);
        let mut rank_power = None;
        if self.format > Format::Seven {
            self.input.i16()?;
            let power = self.input.byte()?;
            if power != 0xFF {
                if !(7..=15).contains(&power) {
                    return Err(self.input.corrupt(format!("rank power {power}")));
                }
                rank_power = Some(power);
            }
        }
        Ok(PresentEntry { offset, length, rank_power })
    }

    fn numeric(&mut self) -> Result<NumericEntry, LuceneError> {
        let present = self.present()?;
        let values = self.input.offset()?;
        let size = self.input.i32()?;
        let mut table = Vec::new();
        let mut block_shift = None;
        if size >= 0 {
            for _ in 0..self.input.checked_count(size.into(), 8)? {
                table.push(self.input.i64()?);
            }
        } else if size < -1 {
            let shift = (-2 - i64::from(size)) as u32;
            if shift > 20 {
                return Err(self.input.corrupt(format!("blocks of 2^{shift} values")));
            }
            block_shift = Some(shift);
        }
        let bits = self.input.byte()?;
        let (minimum, divisor) = (self.input.i64()?, self.input.i64()?);
        let (offset, length) = (self.input.offset()?, self.input.offset()?);
        if self.format > Format::Seven {
            self.input.i64()?;
        }
        let order = self.input.order;
        let entry = NumericEntry {
            present,
            values,
            table,
            block_shift,
            bits,
            minimum,
            divisor,
            offset,
            length,
            order,
        };
        Ok(entry)
    }

    fn binary(&mut self) -> Result<(), LuceneError> {
        self.input.skip(16)?;
        self.present()?;
        let documents = self.count()?;
        let (minimum, maximum) = (self.input.i32()?, self.input.i32()?);
        let is_compressed = match self.format {
            Format::Eight(1) => true,
            Format::Eight(2) => {
                let mode = self.field.attributes.get("Lucene80DocValuesFormat.mode");
                mode.is_some_and(|mode| mode == "BEST_COMPRESSION")
            }
            _ => false,
        };
        let has_addresses = if is_compressed { documents > 0 } else { minimum < maximum };
        if !has_addresses {
            return Ok(());
        }
        self.input.skip(8)?;
        let addresses = if is_compressed {
            let chunks = self.input.length()? as u64;
            self.input.vint()?;
            self.input.vint()?;
            chunks
        } else {
            documents + 1
        };
        self.addresses(addresses)
    }

    /// vInt shift · blocks · i64 length
    fn addresses(&mut self, count: u64) -> Result<(), LuceneError> {
        let shift = self.input.vint()?;
        self.monotonic(count, shift)?;
        self.input.skip(8)
    }

    /// One block of 21 bytes for 2^shift addresses.
    fn monotonic(&mut self, count: u64, shift: u32) -> Result<(), LuceneError> {
        if shift > 30 {
            return Err(self.input.corrupt(format!("blocks of 2^{shift} addresses")));
        }
        let blocks = count.div_ceil(1 << shift);
        self.input.skip(blocks.saturating_mul(21))
    }

    fn count(&mut self) -> Result<u64, LuceneError> {
        let count = self.input.i32()?;
        u64::try_from(count).map_err(|_| self.input.corrupt(format!("count {count} is negative")))
    }

    fn sorted(&mut self) -> Result<(), LuceneError> {
        if self.format == Format::Nine {
            self.numeric()?;
        } else {
            self.present()?;
            self.input.skip(4 + 1 + 16)?;
        }
        self.terms()
    }

    fn sorted_set(&mut self) -> Result<(), LuceneError> {
        match self.input.byte()? {
            0 => return self.sorted(),
            1 => {}
            other => return Err(self.input.corrupt(format!("sorted set of kind {other}"))),
        }
        if self.format == Format::Nine {
            self.sorted_numeric()?;
        } else {
            self.present()?;
            self.input.skip(1 + 16)?;
            let documents = self.count()?;
            self.input.skip(8)?;
            self.addresses(documents + 1)?;
        }
        self.terms()
    }

    fn sorted_numeric(&mut self) -> Result<(), LuceneError> {
        let values = self.numeric()?.values;
        let documents = self.count()?;
        if documents == values {
            return Ok(());
        }
        self.input.skip(8)?;
        self.addresses(documents + 1)
    }

    fn terms(&mut self) -> Result<(), LuceneError> {
        let count = self.input.vlong()?;
        // Lucene 8.x marks blocks compressed with LZ4 in the same number that is the shift elsewhere.
        const COMPRESSED: i32 = 0x60001;
        let (shift, is_compressed) = match self.format {
            Format::Nine => (6, true),
            _ => match self.input.i32()? {
                COMPRESSED => (6, true),
                shift => (shift, false),
            },
        };
        let shift = u32::try_from(shift).ok().filter(|shift| *shift <= 30);
        let Some(shift) = shift else {
            return Err(self.input.corrupt("blocks of terms have an unknown size"));
        };
        let block_shift = self.count()? as u32;
        self.monotonic(count.div_ceil(1 << shift), block_shift)?;
        self.input.skip(4)?;
        if is_compressed {
            self.input.skip(4)?;
        }
        self.input.skip(4 * 8)?;
        let index_shift = self.count()?;
        if index_shift > 30 {
            return Err(self.input.corrupt(format!("an index of 2^{index_shift} terms")));
        }
        let indexed = count.div_ceil(1 << index_shift);
        self.monotonic(indexed.saturating_add(1), block_shift)?;
        self.input.skip(4 * 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fields::tests::made, header::tests as files};

    fn parse(entries: &[u8]) -> Result<DocValuesMeta, LuceneError> {
        let file = files::file("Lucene70DocValuesMetadata", 0, [7; 16], entries);
        DocValuesMeta::parse("_0.dvm", &file, &files::segment(), &made(&[("a", 0)])?)
    }

    /// A field of sorted terms, so many of them, with blocks and an index of 2^shift.
    fn sorted(terms: u64, shift: i32) -> Vec<u8> {
        let mut entry = vec![0, 0, 0, 0, 2];
        entry.extend([0; 16 + 4 + 1 + 16]);
        let mut rest = terms;
        while rest > 0x7F {
            entry.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        entry.push(rest as u8);
        entry.extend(shift.to_be_bytes());
        entry.extend(shift.to_be_bytes());
        entry
    }

    #[test]
    fn no_number_of_terms_is_too_large_to_be_refused() {
        let mut good = sorted(1, 0);
        good.extend([0; 21 + 4 + 4 * 8]);
        good.extend([0; 4 + 2 * 21 + 4 * 8]);
        good.extend((-1i32).to_be_bytes());
        assert!(parse(&good).is_ok_and(|meta| meta.numeric.is_empty()));
        for terms in [2, u64::from(u32::MAX), u64::MAX] {
            for shift in [0, 1, 30, 31, -1] {
                let mut bad = sorted(terms, shift);
                bad.extend([0; 200]);
                assert!(parse(&bad).is_err(), "{terms} {shift}");
            }
        }
    }
}
