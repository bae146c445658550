//! A result as a file whose numbers have types of their own, each rounded once.

use std::ops::Range;

use protocol::request::{Dtype, Statistic};

use super::npy_header_of;
use crate::format::{NumberType, Tensors, Written};
use crate::{InputError, Order, PartialSum};

/// The format of a result whose numbers are not all `f64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypedKind {
    /// An array of NumPy, of a type that was asked for.
    Npy,
    /// Model weights.
    Safetensors,
    /// NetCDF, classic.
    Netcdf,
}

impl TypedKind {
    /// What the names of its files end in.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            TypedKind::Npy => "npy",
            TypedKind::Safetensors => "safetensors",
            TypedKind::Netcdf => "nc",
        }
    }

    /// The type of its numbers, unless the request says.
    #[must_use]
    pub const fn default_dtype(self) -> Dtype {
        match self {
            TypedKind::Safetensors => Dtype::Input,
            TypedKind::Netcdf | TypedKind::Npy => Dtype::F64,
        }
    }
}

/// How a result is written as a file whose numbers are not all `f64`: its header, and the
/// types of its numbers.
#[derive(Clone, Debug)]
pub struct TypedFile {
    statistic: Option<Statistic>,
    header: Vec<u8>,
    /// The types of the numbers, each with the column behind the last of its type.
    runs: Vec<(u64, NumberType)>,
    /// The size of the file in bytes.
    bytes: u64,
    /// How a NetCDF file is written, which has more between its numbers.
    netcdf: Option<Written>,
}

impl TypedFile {
    /// A safetensors file with the tensors of this header, which [`crate::Format`] has made
    /// of the inputs, and with these entries in addition to their metadata. Without a
    /// statistic it is that of the mean.
    ///
    /// Numbers that are to have the type of the inputs have that of the first one. In a
    /// statistic of models that have integers too, all have `F64`: it need not be an
    /// integer, nor fit.
    ///
    /// # Errors
    ///
    /// If it is no such header.
    pub fn safetensors(
        header: &str,
        dtype: Dtype,
        statistic: Option<Statistic>,
        about: &[(&str, String)],
    ) -> Result<TypedFile, InputError> {
        let tensors = Tensors::read(header)?;
        let has_integers = tensors.list.iter().any(|tensor| tensor.number_type.is_integer());
        let number_type = |of_inputs| match dtype {
            Dtype::Input if statistic.is_some() && has_integers => NumberType::F8,
            Dtype::Input => of_inputs,
            Dtype::F64 => NumberType::F8,
            Dtype::F32 => NumberType::F4,
            Dtype::F16 => NumberType::F2,
            Dtype::Bf16 => NumberType::Bf16,
        };
        let mut metadata = tensors.metadata.clone();
        for (key, value) in about {
            metadata.insert(format!("distributed_average.{key}"), value.clone());
        }
        let text = tensors.header(&metadata, |tensor| number_type(tensor.number_type));
        let mut header = (text.len() as u64).to_le_bytes().to_vec();
        header.extend(text.bytes());
        let mut file = TypedFile {
            statistic,
            bytes: header.len() as u64,
            header,
            runs: Vec::new(),
            netcdf: None,
        };
        for tensor in &tensors.list {
            file.add_run(tensor.end_column(), number_type(tensor.number_type));
        }
        Ok(file)
    }

    /// An .npy file of an array of this shape, with numbers of the type that NumPy names so.
    /// In a statistic of integers, they are `f8`: it need not be an integer, nor fit.
    ///
    /// # Errors
    ///
    /// If NumPy has no such type.
    pub fn npy(
        dtype: &str,
        statistic: Option<Statistic>,
        shape: &[u64],
        order: Order,
    ) -> Result<TypedFile, InputError> {
        let named = NumberType::from_name(dtype);
        let named = named.ok_or_else(|| InputError::new(format!("no type of NumPy: {dtype:?}")))?;
        let number_type = match statistic {
            Some(_) if named.is_integer() => NumberType::F8,
            _ => named,
        };
        let descr = match number_type.bytes() {
            1 => format!("|{}", number_type.describe()),
            _ => format!("<{}", number_type.describe()),
        };
        let header = npy_header_of(&descr, shape, order);
        let bytes = header.len() as u64;
        let mut file = TypedFile { statistic, header, runs: Vec::new(), bytes, netcdf: None };
        file.add_run(shape.iter().product(), number_type);
        Ok(file)
    }

    /// A NetCDF file with the dimensions, attributes and coordinates of this template, which
    /// [`crate::Format`] has made of the inputs, and with a line at the beginning of its
    /// history. Without a statistic it is that of the mean.
    ///
    /// Numbers that are to have the type of the inputs are `float` where those of the first
    /// one are and were not packed; all others are `double`.
    ///
    /// # Errors
    ///
    /// If it is no such template.
    pub fn netcdf(
        template: &[u8],
        dtype: Dtype,
        statistic: Option<Statistic>,
        history: &str,
    ) -> Result<TypedFile, InputError> {
        let mut written = Written::new(template, dtype, statistic, history)?;
        let (header, bytes) = (std::mem::take(&mut written.header), written.bytes);
        Ok(TypedFile { statistic, header, runs: Vec::new(), bytes, netcdf: Some(written) })
    }

    /// Appends columns of a type, up to the column `end`.
    fn add_run(&mut self, end: u64, number_type: NumberType) {
        let start = self.columns();
        self.bytes += (end - start) * number_type.bytes();
        match self.runs.last_mut() {
            Some(last) if last.1 == number_type => last.0 = end,
            _ => self.runs.push((end, number_type)),
        }
    }

    /// The number of its columns.
    #[must_use]
    pub fn columns(&self) -> u64 {
        match &self.netcdf {
            Some(written) => written.columns(),
            None => self.runs.last().map_or(0, |run| run.0),
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

    /// Appends the numbers of all columns of a sum, the first of which is `start` in the
    /// result. `numbers` are the same as `f64`.
    pub fn put(&self, start: u64, sum: &PartialSum, numbers: &[f64], to: &mut Vec<u8>) {
        if let Some(written) = &self.netcdf {
            let put = |some: Range<usize>, number_type, to: &mut Vec<u8>| {
                sum.put_as(self.statistic, some.clone(), &numbers[some], number_type, to);
            };
            return written.put(start, numbers.len(), put, to);
        }
        let first = self.runs.partition_point(|run| run.0 <= start);
        let mut done = 0;
        for &(end, number_type) in &self.runs[first..] {
            let end = usize::try_from(end - start).unwrap_or(usize::MAX).min(numbers.len());
            sum.put_as(self.statistic, done..end, &numbers[done..end], number_type, to);
            done = end;
            if done == numbers.len() {
                return;
            }
        }
    }
}
