//! A result in a format that its inputs do not have: arrays of `f64` with names.

use super::TypedKind;
use crate::InputError;
use crate::format::{Tensors, Written};

pub use crate::format::ResultPart;

impl TypedKind {
    /// The tensors or variables of a result, in the order of their columns, by what
    /// [`crate::Format`] has made of the inputs: the header of safetensors, or the template of
    /// NetCDF. None of .npy.
    ///
    /// # Errors
    ///
    /// If it has made something else.
    pub fn parts(self, described: &[u8]) -> Result<Vec<ResultPart>, InputError> {
        match self {
            TypedKind::Npy => Ok(Vec::new()),
            TypedKind::Safetensors => {
                let header = str::from_utf8(described);
                let header = header.map_err(|_| InputError::new("a header that is no text"))?;
                Ok(Tensors::read(header)?.parts())
            }
            TypedKind::Netcdf => Written::parts(described),
        }
    }
}

/// How a result is written as a file of arrays of `f64`, whatever its inputs are.
#[derive(Clone, Debug)]
pub struct DoublesFile {
    header: Vec<u8>,
    bytes: u64,
    is_big_endian: bool,
}

impl DoublesFile {
    /// A file of these arrays, which follow one another; `about` says where they come from, in
    /// the metadata or in the history. `None` if the format has no arrays with names.
    ///
    /// # Errors
    ///
    /// If their sizes are no 64-bit integers.
    pub fn new(
        kind: TypedKind,
        parts: &[ResultPart],
        about: &str,
    ) -> Result<Option<DoublesFile>, InputError> {
        match kind {
            TypedKind::Npy => Ok(None),
            TypedKind::Safetensors => {
                let text = Tensors::of_doubles(parts).header_about(about);
                let mut header = (text.len() as u64).to_le_bytes().to_vec();
                header.extend(text.bytes());
                let columns = parts.last().map_or(0, |part| part.columns.end);
                let bytes = header.len() as u64 + 8 * columns;
                Ok(Some(DoublesFile { header, bytes, is_big_endian: false }))
            }
            TypedKind::Netcdf => {
                let Written { header, bytes, .. } = Written::of_doubles(parts, about)?;
                Ok(Some(DoublesFile { header, bytes, is_big_endian: true }))
            }
        }
    }

    /// What the file begins with.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// The size of the whole file in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends numbers, which follow those before them.
    pub fn put(&self, numbers: &[f64], to: &mut Vec<u8>) {
        match self.is_big_endian {
            true => to.extend(numbers.iter().flat_map(|number| number.to_be_bytes())),
            false => to.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use protocol::request::ReadOptions;

    use super::*;
    use crate::{Block, Detection, Format};

    fn part(name: &str, columns: Range<u64>, shape: &[u64]) -> ResultPart {
        ResultPart { name: name.to_owned(), columns, shape: shape.to_vec() }
    }

    /// The arrays of a file, and all its numbers.
    fn read(bytes: &[u8]) -> (Vec<(String, Vec<u64>)>, Vec<f64>) {
        let found = Format::detect_with(bytes, bytes.len() as u64, &ReadOptions::default());
        let Ok(Detection::Format(format)) = found else { panic!("{found:?}") };
        let parts = match (format.tensors(), format.variables()) {
            (Some(tensors), _) => {
                tensors.iter().map(|one| (one.name().to_owned(), one.shape().to_vec())).collect()
            }
            (_, Some(variables)) => {
                variables.iter().map(|one| (one.name().to_owned(), one.shape().to_vec())).collect()
            }
            _ => panic!("{}", format.describe()),
        };
        let total = format.columns(0).unwrap();
        let place = |byte: u64| usize::try_from(byte).unwrap();
        let extents = format.extents(&(0..total)).unwrap();
        let wanted: Vec<u8> =
            extents.iter().flat_map(|e| bytes[place(e.start)..place(e.end)].to_vec()).collect();
        let first = format.checkpoint_of(0).unwrap();
        let mut block = Block::default();
        let mut decoder = format.decoder_at(bytes.len() as u64, first);
        decoder.decode(&wanted, true, usize::MAX, &mut block).unwrap();
        (parts, block.values().to_vec())
    }

    #[test]
    fn arrays_read_back_in_both_formats() {
        let parts = [
            part("g/a", 0..6, &[2, 3]),
            part("g_a", 6..15, &[3, 3]),
            part("", 15..16, &[]),
            part("none", 16..16, &[0, 4]),
            part("été", 16..18, &[2]),
        ];
        let numbers: Vec<f64> = (0..18_u8).map(|number| f64::from(number) + 0.1).collect();
        for (kind, names) in [
            (TypedKind::Safetensors, ["g/a", "g_a", "", "none", "été"].as_slice()),
            (TypedKind::Netcdf, &["g_a", "g_a_", "_", "été"]),
        ] {
            let file = DoublesFile::new(kind, &parts, "averaged").unwrap().unwrap();
            let mut bytes = file.header().to_vec();
            file.put(&numbers[..7], &mut bytes);
            file.put(&numbers[7..], &mut bytes);
            assert_eq!(bytes.len() as u64, file.bytes(), "{kind:?}");
            assert!(String::from_utf8_lossy(&bytes).contains("averaged"), "{kind:?}");
            let (found, values) = read(&bytes);
            let found_names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(found_names, names, "{kind:?}");
            let shapes: Vec<Vec<u64>> = found.into_iter().map(|(_, shape)| shape).collect();
            assert_eq!(shapes[..2], [vec![2, 3], vec![3, 3]], "{kind:?}");
            assert_eq!(values, numbers, "{kind:?}");
        }
        assert!(DoublesFile::new(TypedKind::Npy, &parts, "").unwrap().is_none());
    }
}
