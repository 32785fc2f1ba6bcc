//! The list of a shard's files (`snap-<uuid>.dat` in the shard's directory).

use std::{collections::HashMap, ops::Range};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;

use crate::{FormatError, document, document::Wrapping, shape::Node};

/// A file of a Lucene index as it is in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Lucene's name of it: `_0.cfs`, `segments_4`.
    pub physical_name: String,
    /// Bytes.
    pub length: u64,
    /// The number in the footer, lower-case base 36; `None` or an Adler-32 before Lucene 4.8.
    pub checksum: Option<String>,
    /// The version of Lucene, as `9.12.1`.
    pub written_by: Option<String>,
    pub content: Content,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In the list itself.
    Inline(Bytes),
    /// In the blob `name`, or in `name.part0`, `name.part1`, … of `part_size` bytes each but the last.
    Blob { name: String, part_size: Option<u64> },
}

/// A piece of a file: a range of one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) blob: String,
    pub(crate) range: Range<u64>,
    /// How long the whole blob must be.
    pub(crate) blob_length: u64,
}

impl File {
    /// The footer's checksum that the file must have, if one is recorded that can be compared: Lucene 4.8 and newer.
    pub fn footer_checksum(&self) -> Option<u64> {
        if !self.has_footer() {
            return None;
        }
        u64::from_str_radix(self.checksum.as_deref()?, 36).ok()
    }

    /// Whether Lucene ends this file with a footer (4.8 and newer).
    pub fn has_footer(&self) -> bool {
        let Some(version) = &self.written_by else { return false };
        let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
        let major = parts.next().flatten().unwrap_or(0);
        let minor = parts.next().flatten().unwrap_or(0);
        (major, minor) >= (4, 8)
    }

    /// The ranges of blobs that make up a range of the file, in order; the range must be in the file.
    pub(crate) fn pieces(&self, range: Range<u64>) -> Vec<Piece> {
        let Content::Blob { name, part_size } = &self.content else { return Vec::new() };
        let Some(part_size) = part_size.filter(|size| *size < self.length) else {
            let piece = Piece { blob: name.clone(), range, blob_length: self.length };
            return vec![piece];
        };
        let mut pieces = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let (part, within) = (at / part_size, at % part_size);
            let start = part * part_size; // at most `at`
            let blob_length = part_size.min(self.length - start);
            let end = blob_length.min(range.end - start);
            let blob = format!("{name}.part{part}");
            pieces.push(Piece { blob, range: within..end, blob_length });
            at = start + end;
        }
        pieces
    }
}

/// All files of one shard in one snapshot.
#[derive(Debug, Clone, Default)]
pub struct ShardFiles {
    files: Vec<File>,
    by_name: HashMap<String, usize>,
}

impl ShardFiles {
    /// Parses a shard's `snap-<uuid>.dat`, or `snapshot-<name>` of Elasticsearch 1. `inline` bounds the length of a
    /// file that is in the list itself.
    pub fn parse(
        bytes: &[u8],
        wrapping: Wrapping,
        limit: usize,
        inline: usize,
    ) -> Result<Self, FormatError> {
        let value = document::parse(bytes, wrapping, limit)?;
        let root = Node::root(&value);
        let mut found = Self::default();
        for node in root.need("files")?.items()? {
            let file = file(&node, inline)?;
            let at = found.files.len();
            if found.by_name.insert(file.physical_name.clone(), at).is_some() {
                return Err(node.error(format!("`{}` is listed twice", file.physical_name)));
            }
            found.files.push(file);
        }
        Ok(found)
    }

    pub fn get(&self, physical_name: &str) -> Option<&File> {
        self.by_name.get(physical_name).and_then(|at| self.files.get(*at))
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &File> {
        self.files.iter()
    }

    /// The file `segments_N`: a snapshot of a shard has exactly one.
    pub fn commit(&self) -> Option<&File> {
        let mut commits = self.files.iter().filter(|f| f.physical_name.starts_with("segments_"));
        commits.next().filter(|_| commits.next().is_none())
    }

    /// Bytes of all files.
    pub fn total_size(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.length))
    }
}

fn file(node: &Node<'_>, inline: usize) -> Result<File, FormatError> {
    let text = |key| match node.get(key)? {
        Some(node) => Ok(Some(node.text()?.to_owned())),
        None => Ok(None),
    };
    let name = node.need("name")?.segment()?.to_owned();
    let length = node.need("length")?;
    let length = match length.number()? {
        number if number <= i64::MAX as u64 => number,
        _ => return Err(length.error("the number is too large")),
    };
    let content = match name.starts_with("v__") {
        true => {
            let hash = node.need("meta_hash")?;
            let encoded = hash.text()?;
            if length > inline as u64 || encoded.len() > inline.saturating_mul(2) {
                let problem =
                    format!("longer than {inline} bytes, the limit of a file in the list");
                return Err(hash.error(problem));
            }
            let bytes = STANDARD.decode(encoded).map_err(|error| hash.error(error.to_string()))?;
            if bytes.len() as u64 != length {
                let problem = format!("{} bytes where `length` says {length}", bytes.len());
                return Err(hash.error(problem));
            }
            Content::Inline(bytes.into())
        }
        false => Content::Blob { name, part_size: part_size(node)? },
    };
    Ok(File {
        physical_name: node.need("physical_name")?.segment()?.to_owned(),
        length,
        checksum: text("checksum")?,
        written_by: text("written_by")?,
        content,
    })
}

