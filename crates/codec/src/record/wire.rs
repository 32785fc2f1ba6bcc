//! The little of protobuf that the capture format needs.

use bytes::{Buf, Bytes};

/// Appends a base-128 varint.
pub(super) fn put_varint(out: &mut impl Extend<u8>, mut value: u64) {
    while value >= 0x80 {
        out.extend([(value as u8) | 0x80]);
        value >>= 7;
    }
    out.extend([value as u8]);
}

/// Bytes that `value` takes as a varint.
pub(super) fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Takes a varint off the front; `None` when it is cut off or longer than ten bytes.
pub(super) fn take_varint(input: &mut Bytes) -> Option<u64> {
    let mut value = 0u64;
    for (place, byte) in input.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7F).checked_shl(7 * place as u32)?;
        if byte & 0x80 == 0 {
            input.advance(place + 1);
            return Some(value);
        }
    }
    None
}

/// One field of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Varint(u64),
    Bytes(Bytes),
    Fixed,
}

/// Takes the next field off the front: its number and value. `None` when it is malformed.
pub(super) fn take_field(input: &mut Bytes) -> Option<(u32, Value)> {
    let key = take_varint(input)?;
    let number = u32::try_from(key >> 3).ok().filter(|number| *number > 0)?;
    let value = match key & 7 {
        0 => Value::Varint(take_varint(input)?),
        1 => skip(input, 8)?,
        2 => {
            let length = usize::try_from(take_varint(input)?).ok()?;
            if length > input.len() {
                return None;
            }
            Value::Bytes(input.split_to(length))
        }
        5 => skip(input, 4)?,
        _ => return None,
    };
    Some((number, value))
}

fn skip(input: &mut Bytes, length: usize) -> Option<Value> {
    if input.len() < length {
        return None;
    }
    input.advance(length);
    Some(Value::Fixed)
}
