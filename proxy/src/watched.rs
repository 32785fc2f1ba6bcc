//! Something made of files, and made anew when they change.
//!
//! Whole contents are compared, not times: a mounted secret is a link that turns, and a certificate is copied with the
//! time that it was made at. What can't be made of the new contents changes nothing: the old thing stays.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use thiserror::Error;

/// Why nothing could be made of files.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{file}: {reason}")]
pub struct FileError {
    file: String,
    reason: String,
}

impl FileError {
    pub(crate) fn new(file: &std::path::Path, reason: &dyn ToString) -> FileError {
        FileError { file: file.display().to_string(), reason: reason.to_string() }
    }
}

/// What a file holds; certificates and keys have some KiB.
type Contents = Vec<Result<Vec<u8>, String>>;
type Make<T> = dyn Fn(&[Vec<u8>]) -> Made<T> + Send + Sync;
type Made<T> = Result<T, FileError>;

/// A `T`, and the files that it is made of.
pub(crate) struct Watched<T> {
    files: Vec<PathBuf>,
    make: Box<Make<T>>,
    current: RwLock<Arc<T>>,
    tried: Mutex<Contents>,
}

impl<T> Watched<T> {
    /// Reads the files, and makes a `T` of what they hold, in their order.
    pub(crate) fn open(
        files: Vec<PathBuf>,
        make: impl Fn(&[Vec<u8>]) -> Result<T, FileError> + Send + Sync + 'static,
    ) -> Result<Watched<T>, FileError> {
        let tried = read(&files);
        let current = made(&files, &tried, &make)?;
        let current = RwLock::new(Arc::new(current));
        Ok(Watched { files, make: Box::new(make), current, tried: Mutex::new(tried) })
    }

    pub(crate) fn current(&self) -> Arc<T> {
        self.current.read().clone()
    }

    /// Makes it anew if a file has changed; `None` when none has since it was last tried.
    pub(crate) fn refresh(&self) -> Option<Result<(), FileError>> {
        let found = read(&self.files);
        let mut tried = self.tried.lock();
        if *tried == found {
            return None;
        }
        let outcome = made(&self.files, &found, &*self.make);
        *tried = found;
        Some(outcome.map(|made| *self.current.write() = Arc::new(made)))
    }
}

fn read(files: &[PathBuf]) -> Contents {
    files.iter().map(|file| std::fs::read(file).map_err(|error| error.to_string())).collect()
}

fn made<T>(files: &[PathBuf], found: &Contents, make: impl Fn(&[Vec<u8>]) -> Made<T>) -> Made<T> {
    let mut contents = Vec::new();
    for (file, content) in files.iter().zip(found) {
        contents.push(content.clone().map_err(|reason| FileError::new(file, &reason))?);
    }
    make(&contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_once_and_changes_nothing() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("number");
        std::fs::write(&file, "1").unwrap();
        let name = file.clone();
        let number = move |contents: &[Vec<u8>]| {
            let text = String::from_utf8_lossy(&contents[0]);
            text.parse::<u32>().map_err(|error| FileError::new(&name, &error))
        };
        let watched = Watched::open(vec![file.clone()], number).unwrap();
        assert!(watched.refresh().is_none());
        std::fs::write(&file, "two").unwrap();
        let error = watched.refresh().unwrap().unwrap_err().to_string();
        assert!(error.contains("number: invalid digit"), "{error}");
        assert!(watched.refresh().is_none() && *watched.current() == 1);
        std::fs::remove_file(&file).unwrap();
        assert!(watched.refresh().unwrap().is_err());
        std::fs::write(&file, "3").unwrap();
        assert_eq!(watched.refresh(), Some(Ok(())));
        assert_eq!(*watched.current(), 3);
    }
}
