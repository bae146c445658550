//! What a result has of the first file: dimensions, attributes, coordinates with their
//! numbers, and the variables that are averaged. It is stored with the plan of a job.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::conventions::Roles;
use super::coordinates::Coordinates;
use super::dataset::{Dataset, Storage, Variable};
use crate::InputError;

/// The bytes of the length of what describes the numbers.
const LENGTH_BYTES: usize = 8;

/// What a result has of the first file, without the numbers of its coordinates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Template {
    /// With the coordinates first, then the variables that are averaged.
    pub(super) dataset: Dataset,
    /// The number of coordinates.
    pub(super) coordinates: usize,
}

impl Template {
    /// The dimensions and variables that a result has of a file.
    pub(super) fn of(dataset: &Dataset, roles: &Roles) -> Template {
        let mut of_result =
            Dataset { attributes: dataset.attributes.clone(), ..Dataset::default() };
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        for &index in roles.coordinates.iter().chain(&roles.data) {
            let variable = &dataset.variables[index];
            let mut dimensions = Vec::new();
            for &dimension in &variable.dimensions {
                let number = *numbers.entry(dimension).or_insert_with(|| {
                    of_result.dimensions.push(dataset.dimensions[dimension].clone());
                    of_result.dimensions.len() - 1
                });
                dimensions.push(number);
            }
            let storage = Storage::default();
            of_result.variables.push(Variable { dimensions, storage, ..variable.clone() });
        }
        Template { dataset: of_result, coordinates: roles.coordinates.len() }
    }

    /// The template with the numbers of the coordinates: the length of its description, that
    /// as JSON, then the numbers of one coordinate after the other.
    pub(super) fn encode(&self, coordinates: &Coordinates) -> Vec<u8> {
        // What consists of texts and numbers can always be written.
        let text = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend(text);
        for coordinate in &coordinates.list {
            bytes.extend_from_slice(&coordinate.data);
        }
        bytes
    }

    /// Reads what [`Template::encode`] has made: the template, and the numbers of each
    /// coordinate.
    ///
    /// # Errors
    ///
    /// If it is something else.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Template, Vec<&[u8]>), InputError> {
        let wrong = || InputError::new("a NetCDF template that cannot be understood");
        let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>().ok_or_else(wrong)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| wrong())?;
        let (text, mut rest) = rest.split_at_checked(length).ok_or_else(wrong)?;
        let template: Template = serde_json::from_slice(text).map_err(|_| wrong())?;
        let dataset = &template.dataset;
        let indices = dataset.variables.iter().flat_map(|variable| &variable.dimensions);
        if template.coordinates > dataset.variables.len()
            || indices.copied().any(|index| index >= dataset.dimensions.len())
        {
            return Err(wrong());
        }
        let mut numbers = Vec::new();
        for variable in &dataset.variables[..template.coordinates] {
            let bytes = dataset.numbers(variable)? * variable.kind.bytes();
            let length = usize::try_from(bytes).map_err(|_| wrong())?;
            let (own, after) = rest.split_at_checked(length).ok_or_else(wrong)?;
            numbers.push(own);
            rest = after;
        }
        if rest.is_empty() { Ok((template, numbers)) } else { Err(wrong()) }
    }

    /// About how many bytes of memory its attributes take.
    pub(super) fn attribute_bytes(&self) -> usize {
        let variables = self.dataset.variables.iter().map(|variable| &variable.attributes);
        let attributes = variables.chain([&self.dataset.attributes]).flatten();
        attributes.map(|one| one.name.len() + one.value.len() + 64).sum()
    }

    /// About how many bytes of memory it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.attribute_bytes() + 256 * self.dataset.variables.len()
    }
}
