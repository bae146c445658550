//! What the Climate and Forecast (CF) conventions say of variables: which are data and which
//! coordinates, how numbers are packed, and which are missing.
//!
//! Numbers become what netCDF4-python makes of them by default: those that equal
//! `_FillValue`, or the fill value of their type if there is none, or one of `missing_value`,
//! or lie outside of `valid_min`, `valid_max` and `valid_range`, are missing; the others are
//! multiplied by `scale_factor`, then `add_offset` is added, each time rounded to `f64`.

use std::collections::{BTreeSet, HashMap};

use super::super::NumberType;
use super::super::selection;
use super::dataset::{Attribute, Dataset, Kind, Variable, numbers_of};
use super::quoted;
use crate::{Block, InputError};

/// The attributes that name coordinates, or what belongs to coordinates.
const NAMING: [&str; 6] =
    ["coordinates", "bounds", "climatology", "grid_mapping", "cell_measures", "node_coordinates"];

/// The units of latitudes and longitudes.
const DEGREES: [&str; 4] = ["degrees_north", "degrees_east", "degree_north", "degree_east"];

/// The attributes that say how numbers are packed, and which are missing. A result does not
/// have them.
pub(super) const PACKING: [&str; 11] = [
    "scale_factor",
    "add_offset",
    "_Unsigned",
    "_FillValue",
    "missing_value",
    "valid_min",
    "valid_max",
    "valid_range",
    "actual_range",
    "_ChunkSizes",
    "_DeflateLevel",
];

/// The variables of a file by what they are for.
#[derive(Debug, Default)]
pub(super) struct Roles {
    /// Those that are averaged, by their indices, in the order of the file.
    pub(super) data: Vec<usize>,
    /// Those that must be the same in all files, and that a result has too.
    pub(super) coordinates: Vec<usize>,
}

impl Roles {
    /// The roles that variables have if a request selects some.
    ///
    /// # Errors
    ///
    /// If an entry of the selection names no variable.
    pub(super) fn of(dataset: &Dataset, entries: &[String]) -> Result<Roles, InputError> {
        let variables = &dataset.variables;
        let by_name = Names::of(variables);
        let mut all = BTreeSet::new();
        for (index, variable) in variables.iter().enumerate() {
            all.extend(coordinates_of(dataset, &by_name, index));
            if is_position(variable) {
                all.insert(index);
            }
        }
        let is_named = |index: &usize| entries.contains(&variables[*index].name);
        let has_numbers = |index: &usize| variables[*index].kind.number_type().is_some();
        let candidates: Vec<usize> = (0..variables.len())
            .filter(has_numbers)
            .filter(|index| !all.contains(index) || is_named(index))
            .collect();
        let names: Vec<String> =
            candidates.iter().map(|&index| variables[index].name.clone()).collect();
        // Coordinates that are left out are neither compared nor in the result.
        let leaves_out = |entry: &str| {
            let index = by_name.get(entry.strip_prefix('!')?)?;
            (all.contains(&index) && !candidates.contains(&index)).then_some(index)
        };
        let (mut left_out, mut rest) = (BTreeSet::new(), Vec::new());
        for entry in entries {
            match leaves_out(entry) {
                Some(index) => {
                    left_out.insert(index);
                }
                None => rest.push(entry.clone()),
            }
        }
        if names.is_empty() {
            let error = InputError::new("a NetCDF file without numbers but coordinates");
            return Err(error.remedy("leave it out, or select a coordinate by its name"));
        }
        let selected = selection::select(&names, &rest, "variable")?;
        let mut data: Vec<usize> = selected.into_iter().map(|index| candidates[index]).collect();
        // A result can be written as a stream if records come last.
        data.sort_by_key(|&index| dataset.has_records(&variables[index]));
        let (mut coordinates, mut todo) = (BTreeSet::new(), data.clone());
        while let Some(index) = todo.pop() {
            let others = coordinates_of(dataset, &by_name, index);
            todo.extend(others.into_iter().filter(|&other| coordinates.insert(other)));
        }
        left_out.extend(&data);
        coordinates.retain(|index| !left_out.contains(index));
        Ok(Roles { data, coordinates: coordinates.into_iter().collect() })
    }
}

/// The variables by the names of their groups and their own.
struct Names<'d>(HashMap<&'d str, HashMap<&'d str, usize>>);

