//! Segments that real servers wrote (`segments/README.md`), and reading them as a backfill does.
#![allow(dead_code, unreachable_pub)] // each test takes what it needs

use std::{collections::BTreeMap, fmt, fs, path::Path};

use bytes::Bytes;
use lucene::{
    Advance, Bits, Column, Commit, Compound, DocValuesFiles, DocValuesMeta, FieldRoles, Fields,
    Format, LuceneError, Place, SegmentCommit, SegmentInfo, Stored, StoredFields, decode_id,
    parse_live, remove_soft_deletes, split_uid,
};

/// More than the largest chunk of any sample.
pub const CHUNK: usize = 1 << 20;

/// Files by name; those of compound files are there too, as if they were loose.
pub type Files = BTreeMap<String, Bytes>;

/// One commit and some of its segments.
pub struct Sample {
    pub name: String,
    pub files: Files,
    /// The segments whose files are here.
    pub segments: Vec<SegmentCommit>,
    /// One line a document.
    pub expected: String,
}

/// What is read of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub number: u32,
    pub alive: bool,
    pub id: Option<String>,
    pub doc_type: Option<String>,
    pub routing: Option<String>,
    pub version: Option<i64>,
    pub seq_no: Option<i64>,
    pub primary_term: Option<i64>,
    pub source: Option<Vec<u8>>,
}

/// `number state id type routing version seq_no primary_term length:crc`, `-` for what isn't there.
impl fmt::Display for Document {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.alive, &self.id) {
            (false, _) => "deleted",
            (true, None) => "nested",
            (true, Some(_)) => "alive",
        };
        write!(to, "{} {state}", self.number)?;
        for text in [&self.id, &self.doc_type, &self.routing] {
            write!(to, " {}", text.as_deref().unwrap_or("-"))?;
        }
        for number in [self.version, self.seq_no, self.primary_term] {
            match number {
                Some(number) => write!(to, " {number}")?,
                None => write!(to, " -")?,
            }
        }
        match &self.source {
            Some(source) => write!(to, " {}:{:08x}", source.len(), crc32fast::hash(source)),
            None => write!(to, " -"),
        }
    }
}

/// All samples, in the order of their names.
pub fn all() -> Vec<Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/segments");
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names.iter().map(|name| sample(name)).collect()
}

pub fn sample(name: &str) -> Sample {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/segments").join(name);
    let mut files = Files::new();
    let mut expected = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let file = entry.file_name().into_string().unwrap();
        match file.as_str() {
            "expected" => expected = fs::read_to_string(entry.path()).unwrap(),
            _ => drop(files.insert(file, fs::read(entry.path()).unwrap().into())),
        }
    }
    let (file, bytes) = commit(&files);
    let mut segments = Commit::parse(file, bytes).unwrap().segments;
    segments.retain(|segment| files.contains_key(&segment.file(".si")));
    for segment in &segments {
        expand(&mut files, segment).unwrap();
    }
    Sample { name: name.to_owned(), files, segments, expected }
}

pub fn commit(files: &Files) -> (&str, &Bytes) {
    let (file, bytes) = files.iter().find(|(file, _)| file.starts_with("segments_")).unwrap();
    (file, bytes)
}

/// The files that are in the compound file. The names are those that Lucene has.
pub fn expand(files: &mut Files, segment: &SegmentCommit) -> Result<(), LuceneError> {
    const READ: [&str; 5] = [".fnm", ".fdt", ".fdm", ".dvm", ".dvd"];
    let Some(whole) = files.get(&segment.file(".cfs")).cloned() else { return Ok(()) };
    let name = segment.file(".cfe");
    let entries = get(files, segment, &name)?;
    let entries = Compound::parse(&name, &entries, segment, whole.len() as u64)?;
    let suffixes = ["Lucene70_0", "Lucene80_0", "Lucene90_0"];
    for extension in READ {
        let names = suffixes.iter().map(|format| format!("_{format}{extension}"));
        for suffix in names.chain([extension.to_owned()]) {
            if let Some(range) = entries.range(&suffix) {
                let bytes = whole.slice(range.start as usize..range.end as usize);
                files.insert(segment.file(&suffix), bytes);
            }
        }
    }
    Ok(())
}

