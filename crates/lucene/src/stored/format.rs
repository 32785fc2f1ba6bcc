//! Which way of writing stored fields a file's header names.
//!
//! | codec in the header | Lucene | token | integers | compression |
//! |---|---|---|---|---|
//! | `Lucene41StoredFieldsData` | 4.1–4.10 | documents | packed | LZ4 |
//! | `Lucene50StoredFieldsFastData`, `…HighData` | 5.0–8.6 | documents, sliced | packed | LZ4, DEFLATE |
//! | `Lucene87StoredFieldsFastData`, `…HighData` | 8.7–8.11 | documents, dirty (8.8), sliced | packed | with dictionary |
//! | `Lucene90StoredFieldsFastData`, `…HighData` | 9.0– | documents, dirty, sliced | groups | with dictionary |
//! | `ZstdStoredFields814` | Elasticsearch 8.14 | as 9.0 | groups | zstd |
//! | `CustomStoredFieldsZstd`, `…NoDict` | OpenSearch 2.9 | as 9.0 | groups | zstd with dictionary, in blocks |

use crate::{LuceneError, SegmentCommit, header, input::Input};

/// How the documents of a chunk are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Lz4,
    Lz4Dictionary,
    Deflate,
    DeflateDictionary,
    /// One frame a unit.
    Zstd,
    ZstdDictionary,
    ZstdBlocks,
}

impl Compression {
    /// How many times shorter it makes bytes, at most.
    pub(super) fn at_most(self) -> usize {
        match self {
            // A length goes on by 255 with each byte.
            Self::Lz4 | Self::Lz4Dictionary => 256,
            // 258 bytes take two bits.
            Self::Deflate | Self::DeflateDictionary => 1032,
            // A block of 128 KiB takes four bytes.
            Self::Zstd | Self::ZstdDictionary | Self::ZstdBlocks => 1 << 15,
        }
    }
}

/// How the numbers of stored fields and the lengths of documents lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integers {
    /// A stream of bits.
    Packed,
    /// Bytes, in groups of 128.
    Groups,
}

/// What a reader of chunks has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    pub(crate) compression: Compression,
    pub(crate) integers: Integers,
    /// Bits of the token below the number of documents.
    pub(crate) token_shift: u32,
    /// Sliced is not a bit of the token but follows from the size (Lucene 4).
    pub(crate) sliced_by_size: bool,
    /// Chunks this long or longer are cut into units; `None`: never (Lucene 4.1, first version).
    pub(crate) chunk_size: Option<usize>,
    /// Numbers stored as themselves have a fixed width (Lucene 4).
    pub(crate) fixed_numbers: bool,
    /// Two counts lie between the last chunk and the footer.
    pub(crate) has_counts: bool,
    pub(crate) has_footer: bool,
    /// Bytes before the first chunk.
    pub(crate) header: u64,
}

/// Where the chunk size is.
enum ChunkSize {
    Here,
    Meta,
    None,
}

impl Format {
    /// Enough bytes of a `.fdt` to read its format from.
    pub const HEADER_AT_MOST: usize = 512;

    /// Does this format want the `.fdm` file too? `begin` is the beginning of the `.fdt`.
    pub fn wants_meta(file: &str, begin: &[u8]) -> Result<bool, LuceneError> {
        let header = header::plain(&mut Input::new(file, begin))?;
        Ok(matches!(known(&header, file)?.1, ChunkSize::Meta))
    }

