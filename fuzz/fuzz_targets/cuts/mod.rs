//! Cutting a stream at places that follow from its bytes, so that corpus files are plain streams.

/// A number that any change of `data` changes (FNV-1a).
pub fn hash(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// `data` in up to 16 parts, some of them empty.
pub fn parts(data: &[u8]) -> Vec<&[u8]> {
    let mut state = hash(data) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or(0)
    };
    let mut cuts: Vec<usize> = (0..next() % 16).map(|_| next() % (data.len() + 1)).collect();
    cuts.extend([0, data.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &data[pair[0]..pair[1]]).collect()
}
