//! A file of the bundle: its name, and its compressed forms.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

/// A file of the bundle, in memory.
pub(crate) struct Asset {
    extension: &'static str,
    bytes: Vec<u8>,
    before: Option<usize>,
    hash: String,
}

/// The sizes in bytes of a file's compressed forms.
#[derive(Clone, Copy)]
pub(crate) struct Compressed {
    /// By Brotli at its strongest.
    pub(crate) brotli: usize,
    /// By gzip at its strongest, for clients without Brotli.
    pub(crate) gzip: usize,
}

impl Asset {
    /// A file with these bytes; `before` is its size before optimisation.
    pub(crate) fn new(extension: &'static str, bytes: Vec<u8>, before: Option<usize>) -> Asset {
        Asset { hash: content_hash(&bytes), extension, bytes, before }
    }

    /// The extension of its name.
    pub(crate) fn extension(&self) -> &'static str {
        self.extension
    }

    /// The hash of its content.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    /// The uncompressed size in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The size in bytes before optimisation.
    pub(crate) fn len_before(&self) -> usize {
        self.before.unwrap_or(self.bytes.len())
    }

    /// Writes the file into `folder`, uncompressed and compressed.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> Result<Compressed> {
        let path = folder.join(format!("{name}.{}.{}", self.hash, self.extension));
        let brotli = brotli_of(&self.bytes)?;
        let gzip = gzip_of(&self.bytes)?;
        for (ending, bytes) in [("", &self.bytes), (".br", &brotli), (".gz", &gzip)] {
            let mut file = path.clone().into_os_string();
            file.push(ending);
            fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(Compressed { brotli: brotli.len(), gzip: gzip.len() })
    }
}

fn brotli_of(bytes: &[u8]) -> Result<Vec<u8>> {
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: 11,
        // The largest window that browsers read; it holds any file of the bundle whole.
        lgwin: 24,
        size_hint: bytes.len(),
        ..Default::default()
    };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &bytes[..], &mut compressed, &parameters)?;
    Ok(compressed)
}

fn gzip_of(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// A name for `bytes`: their 64-bit FNV-1a hash (Fowler, Noll, Vo) as 16
/// hexadecimal digits. It identifies builds; it is not a security measure.
pub(crate) fn content_hash(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_hash_is_the_one_of_its_authors() {
        assert_eq!(content_hash(b""), "cbf29ce484222325");
        assert_eq!(content_hash(b"foobar"), "85944171f73967e8");
    }

    #[test]
    fn compressed_forms_unpack_to_the_same_bytes() {
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let mut unpacked = Vec::new();
        brotli::BrotliDecompress(&mut &brotli_of(&bytes).unwrap()[..], &mut unpacked).unwrap();
        assert!(unpacked == bytes);
        unpacked.clear();
        flate2::read::GzDecoder::new(&gzip_of(&bytes).unwrap()[..])
            .read_to_end(&mut unpacked)
            .unwrap();
        assert!(unpacked == bytes);
    }
}
