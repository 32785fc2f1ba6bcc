//! Classes of bytes in a head (RFC 9110 5.6.2, RFC 9112 2.3 and 5), and runs of them.

/// `tchar`: what methods and field names are made of.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
};

/// The first index at or after `from` whose byte is not a token character, else the length.
pub(super) fn skip_token(input: &[u8], from: usize) -> usize {
    let run = input.get(from..).unwrap_or_default();
    from + run.iter().position(|&byte| !TOKEN[usize::from(byte)]).unwrap_or(run.len())
}

/// The first index at or after `from` whose byte can't be in a request target, else the length.
/// White space and control bytes can't. Bytes above 0x7f can: clients send raw UTF-8, and no server
/// ends a target there.
pub(super) fn skip_target(input: &[u8], from: usize) -> usize {
    skip(input, from, |byte| byte > 0x20 && byte != 0x7f, 0x21)
}

/// The first index at or after `from` whose byte can't be in a field value, else the length. Tabs,
/// spaces, visible characters and bytes above 0x7f can.
pub(super) fn skip_text(input: &[u8], from: usize) -> usize {
    skip(input, from, |byte| (byte >= 0x20 && byte != 0x7f) || byte == b'\t', 0x20)
}

/// Eight bytes at a time while none is below `least` or DEL, then one at a time.
fn skip(input: &[u8], from: usize, keep: impl Fn(u8) -> bool, least: u8) -> usize {
    let run = input.get(from..).unwrap_or_default();
    let mut at = 0;
    while let Some(word) = run.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let stop = stops(u64::from_le_bytes(*word), least);
        if stop == 0 {
            at += 8;
            continue;
        }
        at += (stop.trailing_zeros() / 8) as usize;
        match run.get(at) {
            Some(&byte) if keep(byte) => at += 1,
            _ => return from + at,
        }
    }
    while run.get(at).is_some_and(|&byte| keep(byte)) {
        at += 1;
    }
    from + at
}

/// A word whose lowest set bit lies in the first byte of `word` (in little-endian order) that is
/// below `least` or is DEL. Bits above the lowest may be wrong: a borrow runs upwards.
fn stops(word: u64, least: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let below = word.wrapping_sub(ONES * u64::from(least)) & !word;
    let no_del = word ^ (ONES * 0x7f);
    let del = no_del.wrapping_sub(ONES) & !no_del;
    (below | del) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_stop_where_a_byte_by_byte_scan_stops() {
        for stop in 0..=255u8 {
            for place in 0..20 {
                let mut input = vec![b'a'; 24];
                input[3] = 0xc3;
                input[place] = stop;
                let text = (stop >= 0x20 && stop != 0x7f) || stop == b'\t';
                assert_eq!(skip_text(&input, 0), if text { 24 } else { place }, "{stop} {place}");
                let target = stop > 0x20 && stop != 0x7f;
                assert_eq!(skip_target(&input, 0), if target { 24 } else { place });
            }
        }
        assert_eq!(skip_token(b"Content-Type: x", 0), 12);
        assert_eq!(skip_token(b"ab", 7), 7);
    }
}
