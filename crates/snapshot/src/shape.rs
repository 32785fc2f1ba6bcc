//! Typed access to a JSON value from outside: what is missing or of another kind is an error with its path.

use serde_json::{Map, Value};

use crate::FormatError;

/// A value and the way to it.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    value: &'a Value,
    path: Path<'a>,
}

/// A chain on the stack of those who descend; made into text only for an error.
#[derive(Clone)]
enum Path<'a> {
    Root,
    Key(&'a Node<'a>, &'a str),
    Item(&'a Node<'a>, usize),
}

impl<'a> Node<'a> {
    pub(crate) fn root(value: &'a Value) -> Self {
        Self { value, path: Path::Root }
    }

    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    fn path(&self) -> String {
        match &self.path {
            Path::Root => String::new(),
            Path::Key(parent, key) => match parent.path().as_str() {
                "" => (*key).to_owned(),
                above => format!("{above}.{key}"),
            },
            Path::Item(parent, at) => format!("{}[{at}]", parent.path()),
        }
    }

    pub(crate) fn error(&self, problem: impl Into<String>) -> FormatError {
        let path = match self.path() {
            path if path.is_empty() => "the whole document".to_owned(),
            path => path,
        };
        FormatError::Shape { path, problem: problem.into() }
    }

    fn expected(&self, what: &str) -> FormatError {
        let found = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.error(format!("expected {what}, found {found}"))
    }

    pub(crate) fn object(&self) -> Result<&'a Map<String, Value>, FormatError> {
        self.value.as_object().ok_or_else(|| self.expected("an object"))
    }

    /// The value under a key, unless it is absent or null.
    pub(crate) fn get(&'a self, key: &'a str) -> Result<Option<Node<'a>>, FormatError> {
        let value = self.object()?.get(key).filter(|value| !value.is_null());
        Ok(value.map(|value| Node { value, path: Path::Key(self, key) }))
    }

    pub(crate) fn need(&'a self, key: &'a str) -> Result<Node<'a>, FormatError> {
        const NOTHING: &Value = &Value::Null;
        let found = self.get(key)?;
        Ok(found.unwrap_or(Node { value: NOTHING, path: Path::Key(self, key) }))
    }

    pub(crate) fn entries(
        &'a self,
    ) -> Result<impl Iterator<Item = (&'a String, Node<'a>)>, FormatError> {
        let object = self.object()?;
        Ok(object.iter().map(|(key, value)| (key, Node { value, path: Path::Key(self, key) })))
    }

    pub(crate) fn items(&'a self) -> Result<impl Iterator<Item = Node<'a>>, FormatError> {
        let items = self.value.as_array().ok_or_else(|| self.expected("a list"))?;
        let node = |(at, value)| Node { value, path: Path::Item(self, at) };
        Ok(items.iter().enumerate().map(node))
    }

    pub(crate) fn text(&self) -> Result<&'a str, FormatError> {
        self.value.as_str().ok_or_else(|| self.expected("a text"))
    }

    /// A whole number that is not negative, also when written as text.
    pub(crate) fn number(&self) -> Result<u64, FormatError> {
        let number = match self.value {
            Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        };
        number.ok_or_else(|| self.expected("a whole number"))
    }

    pub(crate) fn small(&self) -> Result<u32, FormatError> {
        u32::try_from(self.number()?).map_err(|_| self.error("the number is too large"))
    }

    pub(crate) fn flag(&self) -> Result<bool, FormatError> {
        match self.value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err(self.expected("true or false")),
        }
    }

    /// A text that may be one part of a blob's name.
    pub(crate) fn segment(&self) -> Result<&'a str, FormatError> {
        let text = self.text()?;
        match is_segment(text) {
            true => Ok(text),
            false => Err(self.error(format!("{text:?} cannot be a part of a blob's name"))),
        }
    }
}

/// Whether a text may be one part of a blob's name: no way out of the repository.
pub(crate) fn is_segment(text: &str) -> bool {
    let harmful = |c: char| c == '/' || c == '\\' || c.is_control();
    !matches!(text, "" | "." | "..") && !text.chars().any(harmful)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_names_the_path_and_the_kinds() {
        let value = json!({"files": [{"length": 1}, {"length": "x"}]});
        let root = Node::root(&value);
        let files = root.need("files").unwrap();
        let file = files.items().unwrap().nth(1).unwrap();
        let error = file.need("length").unwrap().number().unwrap_err();
        assert_eq!(error.to_string(), "`files[1].length`: expected a whole number, found a text");
        let error = file.need("name").unwrap().text().unwrap_err();
        assert_eq!(error.to_string(), "`files[1].name`: expected a text, found nothing");
    }

    #[test]
    fn a_segment_never_leads_elsewhere() {
        for bad in ["", ".", "..", "a/b", "/", "a\\b", "a\nb", "\0"] {
            assert!(!is_segment(bad), "{bad:?}");
        }
        for good in ["a", "..a", "_-Kk6B0h", "ünïcode", "with space", "50%"] {
            assert!(is_segment(good), "{good:?}");
        }
    }
}
