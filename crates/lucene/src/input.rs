//! A checked cursor over a file's bytes.

use crate::LuceneError;

/// How a file's fixed-size integers lie: big-endian before Lucene 9, little-endian since. Headers, footers
/// and the whole of `segments_N` are big-endian in every version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Big,
    Little,
}

/// Reads forward; every read checks that its bytes are there.
#[derive(Clone, Debug)]
pub(crate) struct Input<'a> {
    file: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` begins in the file, for errors.
    base: u64,
    pub(crate) order: Order,
}

impl<'a> Input<'a> {
    pub(crate) fn new(file: &'a str, bytes: &'a [u8]) -> Self {
        Self { file, bytes, at: 0, base: 0, order: Order::Big }
    }

    pub(crate) fn at_offset(file: &'a str, bytes: &'a [u8], base: u64, order: Order) -> Self {
        Self { file, bytes, at: 0, base, order }
    }

    /// How many bytes were read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn rest(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The last `n` bytes belong to something else.
    pub(crate) fn without_last(mut self, n: usize) -> Result<Self, LuceneError> {
        if self.rest() < n {
            return Err(self.truncated(n));
        }
        self.bytes = &self.bytes[..self.bytes.len() - n];
        Ok(self)
    }

    #[cold]
    pub(crate) fn corrupt(&self, what: impl Into<String>) -> LuceneError {
        let at = self.base + self.at as u64;
        LuceneError::Corrupt { file: self.file.to_owned(), at, what: what.into() }
    }

    #[cold]
    pub(crate) fn truncated(&self, wanted: usize) -> LuceneError {
        let at = self.base + self.bytes.len() as u64;
        let wanted = wanted.saturating_sub(self.rest()) as u64;
        LuceneError::Truncated { file: self.file.to_owned(), at, wanted }
    }

    #[cold]
    pub(crate) fn too_large(&self, what: &'static str, size: u64, limit: u64) -> LuceneError {
        let at = self.base + self.at as u64;
        LuceneError::TooLarge { file: self.file.to_owned(), at, what, size, limit }
    }

    #[inline]
    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], LuceneError> {
        let Some(taken) = self.bytes.get(self.at..).and_then(|rest| rest.get(..n)) else {
            return Err(self.truncated(n));
        };
        self.at += n;
        Ok(taken)
    }

    /// All bytes that are left, without taking them.
    pub(crate) fn left(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn skip(&mut self, n: u64) -> Result<(), LuceneError> {
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        self.take(n).map(drop)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, LuceneError> {
        let Some(&byte) = self.bytes.get(self.at) else { return Err(self.truncated(1)) };
        self.at += 1;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LuceneError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn id(&mut self) -> Result<[u8; 16], LuceneError> {
        self.array()
    }

    pub(crate) fn i16(&mut self) -> Result<i16, LuceneError> {
        let bytes = self.array()?;
        Ok(match self.order {
            Order::Big => i16::from_be_bytes(bytes),
            Order::Little => i16::from_le_bytes(bytes),
        })
    }

    pub(crate) fn i32(&mut self) -> Result<i32, LuceneError> {
        let bytes = self.array()?;
        Ok(match self.order {
            Order::Big => i32::from_be_bytes(bytes),
            Order::Little => i32::from_le_bytes(bytes),
        })
    }

    pub(crate) fn i64(&mut self) -> Result<i64, LuceneError> {
        let bytes = self.array()?;
        Ok(match self.order {
            Order::Big => i64::from_be_bytes(bytes),
            Order::Little => i64::from_le_bytes(bytes),
        })
    }

    /// A 64-bit offset or length, which is never negative.
    pub(crate) fn offset(&mut self) -> Result<u64, LuceneError> {
        let value = self.i64()?;
        u64::try_from(value).map_err(|_| self.corrupt(format!("offset {value} is negative")))
    }

    pub(crate) fn be_u32(&mut self) -> Result<u32, LuceneError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn be_u64(&mut self) -> Result<u64, LuceneError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// 1 to 5 bytes, seven bits each, lowest first; never more than an `i32` holds.
    #[inline]
    pub(crate) fn vint(&mut self) -> Result<u32, LuceneError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u32::from(first));
        }
        let mut value = u32::from(first & 0x7F);
        for shift in [7, 14, 21, 28] {
            let byte = self.byte()?;
            if shift == 28 && byte > 0x0F {
                return Err(self.corrupt("a variable-length integer has more than 32 bits"));
            }
            value |= u32::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    /// A [`Input::vint`] that counts or measures: negative as Java's `int` is an error.
    #[inline]
    pub(crate) fn length(&mut self) -> Result<usize, LuceneError> {
        let value = self.vint()?;
        if value > i32::MAX as u32 {
            return Err(self.corrupt(format!("length {} is negative", value as i32)));
        }
        Ok(value as usize)
    }

    /// 1 to 10 bytes, seven bits each, lowest first.
    #[inline]
    pub(crate) fn vlong(&mut self) -> Result<u64, LuceneError> {
        let mut value = 0u64;
        for shift in (0..=63).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(self.corrupt("a variable-length integer has more than 64 bits"));
            }
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.corrupt("a variable-length integer doesn't end"))
    }

    pub(crate) fn string(&mut self) -> Result<&'a str, LuceneError> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.corrupt("a name isn't UTF-8"))
    }

    /// A count of things that take at least `least` bytes each: so large that they can't be there is an error.
    pub(crate) fn checked_count(&self, count: i64, least: usize) -> Result<usize, LuceneError> {
        let Ok(count) = usize::try_from(count) else {
            return Err(self.corrupt(format!("count {count} is negative")));
        };
        if count.saturating_mul(least.max(1)) > self.rest() {
            return Err(self.truncated(count.saturating_mul(least.max(1))));
        }
        Ok(count)
    }

    /// Everything was read.
    pub(crate) fn end(&self) -> Result<(), LuceneError> {
        if self.rest() > 0 {
            return Err(self.corrupt(format!("{} bytes are left over", self.rest())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vint(bytes: &[u8]) -> Result<u32, LuceneError> {
        Input::new("f", bytes).vint()
    }

    #[test]
    fn variable_integers() {
        assert_eq!(vint(&[0x7F]), Ok(0x7F));
        assert_eq!(vint(&[0x80, 0x01]), Ok(0x80));
        assert_eq!(vint(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]), Ok(u32::MAX));
        assert!(vint(&[0xFF, 0xFF, 0xFF, 0xFF, 0x1F]).is_err());
        assert!(vint(&[0x80]).unwrap_err().is_truncated());
        let vlong = |bytes: &[u8]| Input::new("f", bytes).vlong();
        assert_eq!(vlong(&[0xFF; 9].into_iter().chain([1]).collect::<Vec<_>>()), Ok(u64::MAX));
        assert!(vlong(&[0xFF; 10]).is_err());
    }

    #[test]
    fn counts_are_checked_against_what_is_there() {
        let input = Input::new("f", &[0; 10]);
        assert_eq!(input.checked_count(5, 2), Ok(5));
        assert!(input.checked_count(6, 2).is_err());
        assert!(input.checked_count(-1, 2).is_err());
    }
}
