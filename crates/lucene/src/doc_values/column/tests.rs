//! Columns of made-up numbers, written in each way and read through windows, against the numbers themselves.

use proptest::prelude::*;

use super::{super::PresentEntry, *};
use crate::{Bits, input::Order};

/// A column as a writer would lay it out, and what each document has.
#[derive(Debug)]
struct Made {
    entry: NumericEntry,
    present: Present,
    data: Vec<u8>,
    model: Vec<Option<i64>>,
}

/// How the numbers are written.
#[derive(Clone, Copy, Debug)]
enum Way {
    Constant,
    /// The difference from the minimum, divided by the greatest common divisor.
    Packed {
        divisor: i64,
    },
    Table,
    /// Blocks of 2^shift, each of its own width.
    Blocks {
        shift: u32,
    },
}

/// Integers as one stream of bits.
fn pack(values: &[u64], bits: u8, order: Order) -> Vec<u8> {
    let mut bytes = vec![0u8; (values.len() * usize::from(bits)).div_ceil(8)];
    for (number, value) in values.iter().enumerate() {
        for bit in 0..usize::from(bits) {
            let at = number * usize::from(bits) + bit;
            let (is_set, in_byte) = match order {
                Order::Big => (value >> (usize::from(bits) - 1 - bit) & 1, 7 - at % 8),
                Order::Little => (value >> bit & 1, at % 8),
            };
            bytes[at / 8] |= (is_set as u8) << in_byte;
        }
    }
    bytes
}

/// The smallest width that is written and holds a value.
fn width(largest: u64) -> u8 {
    let bits = (64 - largest.leading_zeros()) as u8;
    WIDTHS.into_iter().find(|width| *width >= bits).unwrap()
}

fn fixed(order: Order, bytes: [u8; 8]) -> [u8; 8] {
    let value = i64::from_be_bytes(bytes);
    match order {
        Order::Big => value.to_be_bytes(),
        Order::Little => value.to_le_bytes(),
    }
}

/// `numbers` are those of the documents that have one, `has` says which do.
fn made(numbers: &[i64], has: &[bool], way: Way, order: Order, before: usize) -> Made {
    let mut model = Vec::new();
    let mut values = Vec::new();
    let mut bits_of = Bits::zeros(has.len() as u32);
    for (document, has) in has.iter().enumerate() {
        let number = match way {
            Way::Constant => -7,
            // Differences must fit where divisors are told apart.
            Way::Packed { divisor } if divisor > 1 => numbers[document] % 1000 * divisor + 11,
            Way::Table => [5, -1, i64::MAX][numbers[document].unsigned_abs() as usize % 3],
            _ => numbers[document],
        };
        model.push(has.then_some(number));
        if *has {
            bits_of.set(document as u32);
            values.push(number);
        }
    }
    let present = match values.len() {
        0 => Present::None,
        all if all == has.len() => Present::All,
        _ => Present::Some(bits_of),
    };
    let minimum = values.iter().copied().min().unwrap_or_default();
    let mut entry = NumericEntry {
        present: PresentEntry { offset: -1, length: 0, rank_power: None },
        values: values.len() as u64,
        table: Vec::new(),
        block_shift: None,
        bits: 0,
        minimum: 0,
        divisor: 1,
        offset: before as u64,
        length: 0,
        order,
    };
    let packed = |values: &[i64], minimum: i64, divisor: i64| {
        let packed: Vec<_> = values
            .iter()
            .map(|value| (value.wrapping_sub(minimum) as u64) / divisor as u64)
            .collect();
        let bits = width(packed.iter().copied().max().unwrap_or_default().max(1));
        (bits, pack(&packed, bits, order))
    };
    let mut data = vec![0xAA; before];
    match way {
        Way::Constant => entry.minimum = -7,
        Way::Packed { divisor } => {
            let (bits, bytes) = packed(&values, minimum, divisor);
            (entry.bits, entry.minimum, entry.divisor) = (bits, minimum, divisor);
            data.extend(bytes);
        }
        Way::Table => {
            entry.table = vec![5, -1, i64::MAX];
            let find = |value| entry.table.iter().position(|known| *known == value).unwrap();
            let packed: Vec<_> = values.iter().map(|value| find(*value) as u64).collect();
            entry.bits = 2;
            data.extend(pack(&packed, 2, order));
        }
        Way::Blocks { shift } => {
            entry.block_shift = Some(shift);
            for block in values.chunks(1 << shift) {
                let minimum = block.iter().copied().min().unwrap();
                if block.iter().all(|value| *value == minimum) {
                    data.push(0);
                    data.extend(fixed(order, minimum.to_be_bytes()));
                    continue;
                }
                let (bits, bytes) = packed(block, minimum, 1);
                data.push(bits);
                data.extend(fixed(order, minimum.to_be_bytes()));
                let length = bytes.len() as i32;
                data.extend(match order {
                    Order::Big => length.to_be_bytes(),
                    Order::Little => length.to_le_bytes(),
                });
                data.extend(bytes);
            }
        }
    }
    // Writers pad, so that their readers may read words.
    data.extend([0xBB; 3]);
    entry.length = (data.len() - before) as u64;
    Made { entry, present, data, model }
}

impl Made {
    fn column(&self) -> Result<Column, LuceneError> {
        Column::new("f".into(), self.entry.clone(), self.present.clone())
    }

    /// Reads the documents of a window, and checks them.
    fn check(&self, column: &mut Column, documents: Range<u32>) -> Result<(), LuceneError> {
        while let Some(range) = column.wants(documents.clone()) {
            column.supply(&self.data[range.start as usize..range.end as usize])?;
        }
        for document in documents {
            assert_eq!(column.get(document), self.model[document as usize], "{document}");
        }
        Ok(())
    }
}