/// `part_size` in bytes. Elasticsearch before 7 writes -1 or leaves it out when there are no parts.
fn part_size(node: &Node<'_>) -> Result<Option<u64>, FormatError> {
    let Some(size) = node.get("part_size")? else { return Ok(None) };
    if size.value().as_i64() == Some(-1) {
        return Ok(None);
    }
    match size.number()? {
        0 => Err(size.error("a part of no bytes")),
        number => Ok(Some(number)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(files: Value) -> Result<ShardFiles, FormatError> {
        let list = json!({ "files": files }).to_string();
        ShardFiles::parse(list.as_bytes(), Wrapping::Bare, 1 << 20, 100)
    }

    fn blob(length: u64, part_size: Option<u64>) -> File {
        File {
            physical_name: "_0.cfs".into(),
            length,
            checksum: None,
            written_by: None,
            content: Content::Blob { name: "__a".into(), part_size },
        }
    }

    fn mapped(file: &File, range: Range<u64>) -> Vec<(String, Range<u64>, u64)> {
        let pieces = file.pieces(range).into_iter();
        pieces.map(|piece| (piece.blob, piece.range, piece.blob_length)).collect()
    }

    #[test]
    fn ranges_map_to_parts() {
        let whole = blob(10, Some(10));
        assert_eq!(mapped(&whole, 2..7), [("__a".into(), 2..7, 10)]);
        let parts = blob(10, Some(4));
        assert_eq!(mapped(&parts, 4..8), [("__a.part1".into(), 0..4, 4)]);
        let all = [
            ("__a.part0".into(), 3..4, 4),
            ("__a.part1".into(), 0..4, 4),
            ("__a.part2".into(), 0..2, 2),
        ];
        assert_eq!(mapped(&parts, 3..10), all);
        assert_eq!(mapped(&parts, 5..5), []);
        let huge = blob(i64::MAX as u64, Some(1 << 62));
        assert_eq!(mapped(&huge, (1 << 62)..(1 << 62) + 1)[0].0, "__a.part1");
    }

    #[test]
    fn which_checksums_count() {
        let mut file = blob(10, None);
        file.checksum = Some("1l4gi0t".into());
        for (version, expected) in [
            (None, None),
            (Some("4.7.2"), None),
            (Some("4.8"), Some(0xcde0_c73d)),
            (Some("4.10.4"), Some(0xcde0_c73d)),
            (Some("10.5.0"), Some(0xcde0_c73d)),
        ] {
            file.written_by = version.map(str::to_owned);
            assert_eq!(file.footer_checksum(), expected, "{version:?}");
        }
    }

    #[test]
    fn inline_files_must_have_their_length() {
        let file = |length: u64, hash: &str| {
            parse(
                json!([{"name": "v__x", "physical_name": "_0.si", "length": length, "meta_hash": hash}]),
            )
        };
        let files = file(3, "AP8D").unwrap();
        assert_eq!(
            files.get("_0.si").unwrap().content,
            Content::Inline(Bytes::from_static(&[0, 255, 3]))
        );
        assert!(file(4, "AP8D").is_err());
        assert!(file(3, "AP8").is_err());
        assert!(file(101, &STANDARD.encode([0; 101])).is_err());
        assert!(parse(json!([{"name": "v__x", "physical_name": "_0.si", "length": 3}])).is_err());
    }

    #[test]
    fn a_wrong_entry_names_its_path() {
        let good = json!({"name": "__a", "physical_name": "_0.si", "length": 3});
        for (key, value) in [
            ("name", json!("../x")),
            ("physical_name", json!("a/b")),
            ("length", json!(-1)),
            ("length", json!(u64::MAX)),
            ("part_size", json!(0)),
            ("checksum", json!(7)),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            let error = parse(json!([good, bad])).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`files[1].{key}`")), "{error}");
        }
        assert!(parse(json!([good, good])).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn there_must_be_one_commit() {
        let file = |name: &str| json!({"name": "__a", "physical_name": name, "length": 3});
        assert!(parse(json!([file("_0.si")])).unwrap().commit().is_none());
        assert!(parse(json!([file("segments_1"), file("segments_2")])).unwrap().commit().is_none());
        let files = parse(json!([file("_0.si"), file("segments_2")])).unwrap();
        assert_eq!(files.commit().unwrap().physical_name, "segments_2");
        assert_eq!((files.total_size(), files.iter().len()), (6, 2));
    }
}
