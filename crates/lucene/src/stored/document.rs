//! The stored fields of one document.
//!
//! ```text
//! fields × { vLong number << 3 | type · value }
//! type  0 string, 1 bytes: vInt length · bytes     2 int: zigzag vInt
//!       3 float, 4 long, 5 double: variable since Lucene 5, else 4, 8 and 8 bytes
//! ```

use super::format::Format;
use crate::{Fields, LuceneError, input::Input};

/// What a stored field is to Elasticsearch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Elasticsearch 6 and newer.
    Id,
    /// `type#id`, before.
    Uid,
    Source,
    RecoverySource,
    Routing,
    Type,
    /// `type#id` of the parent, in Elasticsearch 1 and 2.
    Parent,
    /// What is left where the source is put together from the fields' values.
    IgnoredSource,
}

/// The roles of a segment's fields, by number.
#[derive(Clone, Debug, Default)]
pub struct FieldRoles {
    near: Vec<Option<Role>>,
    /// Those of larger numbers than [`NEAR`], one for each role at most.
    far: Vec<(u32, Role)>,
}

/// Elasticsearch's own fields have small numbers: those are found by one look.
const NEAR: usize = 1 << 10;

impl FieldRoles {
    pub fn of(fields: &Fields) -> Self {
        let mut roles = Self::default();
        for field in fields.iter() {
            let role = match field.name.as_str() {
                "_id" => Role::Id,
                "_uid" => Role::Uid,
                "_source" => Role::Source,
                "_recovery_source" => Role::RecoverySource,
                "_routing" => Role::Routing,
                "_type" => Role::Type,
                "_parent" => Role::Parent,
                "_ignored_source" => Role::IgnoredSource,
                _ => continue,
            };
            let at = field.number as usize;
            if at >= NEAR {
                roles.far.push((field.number, role));
                continue;
            }
            if roles.near.len() <= at {
                roles.near.resize(at + 1, None);
            }
            roles.near[at] = Some(role);
        }
        roles
    }

    #[inline]
    fn get(&self, number: u64) -> Option<Role> {
        let near = usize::try_from(number).ok().and_then(|at| self.near.get(at));
        if let Some(role) = near {
            return *role;
        }
        self.far.iter().find(|(far, _)| u64::from(*far) == number).map(|(_, role)| *role)
    }
}

/// What is stored of one document, as slices of the chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored<'a> {
    pub id: Option<&'a [u8]>,
    pub uid: Option<&'a [u8]>,
    pub source: Option<&'a [u8]>,
    pub recovery_source: Option<&'a [u8]>,
    pub routing: Option<&'a [u8]>,
    pub doc_type: Option<&'a [u8]>,
    pub parent: Option<&'a [u8]>,
    pub has_ignored_source: bool,
}

impl<'a> Stored<'a> {
    /// Reads a document of [`crate::Chunk::documents`]; `file` is the `.fdt`'s name.
    #[inline]
    pub fn parse(
        file: &str,
        format: &Format,
        roles: &FieldRoles,
        fields: u32,
        bytes: &'a [u8],
    ) -> Result<Self, LuceneError> {
        let mut input = Input::new("", bytes);
        let mut stored = Self::default();
        match stored.read(&mut input, format, roles, fields) {
            Ok(()) => Ok(stored),
            Err(error) => Err(named(error, file)),
        }
    }

    /// What is whole in the beginning of a document that is too long.
    pub fn of_beginning(format: &Format, roles: &FieldRoles, fields: u32, bytes: &'a [u8]) -> Self {
        let mut stored = Self::default();
        // It ends where there is no more of it.
        let _ = stored.read(&mut Input::new("", bytes), format, roles, fields);
        stored
    }

    #[inline]
    fn read(
        &mut self,
        input: &mut Input<'a>,
        format: &Format,
        roles: &FieldRoles,
        fields: u32,
    ) -> Result<(), LuceneError> {
        for _ in 0..fields {
            let tag = input.vlong()?;
            let kind = tag & 7;
            if kind > 1 {
                number(input, kind, format.fixed_numbers)?;
                continue;
            }
            let length = input.length()?;
            let value = input.take(length)?;
            match roles.get(tag >> 3) {
                None => {}
                Some(Role::Id) => self.id = Some(value),
                Some(Role::Uid) => self.uid = Some(value),
                Some(Role::Source) => self.source = Some(value),
                Some(Role::RecoverySource) => self.recovery_source = Some(value),
                Some(Role::Routing) => self.routing = Some(value),
                Some(Role::Type) => self.doc_type = Some(value),
                Some(Role::Parent) => self.parent = Some(value),
                Some(Role::IgnoredSource) => self.has_ignored_source = true,
            }
        }
        input.end()
    }
}

/// The document's error, with the file it is in. Its place counts from the document's beginning.
#[cold]
fn named(error: LuceneError, file: &str) -> LuceneError {
    let what = |rest: &str| format!("{rest} (counted inside the document)");
    match error {
        LuceneError::Truncated { at, .. } => LuceneError::Corrupt {
            file: file.to_owned(),
            at,
            what: what("a stored field goes on behind its document"),
        },
        LuceneError::Corrupt { at, what: reason, .. } => {
            LuceneError::Corrupt { file: file.to_owned(), at, what: what(&reason) }
        }
        other => other,
    }
}

fn number(input: &mut Input<'_>, kind: u64, fixed: bool) -> Result<(), LuceneError> {
    let rest = match (kind, fixed) {
        (2, true) | (3, true) => 4,
        (4, true) | (5, true) => 8,
        (2, false) => return input.vint().map(drop),
        (3, false) => match input.byte()? {
            0xFF => 4,
            0x80..0xFF => 0,
            _ => 3,
        },
        (4, false) => {
            if input.byte()? & 0x20 != 0 {
                input.vlong()?;
            }
            0
        }
        (5, false) => match input.byte()? {
            0xFF => 8,
            0xFE => 4,
            0x80..0xFE => 0,
            _ => 7,
        },
        _ => return Err(input.corrupt(format!("a stored field of type {kind}"))),
    };
    input.skip(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::tests::made;

    #[test]
    fn a_large_number_of_a_field_takes_no_room() {
        let numbers =
            [("_id", 3), ("_source", 1023), ("_routing", 1024), ("_type", i32::MAX as u32)];
        let roles = FieldRoles::of(&made(&numbers).unwrap());
        assert!(roles.near.capacity() <= 2 * NEAR && roles.far.len() == 2);
        let roles = |number: u64| roles.get(number);
        assert_eq!(roles(3), Some(Role::Id));
        assert_eq!(roles(1023), Some(Role::Source));
        assert_eq!(roles(1024), Some(Role::Routing));
        assert_eq!(roles(i32::MAX as u64), Some(Role::Type));
        assert_eq!(roles(4), None);
        assert_eq!(roles((1 << 32) + 3), None);
        assert_eq!(roles(u64::MAX >> 3), None);
    }
}