impl<'d> Names<'d> {
    fn of(variables: &'d [Variable]) -> Names<'d> {
        let mut groups: HashMap<&str, HashMap<&str, usize>> = HashMap::new();
        for (index, variable) in variables.iter().enumerate() {
            let (group, own) = in_group(&variable.name);
            groups.entry(group).or_default().insert(own, index);
        }
        Names(groups)
    }

    /// The variable of a name, with that of its group before it.
    fn get(&self, name: &str) -> Option<usize> {
        let (group, own) = in_group(name);
        self.0.get(group)?.get(own).copied()
    }
}

/// The group of a variable, and its name in that.
fn in_group(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

/// The coordinates of a variable: those of its dimensions, and what it names.
fn coordinates_of(dataset: &Dataset, by_name: &Names<'_>, index: usize) -> BTreeSet<usize> {
    let variable = &dataset.variables[index];
    let dimensions = variable.dimensions.iter();
    let dimensions = dimensions.map(|&index| dataset.dimensions[index].name.as_str());
    let axes = dimensions.filter_map(|name| by_name.get(name));
    // A variable with the name of its only dimension.
    let axes = axes.filter(|&index| is_axis(dataset, &dataset.variables[index]));
    let mut coordinates: BTreeSet<usize> = axes.collect();
    // Names are looked for in the group of the variable first.
    let (group, _) = in_group(&variable.name);
    let in_own = by_name.0.get(group).filter(|_| !group.is_empty());
    let named = |name: &str| {
        let own = match name.contains('/') {
            true => by_name.get(&format!("{group}/{name}")),
            false => in_own.and_then(|names| names.get(name).copied()),
        };
        own.or_else(|| by_name.get(name))
    };
    for naming in NAMING {
        let text = variable.text(naming);
        coordinates.extend(text.split_whitespace().filter_map(named).filter(|&it| it != index));
    }
    coordinates
}

/// Whether a variable is the coordinate of its only dimension.
fn is_axis(dataset: &Dataset, variable: &Variable) -> bool {
    match variable.dimensions[..] {
        [only] => dataset.dimensions[only].name == variable.name,
        _ => false,
    }
}

/// Whether a variable says that it is a coordinate.
fn is_position(variable: &Variable) -> bool {
    variable.attribute("axis").is_some() || DEGREES.contains(&variable.text("units").as_str())
}

/// The most numbers of a variable that stand for no value: every number is compared with each.
const MISSING_MAX: usize = 100;

/// How the numbers of a variable become values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Unpacking {
    scale: Option<f64>,
    offset: Option<f64>,
    /// Numbers that stand for no value, as pairs whose sum each is.
    missing: Vec<(f64, f64)>,
    /// Whether NaN stands for none.
    nan_is_missing: bool,
    /// The least and the greatest number that is a value.
    valid: Option<(f64, f64)>,
    /// Whether the file itself says which numbers are missing.
    pub(super) is_marked: bool,
}

/// The type of the numbers of a variable as they are read, and how they become values.
pub(super) fn unpacking(variable: &Variable) -> Option<(NumberType, Unpacking)> {
    let kind = match (variable.kind, variable.text("_Unsigned").as_str()) {
        (Kind::Byte, "true") => Kind::UByte,
        (Kind::Short, "true") => Kind::UShort,
        (Kind::Int, "true") => Kind::UInt,
        (Kind::Int64, "true") => Kind::UInt64,
        (kind, _) => kind,
    };
    let number_type = kind.number_type()?;
    // As numbers of the variable's type, which those of attributes are meant to be.
    let of_kind = |name: &str| {
        let attribute = variable.attribute(name)?;
        let numbers = match attribute.kind == variable.kind {
            true => numbers_of(kind, &attribute.value),
            false => attribute.numbers(),
        };
        let single = |(value, low): (f64, f64)| match number_type {
            NumberType::F4 => (narrowed(value), 0.0),
            _ => (value, low),
        };
        (!numbers.is_empty()).then(|| numbers.into_iter().map(single).collect::<Vec<_>>())
    };
    let first = |name: &str| {
        let number = of_kind(name)?.first().map(|pair| pair.0);
        number.filter(|number| !number.is_nan())
    };
    let (fill, others) = (of_kind("_FillValue"), of_kind("missing_value"));
    let is_marked = fill.is_some() || others.is_some();
    let mut missing =
        fill.or_else(|| default_fill(kind).map(|pair| vec![pair])).unwrap_or_default();
    missing.extend(others.into_iter().flatten());
    let range = of_kind("valid_range").filter(|range| range.len() == 2);
    let valid = match range.as_deref() {
        Some(&[(least, _), (greatest, _)]) => Some((least, greatest)),
        _ => match (first("valid_min"), first("valid_max")) {
            (None, None) => None,
            (least, greatest) => {
                Some((least.unwrap_or(f64::NEG_INFINITY), greatest.unwrap_or(f64::INFINITY)))
            }
        },
    };
    let number = |name: &str| {
        let numbers = variable.attribute(name).map(Attribute::numbers)?;
        numbers.first().map(|pair| pair.0)
    };
    let (scale, offset) = match (number("scale_factor"), number("add_offset")) {
        // Neither does anything.
        (Some(1.0), None | Some(0.0)) | (None, Some(0.0)) => (None, None),
        both => both,
    };
    let nan_is_missing = missing.iter().any(|pair| pair.0.is_nan());
    missing.retain(|pair| !pair.0.is_nan());
    let unpacking = Unpacking { scale, offset, missing, nan_is_missing, valid, is_marked };
    Some((number_type, unpacking))
}

/// What the library of the format fills numbers with that were never written. Every byte is
/// a value.
const fn default_fill(kind: Kind) -> Option<(f64, f64)> {
    Some(match kind {
        Kind::Byte | Kind::Char | Kind::UByte => return None,
        Kind::Short => (-32_767.0, 0.0),
        Kind::UShort => (65_535.0, 0.0),
        Kind::Int => (-2_147_483_647.0, 0.0),
        Kind::UInt => (4_294_967_295.0, 0.0),
        Kind::Int64 => (-9_223_372_036_854_775_808.0, 2.0),
        Kind::UInt64 => (18_446_744_073_709_551_616.0, -2.0),
        Kind::Float | Kind::Double => (9.969_209_968_386_869e36, 0.0),
    })
}

/// A number as single precision.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
fn narrowed(number: f64) -> f64 {
    f64::from(number as f32)
}

impl Unpacking {
    /// Checks that numbers of the variable of this name can be compared with those that stand
    /// for no value.
    ///
    /// # Errors
    ///
    /// If these are too many.
    pub(super) fn check(&self, name: &str) -> Result<(), InputError> {
        let count = self.missing.len();
        if count <= MISSING_MAX {
            return Ok(());
        }
        let name = quoted(name);
        let what = format!(
            "the variable {name} has {count} values in missing_value, of which {MISSING_MAX} can \
             be read"
        );
        Err(InputError::new(what).remedy("give it a valid_range instead"))
    }

