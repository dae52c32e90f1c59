//! The framing of xerial's `SnappyOutputStream`, which is not the standard one: a header of 16 bytes
//! (`0x82 SNAPPY 0x00`, version 1, compatible with 1), then blocks of `i32` length and raw Snappy.

use std::io::{self, Read, Write};

/// How the file starts.
pub(crate) const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// xerial's default block size, uncompressed.
const BLOCK_BYTES: usize = 32 << 10;
/// The longest compressed block that is read.
const COMPRESSED_BLOCK_BYTES_MAX: u32 = 8 << 20;
/// No Snappy block grows by more than this.
const EXPANSION_MAX: usize = 64;

/// Compresses what is written to it.
pub(crate) struct SnappyWriter<W: Write> {
    inner: W,
    block: Vec<u8>,
    compressed: Vec<u8>,
    encoder: snap::raw::Encoder,
}

impl<W: Write> SnappyWriter<W> {
    pub fn new(mut inner: W) -> io::Result<SnappyWriter<W>> {
        inner.write_all(&MAGIC)?;
        inner.write_all(&1i32.to_be_bytes())?;
        inner.write_all(&1i32.to_be_bytes())?;
        Ok(SnappyWriter {
            inner,
            block: Vec::with_capacity(BLOCK_BYTES),
            compressed: vec![0; snap::raw::max_compress_len(BLOCK_BYTES)],
            encoder: snap::raw::Encoder::new(),
        })
    }

    /// Writes the last block.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_block()?;
        Ok(self.inner)
    }

    fn write_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let n = self.encoder.compress(&self.block, &mut self.compressed)?;
        self.inner.write_all(&(n as u32).to_be_bytes())?;
        self.inner.write_all(&self.compressed[..n])?;
        self.block.clear();
        Ok(())
    }
}

impl<W: Write> Write for SnappyWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..n]);
        if self.block.len() == BLOCK_BYTES {
            self.write_block()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Decompresses what it reads.
pub(crate) struct SnappyReader<R: Read> {
    inner: R,
    compressed: Vec<u8>,
    block: Vec<u8>,
    used: usize,
}

impl<R: Read> SnappyReader<R> {
    pub fn new(mut inner: R) -> io::Result<SnappyReader<R>> {
        let mut header = [0; 16];
        inner.read_exact(&mut header)?;
        if header[..8] != MAGIC {
            return Err(bad("not a snappy stream"));
        }
        Ok(SnappyReader { inner, compressed: Vec::new(), block: Vec::new(), used: 0 })
    }

    pub fn inner(&self) -> &R {
        &self.inner
    }

    /// Reads the next block; false at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        let mut len = [0; 4];
        let mut have = 0;
        while have < len.len() {
            match self.inner.read(&mut len[have..])? {
                0 if have == 0 => return Ok(false),
                0 => return Err(bad("the file ends inside a block's length")),
                n => have += n,
            }
        }
        let len = u32::from_be_bytes(len);
        if len > COMPRESSED_BLOCK_BYTES_MAX {
            return Err(bad(format!("a block of {len} bytes; the limit is {COMPRESSED_BLOCK_BYTES_MAX}")));
        }
        // Grows with what is there, not with what is claimed.
        self.compressed.clear();
        self.inner.by_ref().take(u64::from(len)).read_to_end(&mut self.compressed)?;
        if self.compressed.len() < len as usize {
            return Err(bad("the file ends inside a block"));
        }
        let plain = snap::raw::decompress_len(&self.compressed)?;
        if plain > self.compressed.len() * EXPANSION_MAX {
            return Err(bad(format!("a block of {len} bytes that claims to hold {plain}")));
        }
        self.block.resize(plain, 0);
        snap::raw::Decoder::new().decompress(&self.compressed, &mut self.block)?;
        self.used = 0;
        Ok(true)
    }
}

impl<R: Read> Read for SnappyReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.used == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let n = buf.len().min(self.block.len() - self.used);
        buf[..n].copy_from_slice(&self.block[self.used..self.used + n]);
        self.used += n;
        Ok(n)
    }
}

fn bad(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_in_any_size() {
        let text: Vec<u8> = (0..100_000u32).map(|i| (i / 7) as u8).collect();
        for len in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, text.len()] {
            let mut writer = SnappyWriter::new(Vec::new()).unwrap();
            for piece in text[..len].chunks(777) {
                writer.write_all(piece).unwrap();
            }
            let packed = writer.finish().unwrap();
            assert_eq!(packed[..16], *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
            let mut plain = Vec::new();
            SnappyReader::new(&packed[..]).unwrap().read_to_end(&mut plain).unwrap();
            assert_eq!(plain, text[..len]);
            for cut in (0..packed.len().min(200)).filter(|&cut| cut != 16) {
                let result =
                    SnappyReader::new(&packed[..cut]).and_then(|mut r| r.read_to_end(&mut Vec::new()));
                assert!(result.is_err(), "cut at {cut} of {}", packed.len());
            }
        }
    }

    #[test]
    fn a_claimed_length_is_not_allocated() {
        let mut packed = SnappyWriter::new(Vec::new()).unwrap().finish().unwrap();
        packed.extend_from_slice(&[0, 0x70, 0, 0, 1, 2, 3]);
        assert!(SnappyReader::new(&packed[..]).unwrap().read_to_end(&mut Vec::new()).is_err());
        packed.truncate(16);
        // A block of six bytes that says it holds 4 GiB.
        packed.extend_from_slice(&[0, 0, 0, 6, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
        assert!(SnappyReader::new(&packed[..]).unwrap().read_to_end(&mut Vec::new()).is_err());
    }
}
