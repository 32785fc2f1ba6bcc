//! Reading tuples back.

use std::{
    fs::{self, File},
    io::{self, BufRead, Read as _},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{Compression, TupleError};

/// The longest line that is read: tuples hold whole bodies, and Elasticsearch takes 100 MB a request.
const LINE_LIMIT: u64 = 1 << 29;

/// Folders in each other, in the layout with the most.
const DEEPEST: usize = 6;

/// Reads the tuples of every file of them in `directory`, in either layout, in the order of the files' names.
pub fn read(directory: &Path) -> Result<Tuples, TupleError> {
    let mut files = Vec::new();
    find(directory, DEEPEST, &mut files)?;
    files.sort_by(|(a, _), (b, _)| b.cmp(a));
    Ok(Tuples { files, open: None, torn: 0 })
}

fn find(
    directory: &Path,
    deeper: usize,
    files: &mut Vec<(PathBuf, Compression)>,
) -> Result<(), TupleError> {
    let fail = |source| TupleError::Read { path: directory.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if let Some(compression) = Compression::of(&path.to_string_lossy()) {
            files.push((path, compression));
        } else if deeper > 0 && path.is_dir() {
            find(&path, deeper - 1, files)?;
        }
    }
    Ok(())
}

/// An iterator over tuples as JSON.
#[derive(Debug)]
pub struct Tuples {
    /// Still to read, the next one last.
    files: Vec<(PathBuf, Compression)>,
    open: Option<Open>,
    torn: u64,
}

struct Open {
    path: PathBuf,
    lines: Box<dyn BufRead + Send>,
    line: u64,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Tuples {
    /// Files that ended in the middle, as a killed replayer leaves them, so far.
    pub fn torn_files(&self) -> u64 {
        self.torn
    }
}

impl Iterator for Tuples {
    type Item = Result<Value, TupleError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let open = match &mut self.open {
                Some(open) => open,
                None => {
                    let (path, compression) = self.files.pop()?;
                    match File::open(&path).and_then(|file| compression.lines(file)) {
                        Ok(lines) => self.open.insert(Open { path, lines, line: 0 }),
                        Err(source) => return Some(Err(TupleError::Read { path, source })),
                    }
                }
            };
            let mut line = Vec::new();
            match (&mut open.lines).take(LINE_LIMIT).read_until(b'\n', &mut line) {
                Ok(0) => self.open = None,
                Ok(_) => {
                    open.line += 1;
                    let read = serde_json::from_slice(&line).map_err(|e| TupleError::Line {
                        path: open.path.clone(),
                        line: open.line,
                        reason: e.to_string(),
                    });
                    return Some(read);
                }
                // The end that a kill leaves; whole lines before it have been read.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    self.torn += 1;
                    self.open = None;
                }
                Err(source) => {
                    let path = open.path.clone();
                    self.open = None;
                    return Some(Err(TupleError::Read { path, source }));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Layout, Objects, Request, Tuple, Writer, WriterSettings};

    fn tuple(number: u64) -> Tuple {
        Tuple {
            connection: "c".into(),
            request: number,
            source_request: Request {
                method: "GET".into(),
                uri: "/".into(),
                version: "HTTP/1.1",
                headers: vec![],
                body: Bytes::new(),
            },
            source_response: None,
            target_request: None,
            target_responses: vec![],
            attempts: 0,
            error: None,
            godwit: Value::Null,
        }
    }

    fn ids(directory: &Path) -> (Vec<String>, u64) {
        let mut tuples = read(directory).unwrap();
        let mut ids = Vec::new();
        for tuple in tuples.by_ref() {
            ids.push(tuple.unwrap()["connectionId"].as_str().unwrap().to_owned());
        }
        (ids, tuples.torn_files())
    }

    #[test]
    fn what_was_flushed_is_read_back_across_files_and_without_an_end() {
        for (compression, layout) in [
            (Compression::Gzip, Layout::Godwit),
            (Compression::Zstd, Layout::Godwit),
            (Compression::Gzip, Layout::Reference),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let settings = WriterSettings {
                file_bytes: 1,
                compression,
                layout,
                ..WriterSettings::new(directory.path().join("new"), "w")
            };
            let mut writer = Writer::create(settings.clone()).unwrap();
            for number in 0..3 {
                writer.append(&tuple(number)).unwrap();
                writer.flush().unwrap();
            }
            writer.finish().unwrap();
            let mut files = Vec::new();
            find(&settings.directory, DEEPEST, &mut files).unwrap();
            assert_eq!(files.len(), 3);

            // A kill: flushed, never finished.
            let mut killed = Writer::create(WriterSettings {
                writer: "x".into(),
                file_bytes: u64::MAX,
                ..settings.clone()
            })
            .unwrap();
            killed.append(&tuple(3)).unwrap();
            killed.flush().unwrap();
            let (read, torn) = ids(&settings.directory);
            assert_eq!(read, ["c.0", "c.1", "c.2", "c.3"], "{compression:?} {layout:?}");
            assert_eq!(torn, 1);
        }
    }

    #[test]
    fn the_references_layout_has_nothing_of_ours_and_its_names() {
        let settings = WriterSettings { layout: Layout::Reference, ..WriterSettings::new("", "w") };
        let mut objects = Objects::new(settings);
        assert!(objects.take().unwrap().is_none() && !objects.is_due());
        let mut of_ours = tuple(1);
        of_ours.godwit = serde_json::json!({"meaning": "read"});
        of_ours.attempts = 9;
        objects.append(&of_ours).unwrap();
        let object = objects.take().unwrap().unwrap();
        let parts: Vec<&str> = object.name.split('/').collect();
        assert_eq!((parts.len(), parts[0]), (6, "w"), "{}", object.name);
        assert!(parts[5].starts_with("tuples-w-") && parts[5].ends_with("Z-000000.log.gz"));
        let mut text = String::new();
        Compression::Gzip.lines(&object.bytes[..]).unwrap().read_to_string(&mut text).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&read["godwit"], &read["numRequests"]), (&Value::Null, &Value::from(9)));
    }
}