    /// Reads the header of a `.fdt` from its first bytes, at most [`Format::HEADER_AT_MOST`] of them, and from
    /// the `.fdm`, a pair of name and bytes, where there is one.
    pub fn parse(
        file: &str,
        begin: &[u8],
        meta: Option<(&str, &[u8])>,
        segment: &SegmentCommit,
    ) -> Result<Self, LuceneError> {
        let mut input = Input::new(file, begin);
        let header = header::plain(&mut Input::new(file, begin))?;
        let (mut format, chunk_size) = known(&header, file)?;
        if header.codec == "Lucene41StoredFieldsData" {
            header::plain(&mut input)?;
        } else {
            header::index(&mut input, segment.id.as_ref())?;
        }
        format.chunk_size = match chunk_size {
            ChunkSize::Here => {
                let size = input.length()?;
                packed_version(&mut input)?;
                Some(size)
            }
            ChunkSize::None => {
                packed_version(&mut input)?;
                None
            }
            ChunkSize::Meta => {
                let Some((meta_file, meta)) = meta else {
                    return Err(LuceneError::Missing {
                        segment: segment.name.clone(),
                        file: segment.file(".fdm"),
                    });
                };
                let mut meta = header::checked(meta_file, meta)?;
                let header = header::index(&mut meta, segment.id.as_ref())?;
                match header.codec {
                    "Lucene85FieldsIndexMeta" | "Lucene90FieldsIndexMeta" => {}
                    _ => return Err(header.unknown(meta_file)),
                }
                let size = meta.length()?;
                if format.integers == Integers::Packed {
                    packed_version(&mut meta)?;
                }
                Some(size)
            }
        };
        if format.chunk_size == Some(0) {
            return Err(input.corrupt("the size of a chunk is 0"));
        }
        format.header = input.at() as u64;
        Ok(format)
    }
}

/// The first version of packed integers padded differently; nobody has written it since Lucene 4.1.
fn packed_version(input: &mut Input<'_>) -> Result<(), LuceneError> {
    match input.vint()? {
        1 | 2 => Ok(()),
        other => Err(input.corrupt(format!("version {other} of packed integers isn't known"))),
    }
}

fn known(header: &header::Header<'_>, file: &str) -> Result<(Format, ChunkSize), LuceneError> {
    let version = header.version;
    let modern = |compression, integers| Format {
        compression,
        integers,
        token_shift: 2,
        sliced_by_size: false,
        chunk_size: None,
        fixed_numbers: false,
        has_counts: false,
        has_footer: true,
        header: 0,
    };
    let meta = |compression, integers| (modern(compression, integers), ChunkSize::Meta);
    let before_87 = |compression| {
        let format = Format {
            token_shift: 1,
            // Counts came with version 1 and moved to the `.fdm` with version 3.
            has_counts: (1..3).contains(&version),
            ..modern(compression, Integers::Packed)
        };
        (format, if version >= 3 { ChunkSize::Meta } else { ChunkSize::Here })
    };
    let lucene87 = |compression| {
        // The bit for what was flushed early came with 8.8.
        let token_shift = if version >= 4 { 2 } else { 1 };
        (Format { token_shift, ..modern(compression, Integers::Packed) }, ChunkSize::Meta)
    };
    use {Compression as C, Integers as I};
    let (least, most, known) = match header.codec {
        "Lucene41StoredFieldsData" => {
            let format = Format {
                token_shift: 0,
                sliced_by_size: version >= 1,
                fixed_numbers: true,
                has_footer: version >= 2,
                ..modern(C::Lz4, I::Packed)
            };
            let size = if version >= 1 { ChunkSize::Here } else { ChunkSize::None };
            (0, 2, (format, size))
        }
        "Lucene50StoredFieldsFastData" => (0, 3, before_87(C::Lz4)),
        "Lucene50StoredFieldsHighData" => (0, 3, before_87(C::Deflate)),
        "Lucene87StoredFieldsFastData" => (3, 4, lucene87(C::Lz4Dictionary)),
        "Lucene87StoredFieldsHighData" => (3, 4, lucene87(C::DeflateDictionary)),
        "Lucene90StoredFieldsFastData" => (1, 1, meta(C::Lz4Dictionary, I::Groups)),
        "Lucene90StoredFieldsHighData" => (1, 1, meta(C::DeflateDictionary, I::Groups)),
        "ZstdStoredFields814" => (1, 1, meta(C::Zstd, I::Groups)),
        "CustomStoredFieldsZstd" => (1, 1, meta(C::ZstdDictionary, I::Groups)),
        "CustomStoredFieldsZstdNoDict" => (1, 1, meta(C::ZstdBlocks, I::Groups)),
        _ => return Err(header.unknown(file)),
    };
    header.expect(file, least, most)?;
    Ok(known)
}
