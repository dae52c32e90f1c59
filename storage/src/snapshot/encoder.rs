//! The file below a snapshot being written, and the compression between the two.

use std::io::{self, Write};

use flate2::write::GzEncoder;

use super::Compression;
use super::snappy::SnappyWriter;
use crate::fs::FsFile;

/// How much is gathered before it is written.
const WRITE_BYTES: usize = 256 << 10;
/// How much may be written before it is synced: a snapshot's dirty pages would otherwise reach the disk in one burst,
/// and the log's next sync would wait behind them.
const SYNC_STEP_BYTES: u64 = 4 << 20;

/// Compresses into a file.
pub(super) enum Encoder {
    Plain(FileSink),
    Gz(Box<GzEncoder<FileSink>>),
    Snappy(Box<SnappyWriter<FileSink>>),
}

impl Encoder {
    pub fn new(file: Box<dyn FsFile>, compression: Compression) -> io::Result<Encoder> {
        let sink = FileSink { file, buf: Vec::with_capacity(WRITE_BYTES), written: 0, synced: 0 };
        Ok(match compression {
            Compression::None => Encoder::Plain(sink),
            // A low level: the time of one core is dearer than the last tenth of the size.
            Compression::Gz => Encoder::Gz(Box::new(GzEncoder::new(sink, flate2::Compression::new(2)))),
            Compression::Snappy => Encoder::Snappy(Box::new(SnappyWriter::new(sink)?)),
        })
    }

    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Encoder::Plain(sink) => sink.write_all(bytes),
            Encoder::Gz(encoder) => encoder.write_all(bytes),
            Encoder::Snappy(encoder) => encoder.write_all(bytes),
        }
    }

    /// Writes what is left and makes the file durable; returns its length.
    pub fn finish(self) -> io::Result<u64> {
        let mut sink = match self {
            Encoder::Plain(sink) => sink,
            Encoder::Gz(encoder) => encoder.finish()?,
            Encoder::Snappy(encoder) => encoder.finish()?,
        };
        sink.write_buf()?;
        sink.file.sync_all()?;
        sink.file.done_with(0, sink.written);
        Ok(sink.written)
    }
}

/// A file written in large pieces, synced as it grows.
pub(super) struct FileSink {
    file: Box<dyn FsFile>,
    buf: Vec<u8>,
    written: u64,
    synced: u64,
}

impl FileSink {
    fn write_buf(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buf, self.written)?;
        self.written += self.buf.len() as u64;
        self.buf.clear();
        if self.written - self.synced >= SYNC_STEP_BYTES {
            self.file.sync_data()?;
            self.file.done_with(self.synced, self.written - self.synced);
            self.synced = self.written;
        }
        Ok(())
    }
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(WRITE_BYTES - self.buf.len());
        self.buf.extend_from_slice(&bytes[..n]);
        if self.buf.len() == WRITE_BYTES {
            self.write_buf()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
