//! Integers of a fixed number of bits (Lucene's `DirectReader`): one stream of bits, most significant bit
//! first before Lucene 9, least significant first since.

use crate::input::Order;

/// The widths that are written.
pub(super) const WIDTHS: [u8; 14] = [1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64];

/// Bytes that `count` integers take; a count from outside may be any.
pub(super) fn bytes(count: u64, bits: u8) -> u64 {
    let bytes = (u128::from(count) * u128::from(bits)).div_ceil(8);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The integer number `at` of `bytes`; `None`: it isn't in there.
pub(super) fn get(bytes: &[u8], at: usize, bits: u8, order: Order) -> Option<u64> {
    let first = at * usize::from(bits);
    let (byte, shift) = (first / 8, first % 8);
    let width = usize::from(bits);
    let wanted = (shift + width).div_ceil(8);
    let window = bytes.get(byte..)?.get(..wanted)?;
    let mut padded = [0; 16];
    let value = match order {
        Order::Big => {
            padded[..wanted].copy_from_slice(window);
            u128::from_be_bytes(padded) >> (128 - shift - width)
        }
        Order::Little => {
            padded[..wanted].copy_from_slice(window);
            u128::from_le_bytes(padded) >> shift
        }
    };
    let mask = u64::MAX >> (64 - width);
    Some(value as u64 & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_follow_each_other_without_gaps() {
        // 0xABC, 0xDEF in twelve bits each.
        assert_eq!(get(&[0xAB, 0xCD, 0xEF], 1, 12, Order::Big), Some(0xDEF));
        assert_eq!(get(&[0xBC, 0xFA, 0xDE], 0, 12, Order::Little), Some(0xABC));
        assert_eq!(get(&[0xBC, 0xFA, 0xDE], 1, 12, Order::Little), Some(0xDEF));
        assert_eq!(get(&[0xFF; 16], 1, 64, Order::Big), Some(u64::MAX));
        assert_eq!(get(&[0b1010_0000], 2, 1, Order::Big), Some(1));
        assert_eq!(get(&[0xFF; 16], 2, 64, Order::Big), None);
    }
}