fn ways() -> impl Strategy<Value = Way> {
    prop_oneof![
        Just(Way::Constant),
        Just(Way::Packed { divisor: 1 }),
        (2..5000i64).prop_map(|divisor| Way::Packed { divisor }),
        Just(Way::Table),
        (1..7u32).prop_map(|shift| Way::Blocks { shift }),
    ]
}

fn numbers() -> impl Strategy<Value = Vec<i64>> {
    let of = |number: BoxedStrategy<i64>| proptest::collection::vec(number, 1..700);
    prop_oneof![
        of((0..4i64).boxed()),
        of((-300..70_000i64).boxed()),
        of((-1i64 << 40..1 << 40).boxed()),
        of(any::<i64>().boxed()),
    ]
}

proptest! {
    #[test]
    fn numbers_come_back_through_any_windows(
        numbers in numbers(),
        gaps in prop_oneof![Just(0u8), Just(2), Just(255)],
        seed in any::<u64>(),
        way in ways(),
        is_big in any::<bool>(),
        before in 0..20usize,
        cuts in proptest::collection::btree_set(0..700u32, 0..12),
        back in 0..700u32,
    ) {
        let has = (0..numbers.len()).map(|at| match gaps {
            0 => true,
            255 => false,
            _ => seed.rotate_left(at as u32 * 7) & 3 != 0,
        });
        let order = if is_big { Order::Big } else { Order::Little };
        let made = made(&numbers, &has.collect::<Vec<_>>(), way, order, before);
        let end = numbers.len() as u32;
        let mut column = made.column().unwrap();
        let mut from = 0;
        for to in cuts.into_iter().filter(|cut| *cut < end).chain([end]) {
            made.check(&mut column, from..to).unwrap();
            from = to;
        }
        // Backwards, and far forwards.
        let back = back.min(end);
        made.check(&mut column, back..end).unwrap();
        made.check(&mut column, back / 2..back).unwrap();
        made.check(&mut made.column().unwrap(), back..end).unwrap();
    }

    #[test]
    fn no_bytes_end_a_column(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        values in prop_oneof![0..400u64, any::<u64>()],
        bits in any::<u8>(),
        shift in proptest::option::of(0..18u32),
        offset in 0..100u64,
        length in prop_oneof![0..400u64, 0..=i64::MAX as u64],
        table in proptest::collection::vec(any::<i64>(), 0..3),
        window in 0..400u32,
    ) {
        let present = PresentEntry { offset: -1, length: 0, rank_power: None };
        let (minimum, divisor, order) = (1, 1, Order::Little);
        let block_shift = shift;
        let entry = NumericEntry {
            present, values, table, block_shift, bits, minimum, divisor, offset, length, order,
        };
        let Ok(mut column) = Column::new("f".into(), entry, Present::All) else { return Ok(()) };
        while let Some(range) = column.wants(window..window + 5) {
            let (from, to) = (range.start as usize, range.end as usize);
            let Some(bytes) = bytes.get(from..to) else { break };
            if column.supply(bytes).is_err() {
                break;
            }
        }
        let _ = column.get(window);
    }
}

#[test]
fn large_columns_are_read_in_parts() {
    let numbers: Vec<i64> = (0..200_000).map(|at| at * at % 1013).collect();
    let has = vec![true; numbers.len()];
    for way in [Way::Packed { divisor: 1 }, Way::Blocks { shift: 14 }] {
        let made = made(&numbers, &has, way, Order::Little, 9);
        let mut column = made.column().unwrap();
        for from in (0..200_000).step_by(4096) {
            made.check(&mut column, from..(from + 4096).min(200_000)).unwrap();
            assert!(column.window.len() <= 4096 + 65_536 + 16_384);
        }
    }
}

#[test]
fn blocks_without_bytes_are_not_decoded_all_at_once() {
    let numbers = vec![1; 1_000_000];
    let made = made(&numbers, &[true; 1_000_000], Way::Blocks { shift: 14 }, Order::Little, 0);
    let mut column = made.column().unwrap();
    made.check(&mut column, 0..10).unwrap();
    assert!(made.data.len() < 1000 && column.window.len() <= 65_536 + 16_384);
    made.check(&mut column, 999_000..1_000_000).unwrap();
    assert!(column.window.len() <= 65_536 + 16_384);
}

#[test]
fn what_was_not_asked_for_is_refused() {
    let made = made(&[1, 2, 3, 900], &[true; 4], Way::Packed { divisor: 1 }, Order::Big, 0);
    let mut column = made.column().unwrap();
    assert!(column.supply(&made.data).is_err());
    let range = column.wants(0..4).unwrap();
    assert!(column.supply(&made.data[..range.end as usize - 1]).is_err());
}

#[test]
fn impossible_entries_are_refused() {
    let good = made(&[1, 2, 3, 900], &[true; 4], Way::Packed { divisor: 1 }, Order::Big, 0);
    let refused = |change: &dyn Fn(&mut NumericEntry)| {
        let mut entry = good.entry.clone();
        change(&mut entry);
        Column::new("f".into(), entry, Present::All).is_err()
    };
    assert!(!refused(&|_| ()));
    assert!(refused(&|entry| entry.bits = 7));
    assert!(refused(&|entry| entry.values = 100));
    assert!(refused(&|entry| entry.values = u64::MAX));
    assert!(refused(&|entry| entry.block_shift = Some(15)));
    let mut entry = good.entry.clone();
    (entry.table, entry.bits) = (vec![4], 16);
    let mut column = Column::new("f".into(), entry, Present::All).unwrap();
    let range = column.wants(0..4).unwrap();
    assert!(column.supply(&good.data[range.start as usize..range.end as usize]).is_err());
}
