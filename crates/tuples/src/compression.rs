//! How files of tuples are compressed.

use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::{Compression as Level, bufread::MultiGzDecoder, write::GzEncoder};

/// What a file is compressed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    #[default]
    Gzip,
    Zstd,
}

impl Compression {
    /// How the names of files end.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Gzip => ".log.gz",
            Self::Zstd => ".log.zst",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        [Self::Gzip, Self::Zstd].into_iter().find(|one| name.ends_with(one.extension()))
    }

    /// Reads what is compressed.
    pub(crate) fn lines<'r>(
        self,
        file: impl Read + Send + 'r,
    ) -> io::Result<Box<dyn BufRead + Send + 'r>> {
        let file = BufReader::new(file);
        Ok(match self {
            Self::Gzip => Box::new(BufReader::new(MultiGzDecoder::new(file))),
            Self::Zstd => Box::new(BufReader::new(zstd::Decoder::with_buffer(file)?)),
        })
    }
}

/// Compresses into something. The fastest levels: tuples are written at the rate of the traffic.
pub(crate) enum Encoder<W: Write> {
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Encoder<W> {
    pub(crate) fn new(compression: Compression, into: W) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip => Self::Gzip(GzEncoder::new(into, Level::fast())),
            Compression::Zstd => Self::Zstd(zstd::Encoder::new(into, 1)?),
        })
    }

    pub(crate) fn inner(&self) -> &W {
        match self {
            Self::Gzip(encoder) => encoder.get_ref(),
            Self::Zstd(encoder) => encoder.get_ref(),
        }
    }

    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

impl<W: Write> std::fmt::Debug for Encoder<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
        })
    }
}
