//! `segments_N`: which segments a shard consists of. Big-endian in every version.
//!
//! ```text
//! header "segments" f | [id, generation] | versions | counter | n × segment | user data | footer
//! ```
//! `f` is 0 for Lucene 4.0, 1 for 4.6, 2 for 4.8, 3 for 4.9, 4 for 5.0, 5 for 5.1, 6 for 5.3, 7 for 7.0, 8 for
//! 7.2, 9 for 7.4, 10 for 8.6 to 10.4. (Lucene's `SegmentInfos`.)

use std::collections::BTreeMap;

use crate::{LuceneError, header, input::Input};

/// A shard's segments, as of one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub segments: Vec<SegmentCommit>,
    /// What Elasticsearch keeps with a commit (`max_seq_no`, `history_uuid`…).
    pub user_data: BTreeMap<String, String>,
}

/// One segment of a commit: what has changed about it since it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentCommit {
    /// `_0`, `_a3`…
    pub name: String,
    /// `None` before Lucene 5.
    pub id: Option<[u8; 16]>,
    /// How many documents are marked deleted by the live-documents file of `deletes_generation`.
    pub deleted: u32,
    /// How many documents that file leaves are softly deleted.
    pub soft_deleted: u32,
    pub deletes_generation: Option<u64>,
    pub fields_generation: Option<u64>,
    pub doc_values_generation: Option<u64>,
}

impl Commit {
    /// Reads a whole `segments_N`; `file` is its name.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, LuceneError> {
        let mut input = Input::new(file, bytes);
        let header = header::plain(&mut input)?;
        if header.codec != "segments" {
            return Err(header.unknown(file));
        }
        header.expect(file, 0, 10)?;
        let format = header.version;
        // Lucene 4.0 to 4.7 end with another checksum, of their own: the same sum, without the footer's magic.
        let mut input = if format >= 2 {
            let mut checked = header::checked(file, bytes)?;
            checked.skip(input.at() as u64)?;
            checked
        } else {
            let body = &bytes[..bytes.len().saturating_sub(8)];
            let mut sum = Input::new(file, &bytes[body.len()..]);
            let (stored, computed) = (sum.be_u64()?, crc32fast::hash(body));
            if stored != u64::from(computed) {
                return Err(LuceneError::Checksum { file: file.to_owned(), stored, computed });
            }
            input.without_last(8)?
        };
        if format >= 4 {
            header::id(&mut input)?;
        }
        if format >= 6 {
            version(&mut input)?;
        }
        if format >= 7 {
            input.vint()?;
        }
        input.i64()?;
        if format > 7 {
            input.vlong()?;
        } else {
            input.i32()?;
        }
        let count = i64::from(input.i32()?);
        let count = input.checked_count(count, 20)?;
        if format >= 6 && count > 0 {
            version(&mut input)?;
        }
        let mut segments = Vec::with_capacity(count);
        for _ in 0..count {
            segments.push(segment(&mut input, format)?);
        }
        let user_data = map(&mut input, format)?;
        input.end()?;
        Ok(Self { segments, user_data })
    }

    /// How many documents its segments mark as deleted, softly or not.
    pub fn deleted(&self) -> u64 {
        self.segments.iter().map(|s| u64::from(s.deleted) + u64::from(s.soft_deleted)).sum()
    }
}

fn segment(input: &mut Input<'_>, format: u32) -> Result<SegmentCommit, LuceneError> {
    let name = input.string()?.to_owned();
    let is_name = name.starts_with('_') && name[1..].bytes().all(|b| b.is_ascii_alphanumeric());
    if !is_name || name.len() > 20 {
        return Err(input.corrupt(format!("{name:?} isn't a segment's name")));
    }
    let has_id = match format {
        7.. => true,
        4..7 => input.byte()? != 0,
        _ => false,
    };
    let id = if has_id { Some(input.id()?) } else { None };
    input.string()?; // The codec's name: wrappers change it at will, the files' own headers tell the truth.
    let deletes_generation = generation(input)?;
    let deleted = count(input)?;
    let fields_generation = if format >= 1 { generation(input)? } else { None };
    let doc_values_generation = if format >= 3 { generation(input)? } else { None };
    let soft_deleted = if format > 8 { count(input)? } else { 0 };
    if format > 9 && input.byte()? != 0 {
        input.id()?;
    }
    if format >= 3 {
        set(input, format)?;
    }
    if format >= 1 {
        let fields = i64::from(input.i32()?);
        for _ in 0..input.checked_count(fields, 8)? {
            if format >= 3 {
                input.i32()?;
            } else {
                input.i64()?;
            }
            set(input, format)?;
        }
    }
    Ok(SegmentCommit {
        name,
        id,
        deleted,
        soft_deleted,
        deletes_generation,
        fields_generation,
        doc_values_generation,
    })
}

fn version(input: &mut Input<'_>) -> Result<(), LuceneError> {
    for _ in 0..3 {
        input.vint()?;
    }
    Ok(())
}

/// −1 is none; 0 doesn't occur.
fn generation(input: &mut Input<'_>) -> Result<Option<u64>, LuceneError> {
    match input.i64()? {
        -1 => Ok(None),
        generation @ 1.. => Ok(Some(generation as u64)),
        other => Err(input.corrupt(format!("generation {other} can't be"))),
    }
}

fn count(input: &mut Input<'_>) -> Result<u32, LuceneError> {
    let count = input.i32()?;
    u32::try_from(count).map_err(|_| input.corrupt(format!("count {count} is negative")))
}

/// How many entries a set or map has: a variable-length integer since Lucene 5.1.
fn entries(input: &mut Input<'_>, format: u32) -> Result<usize, LuceneError> {
    let entries = if format >= 5 { i64::from(input.vint()?) } else { i64::from(input.i32()?) };
    input.checked_count(entries, 1)
}

fn set(input: &mut Input<'_>, format: u32) -> Result<(), LuceneError> {
    for _ in 0..entries(input, format)? {
        input.string()?;
    }
    Ok(())
}

fn map(input: &mut Input<'_>, format: u32) -> Result<BTreeMap<String, String>, LuceneError> {
    let mut map = BTreeMap::new();
    for _ in 0..entries(input, format)? {
        let key = input.string()?.to_owned();
        map.insert(key, input.string()?.to_owned());
    }
    Ok(map)
}

impl SegmentCommit {
    /// The file `<segment><extension>`, e.g. `.si`.
    pub fn file(&self, extension: &str) -> String {
        format!("{}{extension}", self.name)
    }

    /// The field infos that are in force: those of the newest generation.
    pub fn fields_file(&self) -> String {
        match self.fields_generation {
            Some(generation) => format!("{}_{}.fnm", self.name, base36(generation)),
            None => self.file(".fnm"),
        }
    }

    /// The file that says which documents are alive; `legacy`: as before Lucene 5.
    pub fn live_file(&self, legacy: bool) -> Option<String> {
        let extension = if legacy { "del" } else { "liv" };
        let generation = self.deletes_generation?;
        Some(format!("{}_{}.{extension}", self.name, base36(generation)))
    }
}

/// Generations are written so in file names.
pub(crate) fn base36(mut n: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit((n % 36) as u32, 36).unwrap_or('0'));
        n /= 36;
        if n == 0 {
            return digits.iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::base36;

    #[test]
    fn generations() {
        let written: Vec<_> = [0, 9, 10, 35, 36, 1295].map(base36).into();
        assert_eq!(written, ["0", "9", "a", "z", "10", "zz"]);
    }
}