pub fn get(files: &Files, segment: &SegmentCommit, file: &str) -> Result<Bytes, LuceneError> {
    let missing = || LuceneError::Missing { segment: segment.name.clone(), file: file.to_owned() };
    files.get(file).cloned().ok_or_else(missing)
}

/// A part of a file, as a request for that range would bring it.
fn part(file: &str, bytes: &Bytes, range: std::ops::Range<u64>) -> Result<Bytes, LuceneError> {
    let at = bytes.len() as u64;
    if range.start > range.end || range.end > at {
        let wanted = range.end.saturating_sub(at);
        return Err(LuceneError::Truncated { file: file.to_owned(), at, wanted });
    }
    Ok(bytes.slice(range.start as usize..range.end as usize))
}

/// All documents of a segment; its `.fdt` comes in blocks of `block` bytes.
pub fn read(
    files: &Files,
    segment: &SegmentCommit,
    block: usize,
) -> Result<Vec<Document>, LuceneError> {
    let name = segment.file(".si");
    let info = SegmentInfo::parse(&name, &get(files, segment, &name)?, segment)?;
    let name = segment.fields_file();
    let fields = Fields::parse(&name, &get(files, segment, &name)?, segment)?;
    let fdt = get(files, segment, &segment.file(".fdt"))?;
    info.check_length(segment, fdt.len() as u64)?;

    let live = live(files, segment, &info, &fields)?;
    let mut columns = Vec::new();
    for field in ["_version", "_seq_no", "_primary_term"] {
        columns.push(column(files, segment, &info, &fields, field)?);
    }
    let roles = FieldRoles::of(&fields);
    let mut documents = Vec::new();
    stored(
        files,
        segment,
        info.documents,
        Place::BEGIN,
        || block,
        |stored| {
            let chunk = stored.chunk();
            let range = chunk.first()..chunk.first() + chunk.len();
            for (column, file, data) in columns.iter_mut().flatten() {
                while let Some(range) = column.wants(range.clone()) {
                    column.supply(&part(file, data, range)?)?;
                }
            }
            for (number, fields, bytes) in chunk.documents() {
                let parsed = Stored::parse(stored.file(), stored.format(), &roles, fields, bytes)?;
                let mut document = document(number, &parsed, &segment.name)?;
                document.alive = live.as_ref().is_none_or(|live| live.get(number));
                let mut numbers = columns
                    .iter_mut()
                    .map(|column| column.as_mut().and_then(|(column, ..)| column.get(number)));
                document.version = numbers.next().flatten();
                document.seq_no = numbers.next().flatten();
                document.primary_term = numbers.next().flatten();
                documents.push(document);
            }
            Ok(())
        },
    )?;
    Ok(documents)
}

/// Every chunk from `place` on, and the checksum at the end. `cut` says how long the next block is.
pub fn stored(
    files: &Files,
    segment: &SegmentCommit,
    documents: u32,
    place: Place,
    mut cut: impl FnMut() -> usize,
    mut each: impl FnMut(&StoredFields) -> Result<(), LuceneError>,
) -> Result<(), LuceneError> {
    let name = segment.file(".fdt");
    let fdt = get(files, segment, &name)?;
    let begin = &fdt[..fdt.len().min(Format::HEADER_AT_MOST)];
    let meta_name = segment.file(".fdm");
    let meta = match Format::wants_meta(&name, begin)? {
        true => Some(get(files, segment, &meta_name)?),
        false => None,
    };
    let meta = meta.as_deref().map(|bytes| (meta_name.as_str(), bytes));
    let format = Format::parse(&name, begin, meta, segment)?;
    let length = fdt.len() as u64;
    let mut stored = StoredFields::new(&name, format, documents, length, place, CHUNK);
    let mut rest = fdt.slice((place.offset as usize).min(fdt.len())..);
    loop {
        match stored.advance()? {
            Advance::Chunk => each(&stored)?,
            Advance::End => return Ok(()),
            Advance::Wants => {
                assert!(!rest.is_empty(), "it wants more than there is");
                stored.supply(rest.split_to(cut().min(rest.len())));
            }
        }
    }
}