    /// Whether numbers are packed, so that a result cannot have their type.
    pub(super) const fn is_packed(&self) -> bool {
        self.scale.is_some() || self.offset.is_some()
    }

    /// The first number that stands for no value, of those of a block from one on.
    pub(super) fn first_missing(&self, block: &Block, start: usize) -> Option<usize> {
        let values = &block.values()[start..];
        // Nearly always there is none, which vectors tell faster than one by one.
        let any = |is: &dyn Fn(&[f64]) -> bool| is(values);
        let may_be = self.missing.iter().any(|&(missing, _)| {
            any(&|values| values.iter().fold(false, |any, &value| any | (value == missing)))
        }) || self.nan_is_missing
            && any(&|values| values.iter().fold(false, |any, value| any | value.is_nan()))
            || self.valid.is_some_and(|(least, greatest)| {
                let outside = |value: f64| (value < least) | (value > greatest);
                values.iter().fold(false, |any, &value| any | outside(value))
            });
        if !may_be {
            return None;
        }
        let low = |index: usize| block.low().map_or(0.0, |low| low[start + index]);
        (0..values.len()).find(|&index| self.is_missing(values[index], low(index)))
    }

    fn is_missing(&self, value: f64, low: f64) -> bool {
        self.missing.contains(&(value, low))
            || (self.nan_is_missing && value.is_nan())
            || self.valid.is_some_and(|(least, greatest)| value < least || value > greatest)
    }

    /// Makes values of the numbers of a block from one on, missing ones NaN.
    pub(super) fn apply(&self, block: &mut Block, start: usize) {
        let (values, low) = block.parts_mut(start);
        match &low {
            None => {
                for &(missing, _) in self.missing.iter().filter(|pair| pair.1 == 0.0) {
                    for value in &mut *values {
                        *value = if *value == missing { f64::NAN } else { *value };
                    }
                }
                if let Some((least, greatest)) = self.valid {
                    for value in &mut *values {
                        let is_outside = (*value < least) | (*value > greatest);
                        *value = if is_outside { f64::NAN } else { *value };
                    }
                }
            }
            Some(low) => {
                for (value, &low) in values.iter_mut().zip(low.iter()) {
                    if self.is_missing(*value, low) {
                        *value = f64::NAN;
                    }
                }
            }
        }
        if let Some(scale) = self.scale {
            values.iter_mut().for_each(|value| *value *= scale);
        }
        if let Some(offset) = self.offset {
            values.iter_mut().for_each(|value| *value += offset);
        }
        for (value, low) in values.iter().zip(low.into_iter().flatten()) {
            // A value is one f64 once it was computed, or is none.
            if self.is_packed() || value.is_nan() {
                *low = 0.0;
            }
        }
    }
}
