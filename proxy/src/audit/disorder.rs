//! What is out of its place among numbers that should ascend.

use std::fmt;

/// How the order of some records differs from that of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disorder {
    /// Each is where the other should be.
    Swapped { first: u64, second: u64 },
    /// It comes behind records that follow it: behind this one last.
    Late { number: u64, behind: u64 },
    /// It comes before records that it follows: before this one first.
    Early { number: u64, before: u64 },
    /// More than one is.
    Mixed { first: u64, last: u64 },
}

impl fmt::Display for Disorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Swapped { first, second } => {
                write!(f, "records {first} and {second} have changed places")
            }
            Self::Late { number, behind } => write!(f, "record {number} comes behind {behind}"),
            Self::Early { number, before } => write!(f, "record {number} comes before {before}"),
            Self::Mixed { first, last } => write!(f, "records {first} to {last} are mixed up"),
        }
    }
}

/// What is out of order in `arrived`, different numbers as they came; `None`: nothing.
pub(super) fn disorder(arrived: &[u64]) -> Option<Disorder> {
    let mut sorted = arrived.to_vec();
    sorted.sort_unstable();
    let mut differ = arrived.iter().zip(&sorted).enumerate().filter(|(_, (a, b))| a != b);
    let (from, _) = differ.next()?;
    let (to, _) = differ.next_back()?;
    let (came, wanted) = (arrived.get(from..=to)?, sorted.get(from..=to)?);
    let (&first, &last) = (wanted.first()?, wanted.last()?);
    let inner = 1..came.len() - 1;
    if came.get(inner.clone()) == wanted.get(inner) {
        return Some(Disorder::Swapped { first, second: last });
    }
    // One that moved shifts all between by one.
    if came.get(..came.len() - 1) == wanted.get(1..) {
        return Some(Disorder::Late { number: first, behind: last });
    }
    if came.get(1..) == wanted.get(..wanted.len() - 1) {
        return Some(Disorder::Early { number: last, before: first });
    }
    Some(Disorder::Mixed { first, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_its_place_is_named() {
        for (arrived, expected) in [
            (&[][..], None),
            (&[4, 5, 9], None),
            (&[3, 2], Some(Disorder::Swapped { first: 2, second: 3 })),
            (&[5, 3, 4, 2, 6], Some(Disorder::Swapped { first: 2, second: 5 })),
            (&[4, 5, 3, 6], Some(Disorder::Late { number: 3, behind: 5 })),
            (&[5, 3, 4, 6], Some(Disorder::Early { number: 5, before: 3 })),
            (&[5, 4, 2, 3], Some(Disorder::Mixed { first: 2, last: 5 })),
        ] {
            assert_eq!(disorder(arrived), expected, "{arrived:?}");
        }
    }
}
