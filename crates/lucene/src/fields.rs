//! `.fnm`: the fields of a segment.
//!
//! ```text
//! header · vInt n · n × field · footer
//! field: string name · vInt number · u8 flags · [u8 index options] · u8 doc values · [u8 skip index]
//!        · i64 doc values generation · map attributes · [points] · [vectors]
//! ```

use std::collections::{BTreeMap, HashMap};

use crate::{
    LuceneError, SegmentCommit, header,
    input::{Input, Order},
};

/// The field that says which documents are softly deleted: those that have a value in it.
pub const SOFT_DELETES: &str = "__soft_deletes";
const SOFT_DELETES_FLAG: u8 = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    fields: Vec<Field>,
    /// Where in `fields` each number and each name is.
    by_number: HashMap<u32, usize>,
    by_name: HashMap<String, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub number: u32,
    pub is_soft_deletes: bool,
    pub(crate) doc_values: DocValuesType,
    /// A Lucene 10 field may have an index over its doc values, which lies before their entry.
    pub(crate) has_skip_index: bool,
    pub(crate) doc_values_generation: Option<u64>,
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DocValuesType {
    None,
    Numeric,
    Binary,
    Sorted,
    SortedSet,
    SortedNumeric,
}

/// What differs between the formats.
struct Layout {
    plain_header: bool,
    order: Order,
    has_index_options: bool,
    short_maps: bool,
    has_skip_index: bool,
    points: Points,
    vectors: Vectors,
}

enum Points {
    None,
    /// Dimensions; and from version 2 on, how many of them are indexed.
    Dimensions {
        indexed: bool,
    },
}

enum Vectors {
    None,
    /// Dimension and similarity.
    Similarity,
    /// Dimension, encoding and similarity.
    Encoding,
}

fn layout(header: &header::Header<'_>, file: &str) -> Result<Layout, LuceneError> {
    let version = header.version;
    let modern = |order, has_skip_index, points, vectors| Layout {
        plain_header: false,
        order,
        has_index_options: true,
        short_maps: true,
        has_skip_index,
        points,
        vectors,
    };
    let (known, layout) = match header.codec {
        "Lucene46FieldInfos" => (
            2,
            Layout {
                plain_header: true,
                order: Order::Big,
                has_index_options: false,
                short_maps: false,
                has_skip_index: false,
                points: Points::None,
                vectors: Vectors::None,
            },
        ),
        "Lucene50FieldInfos" => {
            let short_maps = version >= 1;
            (1, Layout { short_maps, ..modern(Order::Big, false, Points::None, Vectors::None) })
        }
        "Lucene60FieldInfos" => {
            let points = Points::Dimensions { indexed: version >= 2 };
            (2, modern(Order::Big, false, points, Vectors::None))
        }
        "Lucene90FieldInfos" => {
            let points = Points::Dimensions { indexed: true };
            (0, modern(Order::Little, false, points, Vectors::Similarity))
        }
        "Lucene94FieldInfos" => {
            let points = Points::Dimensions { indexed: true };
            (2, modern(Order::Little, version >= 2, points, Vectors::Encoding))
        }
        _ => return Err(header.unknown(file)),
    };
    header.expect(file, 0, known)?;
    Ok(layout)
}

impl Fields {
    /// Reads a whole `.fnm`: the one that [`SegmentCommit::fields_file`] names.
    pub fn parse(file: &str, bytes: &[u8], segment: &SegmentCommit) -> Result<Self, LuceneError> {
        let header = header::plain(&mut Input::new(file, bytes))?;
        let layout = layout(&header, file)?;
        // The footer came with version 1 of Lucene46, in Lucene 4.8.
        let has_footer = !layout.plain_header || header.version >= 1;
        let mut input =
            if has_footer { header::checked(file, bytes)? } else { Input::new(file, bytes) };
        if layout.plain_header {
            header::plain(&mut input)?;
        } else {
            header::index(&mut input, segment.id.as_ref())?;
        }
        input.order = layout.order;
        let count = i64::from(input.vint()?);
        let count = input.checked_count(count, 12)?;
        let mut fields = Vec::with_capacity(count);
        let mut by_number = HashMap::with_capacity(count);
        let mut by_name = HashMap::with_capacity(count);
        for at in 0..count {
            let field = field(&mut input, &layout)?;
            let is_known = by_number.insert(field.number, at).is_some()
                || by_name.insert(field.name.clone(), at).is_some();
            if is_known {
                let (name, number) = (field.name, field.number);
                return Err(
                    input.corrupt(format!("field {name:?}, number {number}, is there twice"))
                );
            }
            fields.push(field);
        }
        input.end()?;
        Ok(Self { fields, by_number, by_name })
    }

