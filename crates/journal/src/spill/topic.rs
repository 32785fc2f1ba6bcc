//! The topic that a spill is of: a proxy that is started while Kafka is gone needs its number of partitions, and how large a
//! batch it takes.
//!
//! One line: name, partitions, bytes of the largest batch (older files have none), with a space between.

use std::path::Path;
use std::{fs, io};

use crate::kafka::Remembered;
use crate::whole_file;

const FILE: &str = "topic";

/// What is remembered of the topic, if the spill has been used for it before. A spill that still holds records of another
/// one is refused.
pub(super) fn read(
    folder: &Path,
    topic: &str,
    is_empty: bool,
) -> Result<Option<Remembered>, String> {
    let text = match fs::read_to_string(folder.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("spill {}: {error}", folder.display())),
    };
    match parse(&text) {
        Some((name, remembered)) if name == topic => Ok(Some(remembered)),
        _ if is_empty => Ok(None),
        Some((name, _)) => Err(format!(
            "spill {} holds records of topic {name}, not of {topic}: start the proxy with that topic, so that it is drained, \
             or give another folder",
            folder.display()
        )),
        None => Err(format!("spill {}: its file `{FILE}` can't be read", folder.display())),
    }
}

fn parse(text: &str) -> Option<(&str, Remembered)> {
    let mut words = text.split_ascii_whitespace();
    let (name, partitions) = (words.next()?, words.next()?.parse().ok()?);
    let batch = words.next().map(str::parse).transpose().ok()?;
    (partitions > 0).then_some((name, Remembered { partitions, batch }))
}

/// Says whose records go into the spill.
pub(super) fn write(folder: &Path, topic: &str, remembered: Remembered) -> io::Result<()> {
    let Remembered { partitions, batch } = remembered;
    let batch = batch.map(|batch| format!(" {batch}")).unwrap_or_default();
    whole_file::replace(&folder.join(FILE), format_args!("{topic} {partitions}{batch}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spill_belongs_to_one_topic_while_it_holds_something() {
        let folder = tempfile::TempDir::new().unwrap();
        let folder = folder.path();
        assert_eq!(read(folder, "a", false), Ok(None));
        let remembered = Remembered { partitions: 12, batch: Some(20_000) };
        write(folder, "a", remembered).unwrap();
        assert_eq!(read(folder, "a", false), Ok(Some(remembered)));
        assert_eq!(read(folder, "b", true), Ok(None));
        let error = read(folder, "b", false).unwrap_err();
        assert!(error.contains("topic a, not of b"), "{error}");
        for unreadable in ["a none", "a", "a 0", "a 12 many", ""] {
            fs::write(folder.join(FILE), unreadable).unwrap();
            assert!(read(folder, "a", false).is_err(), "{unreadable}");
            assert_eq!(read(folder, "a", true), Ok(None));
        }
        fs::write(folder.join(FILE), "a 12\n").unwrap();
        let older = Remembered { partitions: 12, batch: None };
        assert_eq!(read(folder, "a", false), Ok(Some(older)));
    }
}
