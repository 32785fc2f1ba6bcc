//! The little of protobuf that the capture format needs.

use bytes::{Buf, Bytes};

/// Fields without long values, on the stack: the parts of a record that differ from read to read.
/// Writing them is a few stores each; a vector would ask for room at every byte.
pub(super) struct Fields<const ROOM: usize> {
    bytes: [u8; ROOM],
    len: usize,
}

impl<const ROOM: usize> Fields<ROOM> {
    pub(super) fn new() -> Fields<ROOM> {
        Fields { bytes: [0; ROOM], len: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// One byte. Every user's fields fit its room: their number and lengths don't depend on input.
    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        debug_assert!(self.len < ROOM);
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    /// A base-128 varint: at most ten bytes.
    #[inline]
    pub(super) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte((value as u8) | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// A field with a number for a value.
    #[inline]
    pub(super) fn number(&mut self, field: u32, value: u64) {
        self.varint(u64::from(field) << 3);
        self.varint(value);
    }

    /// A field with a short run of bytes for a value.
    #[inline]
    pub(super) fn field(&mut self, field: u32, value: &[u8]) {
        self.length(field, value.len());
        debug_assert!(self.len + value.len() <= ROOM);
        if let Some(place) = self.bytes.get_mut(self.len..self.len + value.len()) {
            place.copy_from_slice(value);
            self.len += value.len();
        }
    }

    /// What stands in front of a field's `length` bytes.
    #[inline]
    pub(super) fn length(&mut self, field: u32, length: usize) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(length as u64);
    }
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
