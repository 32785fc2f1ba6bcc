//! The topic that a spill is of: a proxy that is started while Kafka is gone needs its number of partitions.

use std::path::Path;
use std::{fs, io};

use crate::whole_file;

const FILE: &str = "topic";

/// The partitions of the topic, if the spill has been used for it before. A spill that still holds records of another
/// one is refused.
pub(super) fn read(folder: &Path, topic: &str, is_empty: bool) -> Result<Option<i32>, String> {
    let text = match fs::read_to_string(folder.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("spill {}: {error}", folder.display())),
    };
    let known = text.trim().rsplit_once(' ').and_then(|(name, count)| {
        Some((name, count.parse().ok().filter(|count: &i32| *count > 0)?))
    });
    match known {
        Some((name, partitions)) if name == topic => Ok(Some(partitions)),
        _ if is_empty => Ok(None),
        Some((name, _)) => Err(format!(
            "spill {} holds records of topic {name}, not of {topic}: start the proxy with that topic, so that it is drained, \
             or give another folder",
            folder.display()
        )),
        None => Err(format!("spill {}: its file `{FILE}` can't be read", folder.display())),
    }
}

/// Says whose records go into the spill.
pub(super) fn write(folder: &Path, topic: &str, partitions: i32) -> io::Result<()> {
    whole_file::replace(&folder.join(FILE), format_args!("{topic} {partitions}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spill_belongs_to_one_topic_while_it_holds_something() {
        let folder = tempfile::TempDir::new().unwrap();
        let folder = folder.path();
        assert_eq!(read(folder, "a", false), Ok(None));
        write(folder, "a", 12).unwrap();
        assert_eq!(read(folder, "a", false), Ok(Some(12)));
        assert_eq!(read(folder, "b", true), Ok(None));
        let error = read(folder, "b", false).unwrap_err();
        assert!(error.contains("topic a, not of b"), "{error}");
        fs::write(folder.join(FILE), "a none").unwrap();
        assert!(read(folder, "a", false).is_err());
        assert_eq!(read(folder, "a", true), Ok(None));
    }
}
