//! A group's offset in a file of its own.

use std::path::Path;
use std::{fs, io};

use crate::whole_file;

/// Whether a group's name may be part of a file's.
pub(crate) fn check_name(group: &str) -> io::Result<()> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !group.is_empty() && !group.starts_with('.') && group.bytes().all(sound) {
        return Ok(());
    }
    let reason = format!("`{group}` is no name for a group: use letters, digits, `_`, `-`");
    Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
}

/// What was committed, if anything was.
pub(crate) fn read(file: &Path) -> io::Result<Option<u64>> {
    match fs::read_to_string(file) {
        Ok(text) => text.trim().parse().map(Some).map_err(|_| {
            let message = format!("{} holds no offset; delete it to begin anew", file.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Commits: a crash leaves the old offset or the new.
pub(crate) fn write(path: &Path, offset: u64) -> io::Result<()> {
    whole_file::replace(path, offset)
}

/// The same away from the tasks: it waits for the disk, and they may have to keep time.
pub(crate) async fn write_aside(path: &Path, offset: u64) -> io::Result<()> {
    let path = path.to_owned();
    let written = tokio::task::spawn_blocking(move || write(&path, offset)).await;
    written.unwrap_or_else(|error| Err(io::Error::other(error)))
}
