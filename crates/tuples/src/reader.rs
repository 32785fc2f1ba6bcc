//! Reading tuples back.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;
use serde_json::Value;

use crate::TupleError;

/// The longest line that is read: tuples hold whole bodies, and Elasticsearch takes 100 MB a request.
const LINE_LIMIT: u64 = 1 << 29;

/// Reads the tuples of every `*.log.gz` file in `directory`, in the order of the files' names.
pub fn read(directory: &Path) -> Result<Tuples, TupleError> {
    let fail = |source| TupleError::Read { path: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.to_string_lossy().ends_with(".log.gz") {
            files.push(path);
        }
    }
    files.sort_by(|a, b| b.cmp(a));
    Ok(Tuples { files, open: None, torn: 0 })
}

/// An iterator over tuples as JSON.
#[derive(Debug)]
pub struct Tuples {
    /// Still to read, the next one last.
    files: Vec<PathBuf>,
    open: Option<Open>,
    torn: u64,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    lines: BufReader<MultiGzDecoder<BufReader<File>>>,
    line: u64,
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
                    let path = self.files.pop()?;
                    match File::open(&path) {
                        Ok(file) => {
                            let lines = BufReader::new(MultiGzDecoder::new(BufReader::new(file)));
                            self.open.insert(Open { path, lines, line: 0 })
                        }
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
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::{Request, Tuple, Writer, WriterSettings};

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
        let directory = tempfile::tempdir().unwrap();
        let settings = WriterSettings {
            directory: directory.path().join("new"),
            writer: "w".into(),
            file_bytes: 1,
            file_age: Duration::from_secs(60),
        };
        let mut writer = Writer::create(settings.clone()).unwrap();
        for number in 0..3 {
            writer.append(&tuple(number)).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(fs::read_dir(&settings.directory).unwrap().count(), 3);

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
        assert_eq!(read, ["c.0", "c.1", "c.2", "c.3"]);
        assert_eq!(torn, 1);
    }
}
