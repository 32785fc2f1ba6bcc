use std::fs;
use std::io::Write as _;

use codec::record::{Direction, Envelope};
use flate2::{Compression, write::GzEncoder};

use super::*;

fn line(connection: &str, number: u64, at: Nanos) -> Vec<u8> {
    let envelope = Envelope::new(connection, "n");
    let mut value = envelope.prefix(0, false, Direction::Read, at, 0).to_vec();
    value.extend_from_slice(&Envelope::suffix(None, number, false));
    let mut out = Vec::new();
    export::write(connection.as_bytes(), &value, &mut out);
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Offset, next, connection or reason of every entry that there is.
async fn read(reader: &mut ExportReader) -> Vec<(u64, String)> {
    let (mut found, Ends(ends)) = (Vec::new(), reader.end());
    while reader.position() < ends[0].1 {
        let entry = reader.next().await;
        assert_eq!(entry.next, entry.offset + 1);
        found.push((
            entry.offset,
            entry.record.map_or_else(|bad| bad.reason, |record| record.connection),
        ));
    }
    found
}

#[tokio::test]
async fn a_group_goes_on_where_it_was_in_gzip_of_several_parts_and_in_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = ([line("a", 1, 5), line("b", 1, 7)].concat(), line("c", 1, 9));
    for bytes in [[gzip(&first), gzip(&second)].concat(), [first, second].concat()] {
        let path = folder.path().join(format!("{}.gz", bytes.len()));
        fs::write(&path, bytes).unwrap();
        let mut reader = ExportReader::open(&path, "g", StartFrom::Group).unwrap();
        let expected = [(0, "a".into()), (1, "b".into()), (2, "c".into())];
        assert_eq!(read(&mut reader).await, expected);
        reader.commit(2).await.unwrap();
        let mut reader = ExportReader::open(&path, "g", StartFrom::Group).unwrap();
        assert_eq!(read(&mut reader).await, [(2, "c".into())]);
        let mut reader = ExportReader::open(&path, "other", StartFrom::Time(7)).unwrap();
        assert_eq!(read(&mut reader).await, [(1, "b".into()), (2, "c".into())]);
    }
}

#[tokio::test]
async fn what_is_broken_is_an_entry_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e");
    let bytes = [line("a", 1, 5), b"x|???\n\n".to_vec(), b"x|CgE\n".to_vec(), line("b", 1, 6)];
    let mut bytes = gzip(&bytes.concat());
    let mut reader = {
        fs::write(&path, &bytes).unwrap();
        ExportReader::open(&path, "g", StartFrom::Group).unwrap()
    };
    let found = read(&mut reader).await;
    assert_eq!(found.len(), 4);
    assert_eq!((&*found[0].1, &*found[3].1), ("a", "b"));
    assert!(found[1].1.contains("base64") && found[2].1.contains("TrafficStream"), "{found:?}");

    // Cut off: what is whole is read, and the cut is told.
    bytes.truncate(bytes.len() - 9);
    fs::write(&path, &bytes).unwrap();
    let mut reader = ExportReader::open(&path, "g", StartFrom::Group).unwrap();
    let found = read(&mut reader).await;
    assert_eq!(found[0].1, "a");
    assert!(found.last().unwrap().1.contains("nothing behind it"), "{found:?}");
}

#[tokio::test]
async fn the_mark_is_what_follows_at_the_oldest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e");
    // Two partitions, one after the other.
    let lines = [line("a", 1, 5), line("a", 2, 50), line("b", 1, 7), line("b", 2, 40)];
    fs::write(&path, lines.concat()).unwrap();
    let mut reader = ExportReader::open(&path, "g", StartFrom::Group).unwrap();
    let mut marks = vec![reader.low_water()];
    for _ in 0..4 {
        reader.next().await;
        marks.push(reader.low_water());
    }
    assert_eq!(marks, [5, 7, 7, 40, Nanos::MAX]);
}
