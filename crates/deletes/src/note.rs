//! One note, and the delete that it stands for.

use serde::{Deserialize, Serialize};

/// What is kept of a delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The UUID of the target's index.
    pub image: String,
    /// Its name, for people.
    pub index: String,
    #[serde(flatten)]
    pub delete: Delete,
}

/// What was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum Delete {
    /// A document, by an operation with this external version.
    Version {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        routing: Option<String>,
        version: i64,
    },
    /// The source didn't have a document of this id, under any routing, when it was asked.
    Gone { id: String },
    /// The source was asked for all documents: any may have been gone.
    Walk,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_plain_json() {
        let note = |delete| Note { image: "u".into(), index: "i".into(), delete };
        let (id, routing) = ("1".to_owned(), Some("r".to_owned()));
        for (delete, text) in [
            (
                Delete::Version { id: id.clone(), routing, version: 7 },
                r#"{"image":"u","index":"i","what":"version","id":"1","routing":"r","version":7}"#,
            ),
            (
                Delete::Version { id: id.clone(), routing: None, version: 7 },
                r#"{"image":"u","index":"i","what":"version","id":"1","version":7}"#,
            ),
            (Delete::Gone { id }, r#"{"image":"u","index":"i","what":"gone","id":"1"}"#),
            (Delete::Walk, r#"{"image":"u","index":"i","what":"walk"}"#),
        ] {
            let note = note(delete);
            assert_eq!(serde_json::to_string(&note).unwrap(), text);
            assert_eq!(serde_json::from_str::<Note>(text).unwrap(), note);
        }
    }
}
