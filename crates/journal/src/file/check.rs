//! Whether a folder can be written to by the next process, asked while another one still does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::segment;

/// Made, and removed again.
const PROBE: &str = "next-writer";
/// How far into a segment its first frame is looked for.
const LOOK: u64 = 1 << 20;

/// Finds what would fail when the folder is opened for appending. The lock isn't taken.
pub(crate) fn check(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("writer.lock"))?;
    let probe = folder.join(PROBE);
    let written = File::create(&probe).and_then(|mut file| file.write_all(&[0]));
    written.and(fs::remove_file(&probe))?;
    segment::committed(folder)?;
    let segments = segment::list(folder)?;
    let Some(last) = segments.last() else { return Ok(()) };
    let file = match OpenOptions::new().read(true).write(true).open(&last.path) {
        // Who writes has deleted it since.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let mut front = Vec::new();
    file.take(LOOK).read_to_end(&mut front)?;
    segment::refuse_foreign(last, &front)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{FileAppender, Named, format};
    use super::*;
    use crate::AppendSettings;

    #[test]
    fn a_folder_that_another_writes_to_can_be_taken_over() {
        let folder = tempfile::TempDir::new().unwrap();
        let journal = folder.path().join("a/b");
        check(&journal).unwrap();
        let settings = AppendSettings::default();
        let writer = FileAppender::open(&journal, &settings, Named::ByKey).unwrap();
        check(&journal).unwrap();
        assert!(!journal.join(PROBE).exists());
        writer.close(Duration::ZERO);
        drop(writer);
        // It has not disturbed what is there.
        FileAppender::open(&journal, &settings, Named::ByKey).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_written_and_what_is_no_segment_are_found() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        check(&file.join("journal")).unwrap_err();
        let foreign = folder.path().join("00000000000000000000.seg");
        fs::write(&foreign, "something else, of another program").unwrap();
        let error = check(folder.path()).unwrap_err().to_string();
        assert!(error.contains("00000000000000000000.seg is no segment"), "{error}");
        // A header that was damaged is no other program's.
        let mut damaged = format::segment_header(0).to_vec();
        damaged[3] ^= 1;
        damaged.extend(format::frame_header(b"k", b"v"));
        fs::write(&foreign, damaged).unwrap();
        check(folder.path()).unwrap();
        // A lock that can't be opened.
        fs::create_dir(folder.path().join("locked")).unwrap();
        fs::create_dir(folder.path().join("locked/writer.lock")).unwrap();
        check(&folder.path().join("locked")).unwrap_err();
    }
}
