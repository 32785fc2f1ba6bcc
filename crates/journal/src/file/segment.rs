//! The segments of a folder: which there are, where the log ends, and recovery after a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::format::{self, Front, SEGMENT_HEADER};

/// One segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub base: u64,
    pub path: PathBuf,
}

/// The segments of `folder` in order. Other files are left alone.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if path.extension().is_some_and(|ending| ending == "seg")
            && let Ok(base) = stem.parse()
        {
            segments.push(Segment { base, path });
        }
    }
    segments.sort_by_key(|segment| segment.base);
    Ok(segments)
}

/// Makes the segment that begins at `base`, durable in its folder too; writes go behind its header.
pub(super) fn create(folder: &Path, base: u64) -> io::Result<File> {
    let path = folder.join(format!("{base:020}.seg"));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    file.write_all_at(&format::segment_header(base), 0)?;
    file.seek(SeekFrom::Start(SEGMENT_HEADER as u64))?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// The highest offset that a reading group has committed: everything below it was handed out.
pub(super) fn committed(folder: &Path) -> io::Result<u64> {
    let groups = match fs::read_dir(folder.join("groups")) {
        Ok(groups) => groups,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut most = 0;
    for group in groups {
        // A group that can't be read is its reader's trouble; and no log is that long.
        let offset = fs::read_to_string(group?.path()).ok();
        let offset = offset.and_then(|text| text.trim().parse::<u64>().ok());
        most = most.max(offset.filter(|offset| *offset < 1 << 62).unwrap_or(0));
    }
    Ok(most)
}

/// What recovery found in the last segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Recovered {
    /// Length of the file after the last whole frame.
    pub whole: u64,
    /// Bytes behind it that were cut off.
    pub torn: u64,
}

/// Refuses a file that is none of a journal's, however it is called. `front` is its front, or all of it. Damage alone is no
/// reason: it is cut off, or passed over.
pub(super) fn refuse_foreign(segment: &Segment, front: &[u8]) -> io::Result<()> {
    if format::may_be_segment(front, segment.base) {
        return Ok(());
    }
    let message = format!("{} is no segment of a journal", segment.path.display());
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}

/// Cuts off what stands behind the last whole frame of a segment. Damage in front of a whole frame
/// stays where it is; a file that is no segment stays as it is. Takes the segment into memory: it is bounded by the segment's size and one
/// group.
pub(super) fn recover(segment: &Segment) -> io::Result<Recovered> {
    let bytes = fs::read(&segment.path)?;
    refuse_foreign(segment, &bytes)?;
    let file = OpenOptions::new().write(true).open(&segment.path)?;
    let (mut at, mut whole) = (SEGMENT_HEADER, SEGMENT_HEADER);
    if bytes.len() < SEGMENT_HEADER {
        file.write_all_at(&format::segment_header(segment.base), 0)?;
    }
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        at += match format::front(rest) {
            Front::Frame(header) => {
                whole = at + header.frame();
                header.frame()
            }
            Front::BadBody(header) => header.frame(),
            Front::Short(_) | Front::Empty | Front::NoHeader => {
                format::next_header(rest).unwrap_or(rest.len())
            }
        };
    }
    file.set_len(whole as u64)?;
    file.sync_all()?;
    Ok(Recovered { whole: whole as u64, torn: bytes.len().saturating_sub(whole) as u64 })
}
