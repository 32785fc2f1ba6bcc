//! Numbers that no machine type holds, as text.

use super::Problem;

/// Bytes of the largest integer that is spelled out: about 20,000 digits. The time to do so grows
/// with the square, and a target reads at most 1,000 digits from Jackson 2.15 on.
const LIMIT: usize = 8 << 10;

/// The decimal digits of an unsigned big-endian integer.
pub(super) fn magnitude(bytes: &[u8]) -> Result<String, Problem> {
    const GROUP: u64 = 1_000_000_000;
    if bytes.len() > LIMIT {
        return Err(Problem::BigNumber { bytes: bytes.len(), limit: LIMIT });
    }
    let mut limbs: Vec<u32> = bytes
        .rchunks(4)
        .rev()
        .map(|chunk| chunk.iter().fold(0, |limb, byte| limb << 8 | u32::from(*byte)))
        .collect();
    let mut groups = Vec::new();
    let mut first = 0;
    while first < limbs.len() {
        let mut remainder = 0;
        for limb in &mut limbs[first..] {
            let dividend = remainder << 32 | u64::from(*limb);
            *limb = u32::try_from(dividend / GROUP).expect("the remainder is below the divisor");
            remainder = dividend % GROUP;
        }
        groups.push(remainder);
        while limbs.get(first) == Some(&0) {
            first += 1;
        }
    }
    let mut digits = groups.pop().unwrap_or(0).to_string();
    for group in groups.iter().rev() {
        digits.push_str(&format!("{group:09}"));
    }
    Ok(digits)
}

/// The decimal digits of a two's complement big-endian integer, as Java's `BigInteger` is stored.
pub(super) fn twos_complement(bytes: &[u8]) -> Result<String, Problem> {
    if bytes.first().is_none_or(|first| *first < 0x80) {
        return magnitude(bytes);
    }
    let mut negated: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
    for byte in negated.iter_mut().rev() {
        let (sum, carry) = byte.overflowing_add(1);
        *byte = sum;
        if !carry {
            break;
        }
    }
    Ok(format!("-{}", magnitude(&negated)?))
}

/// `unscaled` × 10^-`scale`, spelled as Java's `BigDecimal.toString` does.
pub(super) fn decimal(unscaled: &str, scale: i64) -> String {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled),
    };
    if scale == 0 {
        return unscaled.to_owned();
    }
    let after_first = i128::try_from(digits.len()).unwrap_or(i128::MAX) - 1;
    let exponent = after_first - i128::from(scale);
    if scale > 0 && exponent >= -6 {
        let scale = usize::try_from(scale).unwrap_or(usize::MAX);
        return match digits.len().checked_sub(scale) {
            Some(whole) if whole > 0 => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
            _ => format!("{sign}0.{digits:0>scale$}"),
        };
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    match exponent {
        0 => format!("{sign}{first}{point}{rest}"),
        _ => format!("{sign}{first}{point}{rest}E{exponent:+}"),
    }
}