    pub fn named(&self, name: &str) -> Option<&Field> {
        self.fields.get(*self.by_name.get(name)?)
    }

    /// The field of soft deletes, by its flag or its name.
    pub fn soft_deletes(&self) -> Option<&Field> {
        self.fields.iter().find(|field| field.is_soft_deletes).or_else(|| self.named(SOFT_DELETES))
    }

    pub(crate) fn numbered(&self, number: u32) -> Option<&Field> {
        self.fields.get(*self.by_number.get(&number)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter()
    }
}

fn field(input: &mut Input<'_>, layout: &Layout) -> Result<Field, LuceneError> {
    let name = input.string()?.to_owned();
    let number = input.length()? as u32;
    let flags = input.byte()?;
    if layout.has_index_options {
        input.byte()?;
    }
    let doc_values = input.byte()?;
    // Lucene 4.6 keeps the type of norms in the upper half.
    let doc_values = if layout.has_index_options { doc_values } else { doc_values & 0x0F };
    let doc_values = match doc_values {
        0 => DocValuesType::None,
        1 => DocValuesType::Numeric,
        2 => DocValuesType::Binary,
        3 => DocValuesType::Sorted,
        4 => DocValuesType::SortedSet,
        5 => DocValuesType::SortedNumeric,
        other => {
            return Err(input.corrupt(format!("field {name:?} has doc values of type {other}")));
        }
    };
    let has_skip_index = layout.has_skip_index && input.byte()? != 0;
    let doc_values_generation = match input.i64()? {
        -1 => None,
        generation @ 1.. => Some(generation as u64),
        other => return Err(input.corrupt(format!("generation {other} can't be"))),
    };
    let entries = if layout.short_maps { input.vint()?.into() } else { i64::from(input.i32()?) };
    let mut attributes = BTreeMap::new();
    for _ in 0..input.checked_count(entries, 2)? {
        let key = input.string()?.to_owned();
        attributes.insert(key, input.string()?.to_owned());
    }
    if let Points::Dimensions { indexed } = layout.points
        && input.vint()? != 0
    {
        if indexed {
            input.vint()?;
        }
        input.vint()?;
    }
    match layout.vectors {
        Vectors::None => {}
        Vectors::Similarity => {
            input.vint()?;
            input.byte()?;
        }
        Vectors::Encoding => {
            input.vint()?;
            input.skip(2)?;
        }
    }
    Ok(Field {
        // In Lucene 4 the bit means another thing.
        is_soft_deletes: layout.has_index_options
            && flags & SOFT_DELETES_FLAG != 0
            && name == SOFT_DELETES,
        name,
        number,
        doc_values,
        has_skip_index,
        doc_values_generation,
        attributes,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::header::tests as files;

    /// Fields of these names and numbers, with numbers in doc values.
    pub(crate) fn made(fields: &[(&str, u32)]) -> Result<Fields, LuceneError> {
        let mut body = vec![fields.len() as u8];
        for (name, number) in fields {
            body.push(name.len() as u8);
            body.extend(name.as_bytes());
            let mut rest = *number;
            while rest > 0x7F {
                body.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            body.extend([rest as u8, 0, 0, 1]);
            body.extend((-1i64).to_be_bytes());
            body.extend([0, 0]);
        }
        let file = files::file("Lucene60FieldInfos", 2, [7; 16], &body);
        Fields::parse("_0.fnm", &file, &files::segment())
    }

    #[test]
    fn a_name_or_a_number_that_is_there_twice_is_refused() {
        let fields = made(&[("a", 1), ("b", 0)]).unwrap();
        assert_eq!(fields.named("b").map(|field| field.number), Some(0));
        assert_eq!(fields.numbered(1).map(|field| field.name.as_str()), Some("a"));
        assert!(made(&[("a", 1), ("b", 1)]).is_err());
        assert!(made(&[("a", 1), ("a", 2)]).is_err());
    }
}
