//! Documents in bulks of a bounded size.

use converge::{Change, Operation};

/// Bulk requests of at most this many bytes of documents.
const PART_BYTES: usize = 16 << 20;

pub(super) fn of(operations: Vec<Operation>) -> Vec<Vec<Operation>> {
    let mut parts: Vec<Vec<Operation>> = Vec::new();
    let mut bytes = usize::MAX;
    for operation in operations {
        let size = match &operation.change {
            Change::Index { source, .. } => source.len(),
            Change::Delete => 0,
        };
        bytes = bytes.saturating_add(size);
        match parts.last_mut().filter(|_| bytes <= PART_BYTES) {
            Some(part) => part.push(operation),
            None => {
                parts.push(vec![operation]);
                bytes = size;
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use converge::Version;

    use super::{super::reading::address, *};

    #[test]
    fn bulks_are_bounded_by_bytes() {
        let operation = |size| Operation {
            address: address("i", "1".into(), None, None),
            version: Version::ZERO,
            change: Change::Index {
                source: Bytes::from(vec![b' '; size]),
                dynamic_templates: None,
            },
        };
        let sizes = |sizes: &[usize]| {
            let made = of(sizes.iter().map(|size| operation(*size)).collect());
            made.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[1, 1, PART_BYTES, 1, 1]), [2, 1, 2]);
        assert_eq!(sizes(&[PART_BYTES - 1, 1, 1]), [2, 1]);
    }
}