fn document(number: u32, stored: &Stored<'_>, name: &str) -> Result<Document, LuceneError> {
    let corrupt = |what: String| LuceneError::Corrupt { file: name.to_owned(), at: 0, what };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (mut id, mut doc_type) = (None, stored.doc_type.map(text));
    if let Some(bytes) = stored.id {
        let mut decoded = String::new();
        decode_id(bytes, &mut decoded).map_err(|error| corrupt(error.to_string()))?;
        id = Some(decoded);
    } else if let Some(bytes) = stored.uid {
        let (of, name) = split_uid(bytes).map_err(|error| corrupt(error.to_string()))?;
        (id, doc_type) = (Some(name.to_owned()), Some(of.to_owned()));
    }
    Ok(Document {
        number,
        alive: true,
        id,
        doc_type,
        routing: stored.routing.map(text),
        version: None,
        seq_no: None,
        primary_term: None,
        source: stored.source.map(<[u8]>::to_vec),
    })
}

/// `None`: all are alive.
fn live(
    files: &Files,
    segment: &SegmentCommit,
    info: &SegmentInfo,
    fields: &Fields,
) -> Result<Option<Bits>, LuceneError> {
    let mut live = match segment.live_file(info.is_legacy()) {
        None => None,
        Some(file) => {
            let bytes = get(files, segment, &file)?;
            Some(parse_live(&file, &bytes, segment, info.documents)?)
        }
    };
    if segment.soft_deleted > 0 {
        let field = fields.soft_deletes().map(|field| field.name.as_str()).unwrap_or_default();
        let present = numeric(files, segment, info, fields, field)?;
        let missing = LuceneError::Missing { segment: segment.name.clone(), file: String::new() };
        let (entry, file, data) = present.ok_or(missing)?;
        let bytes = match entry.present_range() {
            Some(range) => part(&file, &data, range)?,
            None => Bytes::new(),
        };
        let present = entry.present(&file, &bytes, info.documents)?;
        let live = live.get_or_insert_with(|| Bits::ones(info.documents));
        remove_soft_deletes(live, &present, segment)?;
    }
    Ok(live)
}

type Numeric = (lucene::NumericEntry, String, Bytes);

fn numeric(
    files: &Files,
    segment: &SegmentCommit,
    info: &SegmentInfo,
    fields: &Fields,
    field: &str,
) -> Result<Option<Numeric>, LuceneError> {
    if info.version.0 < 7 {
        return Ok(None);
    }
    let Some(field) = fields.named(field) else { return Ok(None) };
    let Some(names) = DocValuesFiles::of(segment, field) else { return Ok(None) };
    let (meta, data) = (format!("{}.dvm", names.stem), format!("{}.dvd", names.stem));
    let meta = DocValuesMeta::parse(&meta, &get(files, segment, &meta)?, segment, fields)?;
    let bytes = get(files, segment, &data)?;
    lucene::check_file(&data, &bytes)?;
    Ok(meta.numeric(field).map(|entry| (entry.clone(), data, bytes)))
}

fn column(
    files: &Files,
    segment: &SegmentCommit,
    info: &SegmentInfo,
    fields: &Fields,
    field: &str,
) -> Result<Option<(Column, String, Bytes)>, LuceneError> {
    let Some((entry, file, data)) = numeric(files, segment, info, fields, field)? else {
        return Ok(None);
    };
    let bytes = match entry.present_range() {
        Some(range) => part(&file, &data, range)?,
        None => Bytes::new(),
    };
    let present = entry.present(&file, &bytes, info.documents)?;
    Ok(Some((Column::new(file.clone(), entry, present)?, file, data)))
}
