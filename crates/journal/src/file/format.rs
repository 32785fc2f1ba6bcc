//! The bytes of segments and frames. Nothing here touches a file.

/// Length of a segment's header.
pub(super) const SEGMENT_HEADER: usize = 24;
/// Length of a frame's header.
pub(super) const FRAME_HEADER: usize = 20;
/// No frame's body is longer: a length above this is damage, not data.
pub(super) const MAX_BODY: usize = 64 << 20;

const SEGMENT_MAGIC: &[u8; 8] = b"GODWITJ1";
const FRAME_MAGIC: &[u8; 4] = b"GWR1";

pub(super) fn segment_header(base: u64) -> [u8; SEGMENT_HEADER] {
    let mut out = [0; SEGMENT_HEADER];
    out[..8].copy_from_slice(SEGMENT_MAGIC);
    out[8..16].copy_from_slice(&base.to_le_bytes());
    let crc = crc32fast::hash(&out[..16]);
    out[16..20].copy_from_slice(&crc.to_le_bytes());
    out
}

/// Whether `bytes` begin with the header of the segment that begins at `base`.
pub(super) fn is_segment_header(bytes: &[u8], base: u64) -> bool {
    bytes.get(..SEGMENT_HEADER) == Some(&segment_header(base)[..])
}

/// Whether `bytes`, the front of a file or all of it, may be what is left of the segment that begins at `base`. A crash leaves
/// a torn one behind, or zeros; damage hits its header, or frames. What is none of these is another program's.
pub(super) fn may_be_segment(bytes: &[u8], base: u64) -> bool {
    bytes.starts_with(SEGMENT_MAGIC)
        || segment_header(base).starts_with(bytes)
        || bytes.iter().all(|byte| *byte == 0)
        || next_header(bytes).is_some()
}

/// The header in front of `key` and `record`.
///
/// The caller keeps keys below 64 KiB and bodies below [`MAX_BODY`].
pub(super) fn frame_header(key: &[u8], record: &[u8]) -> [u8; FRAME_HEADER] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key);
    crc.update(record);
    let mut out = [0; FRAME_HEADER];
    out[..4].copy_from_slice(FRAME_MAGIC);
    out[4..8].copy_from_slice(&((key.len() + record.len()) as u32).to_le_bytes());
    out[8..10].copy_from_slice(&(key.len() as u16).to_le_bytes());
    out[12..16].copy_from_slice(&crc.finalize().to_le_bytes());
    let crc = crc32fast::hash(&out[..16]);
    out[16..20].copy_from_slice(&crc.to_le_bytes());
    out
}

/// What a frame's header says, once its own checksum held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub body: usize,
    pub key: usize,
    crc: u32,
}

impl FrameHeader {
    /// Reads the header at the front of `bytes`; `None` when there is no whole, undamaged one.
    pub(super) fn parse(bytes: &[u8]) -> Option<FrameHeader> {
        let header: &[u8; FRAME_HEADER] = bytes.get(..FRAME_HEADER)?.try_into().ok()?;
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (body, key) = (word(4) as usize, usize::from(header[8]) | usize::from(header[9]) << 8);
        let sound = &header[..4] == FRAME_MAGIC
            && word(16) == crc32fast::hash(&header[..16])
            && body <= MAX_BODY
            && key <= body;
        sound.then_some(FrameHeader { body, key, crc: word(12) })
    }

    /// Length of the whole frame.
    pub(super) fn frame(&self) -> usize {
        FRAME_HEADER + self.body
    }

    /// Whether `body` is what was written.
    pub(super) fn holds(&self, body: &[u8]) -> bool {
        body.len() == self.body && crc32fast::hash(body) == self.crc
    }
}

/// What stands at the front of some bytes of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// A whole frame.
    Frame(FrameHeader),
    /// A header whose body is not here to its end.
    Short(FrameHeader),
    /// A sound header, a body that does not match it.
    BadBody(FrameHeader),
    /// Fewer bytes than a header has.
    Empty,
    /// No header.
    NoHeader,
}

pub(super) fn front(bytes: &[u8]) -> Front {
    if bytes.len() < FRAME_HEADER {
        return Front::Empty;
    }
    let Some(header) = FrameHeader::parse(bytes) else { return Front::NoHeader };
    match bytes.get(FRAME_HEADER..header.frame()) {
        None => Front::Short(header),
        Some(body) if header.holds(body) => Front::Frame(header),
        Some(_) => Front::BadBody(header),
    }
}

/// Where the next sound frame header after position 0 begins.
pub(super) fn next_header(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at + FRAME_HEADER <= bytes.len() {
        at += bytes[at..].windows(4).position(|window| window == FRAME_MAGIC)?;
        if FrameHeader::parse(&bytes[at..]).is_some() {
            return Some(at);
        }
        at += 1;
    }
    None
}
