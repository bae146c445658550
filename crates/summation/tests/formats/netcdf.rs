//! NetCDF files: classic ones of every version, packed and missing values, coordinates that
//! differ, and files that are broken.

use proptest::prelude::*;
use protocol::request::{Dtype, Missing, ReadOptions, Statistic};
use summation::output::TypedFile;
use summation::{Block, Detection, Format, HEAD_BYTES, InputError, PartialSum, Piece};

use crate::classic_files::{
    DOUBLE, FLOAT, File, SHORT, Variable, climate, doubles, shorts, singles, size_of_kind, text,
    variable,
};
use crate::reading::cases;

pub(crate) fn options(entries: &[&str], missing: Option<Missing>) -> ReadOptions {
    let select = entries.iter().map(|&entry| entry.to_owned()).collect();
    ReadOptions { select, missing, ..ReadOptions::default() }
}

/// Tells the format of an object, showing what is asked for and no more.
pub(crate) fn detect_with(bytes: &[u8], options: &ReadOptions) -> Result<Format, InputError> {
    let total = bytes.len() as u64;
    let place = |byte: u64| usize::try_from(byte).expect("in memory");
    let (mut shown, mut others) = (HEAD_BYTES.min(bytes.len()), Vec::new());
    for _ in 0..20 {
        match Format::detect_in(&bytes[..shown], &others, total, options, &[])? {
            Detection::Format(format) => return Ok(format),
            Detection::Needs(needed) => {
                assert!(needed > shown && shown < bytes.len(), "{needed} of {shown}");
                shown = needed.min(bytes.len());
            }
            Detection::NeedsRanges(ranges) => {
                for range in ranges {
                    assert!(range.start < range.end && range.end <= total, "{range:?} of {total}");
                    let (start, own) = (range.start, place(range.start)..place(range.end));
                    others.push(Piece { start, bytes: bytes[own].to_vec() });
                }
            }
        }
    }
    panic!("more and more is asked for");
}

fn detect(bytes: &[u8], entries: &[&str]) -> Result<Format, InputError> {
    detect_with(bytes, &options(entries, None))
}

/// The values of some columns, by the extents that hold them, in ranges of so many bytes.
fn columns(
    format: &Format,
    bytes: &[u8],
    (from, to): (u64, u64),
    range: usize,
) -> Result<Block, InputError> {
    let place = |byte: u64| usize::try_from(byte).expect("in memory");
    let extents = format.extents(&(from..to)).expect("variables have extents");
    let wanted: Vec<u8> =
        extents.iter().flat_map(|e| bytes[place(e.start)..place(e.end)].to_vec()).collect();
    let checkpoint = format.checkpoint_of(from).expect("seekable");
    let mut decoder = format.decoder_at(bytes.len() as u64, checkpoint);
    let (mut block, mut used) = (Block::default(), 0);
    while used < wanted.len() && decoder.checkpoint().column < to {
        let end = wanted.len().min(used.saturating_add(range));
        used += decoder.decode(&wanted[used..end], false, 7, &mut block)?;
    }
    assert_eq!(decoder.checkpoint().column, to);
    assert_eq!(decoder.has_ended(), Some(to) == format.columns(0));
    Ok(block)
}

fn values(format: &Format, bytes: &[u8]) -> Vec<f64> {
    let total = format.columns(0).expect("a header tells it");
    columns(format, bytes, (0, total), usize::MAX).expect("numbers").values().to_vec()
}

#[test]
fn variables_of_every_version_are_read_and_coordinates_are_none() {
    for version in [1, 2, 5] {
        let bytes = climate(version).bytes();
        let format = detect(&bytes, &[]).unwrap();
        // Without records first.
        assert_eq!(format.names().unwrap(), ["pr", "tas"]);
        let shapes: Vec<&[u64]> =
            format.variables().unwrap().iter().map(summation::Variable::shape).collect();
        assert_eq!(shapes, [&[2_u64, 3][..], &[2, 2, 3]]);
        let packed: Vec<f64> =
            (0..6_u8).map(|index| f64::from(index) * 100.0 * 0.1 + 5.0).collect();
        let plain: Vec<f64> = (0..12_u8).map(|index| 250.0 + f64::from(index)).collect();
        assert_eq!(values(&format, &bytes), [packed, plain].concat());
        assert!(format.describe().ends_with("of several types, 2 of 6 variables"));
    }
    let bytes = climate(5).bytes();
    let one = detect(&bytes, &["t*s"]).unwrap();
    assert_eq!(one.describe(), "netcdf cdf-5 float, 1 of 6 variables");
    assert_eq!(one.shape(), Some(&[2, 2, 3][..]));
    let named = detect(&bytes, &["lat"]).unwrap();
    assert_eq!(values(&named, &bytes), [-30.0, 30.0], "a coordinate that is named is data");
    let error = detect(&bytes, &["rain"]).unwrap_err().to_string();
    assert!(error.contains("has no variable \"rain\""), "{error}");
}

#[test]
fn every_type_is_read() {
    let numbers: Vec<(u32, Vec<u8>, f64)> = vec![
        (1, vec![0x80], -128.0),
        (SHORT, shorts(&[-2]), -2.0),
        (4, i32::MIN.to_be_bytes().to_vec(), -2_147_483_648.0),
        (FLOAT, singles(&[1.5]), 1.5),
        (DOUBLE, doubles(&[0.1]), 0.1),
        (7, vec![255], 255.0),
        (8, 65_534_u16.to_be_bytes().to_vec(), 65_534.0),
        (9, 7_u32.to_be_bytes().to_vec(), 7.0),
        (10, i64::MAX.to_be_bytes().to_vec(), 9_223_372_036_854_775_808.0),
        (11, 3_u64.to_be_bytes().to_vec(), 3.0),
    ];
    let variables = numbers
        .iter()
        .map(|(kind, data, _)| variable(&format!("v{kind:02}"), &[], *kind, data.clone()));
    let variables = variables.collect();
    let file = File { version: 5, records: 0, dimensions: vec![], attributes: vec![], variables };
    let bytes = file.bytes();
    let format = detect(&bytes, &[]).unwrap();
    let block = columns(&format, &bytes, (0, 10), 3).unwrap();
    let expected: Vec<f64> = numbers.iter().map(|(.., number)| *number).collect();
    assert_eq!(block.values(), expected);
    assert_eq!(block.low().unwrap()[8], -1.0, "integers beyond 2^53 are exact");
    let unsigned = |kind, data| {
        let mut one = variable("u", &[], kind, data);
        one.attributes = vec![text("_Unsigned", "true")];
        let file = File { variables: vec![one], ..file.clone() };
        let bytes = file.bytes();
        values(&detect(&bytes, &[]).unwrap(), &bytes)
    };
    assert_eq!(unsigned(1, vec![0xff]), [255.0]);
    assert_eq!(unsigned(SHORT, shorts(&[-2])), [65_534.0]);
}

#[test]
fn missing_values_are_an_error_unless_they_may_be() {
    let mut file = climate(2);
    file.variable("tas").data[28..32].copy_from_slice(&1e20_f32.to_be_bytes());
    file.variable("pr").data[4..6].copy_from_slice(&(-999_i16).to_be_bytes());
    // The fill value of a type that has no other.
    file.variable("pr").data[6..8].copy_from_slice(&(-32_767_i16).to_be_bytes());
    let bytes = file.bytes();
    for missing in [None, Some(Missing::Error)] {
        let format = detect_with(&bytes, &options(&["tas"], missing)).unwrap();
        let error = columns(&format, &bytes, (0, 12), usize::MAX).unwrap_err();
        assert!(error.to_string().contains("\"tas\" has no value at [1, 0, 1]"), "{error}");
        assert_eq!((error.column, error.byte.is_some()), (Some(7), true));
    }
    for missing in [Missing::Skip, Missing::Propagate] {
        let format = detect_with(&bytes, &options(&[], Some(missing))).unwrap();
        let missing: Vec<usize> = values(&format, &bytes)
            .iter()
            .enumerate()
            .filter(|(_, x)| x.is_nan())
            .map(|x| x.0)
            .collect();
        assert_eq!(missing, [2, 3, 13]);
    }
    let valid = |name, kind, numbers: Vec<u8>| {
        let mut file = climate(1);
        file.variable("tas").attributes = vec![(name, kind, numbers)];
        let bytes = file.bytes();
        let format = detect_with(&bytes, &options(&["tas"], Some(Missing::Skip))).unwrap();
        values(&format, &bytes).iter().filter(|value| value.is_nan()).count()
    };
    assert_eq!(valid("valid_min", FLOAT, singles(&[252.0])), 2);
    assert_eq!(valid("valid_max", FLOAT, singles(&[252.0])), 9);
    assert_eq!(valid("valid_range", FLOAT, singles(&[251.0, 260.0])), 2);
    assert_eq!(valid("missing_value", DOUBLE, doubles(&[253.0, 255.0])), 2, "several");
    assert_eq!(valid("_FillValue", FLOAT, singles(&[f32::NAN])), 0);
    // NaN counts as a number that is missing only where it is said to be.
    let mut file = climate(1);
    file.variable("tas").data[..4].copy_from_slice(&f32::NAN.to_be_bytes());
    let bytes = file.bytes();
    assert!(values(&detect(&bytes, &["tas"]).unwrap(), &bytes)[0].is_nan());
    file.variable("tas").attributes = vec![("_FillValue", FLOAT, singles(&[f32::NAN]))];
    let bytes = file.bytes();
    assert!(columns(&detect(&bytes, &["tas"]).unwrap(), &bytes, (0, 12), 5).is_err());
}

#[test]
fn variables_are_matched_by_name_and_coordinates_compared() {
    let first = climate(1);
    let reference = detect(&first.bytes(), &[]).unwrap();
    let mut other = climate(5);
    other.variables.reverse();
    let bytes = other.bytes();
    let aligned = detect(&bytes, &[]).unwrap().aligned(Some(&reference), "first").unwrap();
    assert_eq!(aligned.names().unwrap(), ["pr", "tas"]);
    assert_eq!(values(&aligned, &bytes), values(&reference, &first.bytes()));

    let differing = |change: &dyn Fn(&mut File), entries: &[&str]| {
        let mut file = climate(2);
        change(&mut file);
        let reference = detect(&first.bytes(), entries).unwrap();
        let format = detect(&file.bytes(), entries).unwrap();
        match format.aligned(Some(&reference), "first.nc") {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    };
    let shifted = |file: &mut File| file.variable("lat").data = doubles(&[-30.0, 31.0]);
    for (change, words) in [
        (&shifted as &dyn Fn(&mut File), "\"lat\" is 31.0 at [1], in first.nc it is 30.0"),
        (
            &|file| file.variable("time").data = doubles(&[15.5, 46.0]),
            "\"time\" is 46.0 at [1], in first.nc it is 45.0",
        ),
        (
            &|file| file.variable("lat_bnds").data[8] = 1,
            "\"lat_bnds\" is 7.291122019556398e-304 at [0, 1], in first.nc it is 0.0",
        ),
        (
            &|file| file.variable("time").attributes = vec![text("units", "days since 1900-01-01")],
            "\"time\" has the units \"days since 1900-01-01\", in first.nc \"days since 2000-01-01\"",
        ),
        (
            &|file| file.variable("tas").attributes[0] = text("units", "degC"),
            "\"tas\" has the units \"degC\", and in first.nc it has \"K\"",
        ),
        (&|file| file.variable("lon").name = "x".to_owned(), "has the variable \"x\", which"),
        (&|file| file.variable("pr").name = "rain".to_owned(), "has no variable \"pr\""),
        (
            &|file| file.dimensions[1].0 = "y",
            "the variable \"pr\" is (y = 2, lon = 3), and in first.nc it is (lat = 2, lon = 3)",
        ),
    ] {
        let error = differing(change, &[]);
        assert!(error.contains(words), "{error:?}, where {words:?} was expected");
    }
    let error = differing(&|file| file.variable("lon").name = "x".to_owned(), &["tas"]);
    assert!(error.contains("has no coordinate \"lon\", which first.nc has"), "{error}");
    assert_eq!(differing(&|_| (), &[]), "");
    assert_eq!(differing(&shifted, &["!lat", "!lat_bnds"]), "", "it is not compared");
    assert_eq!(differing(&|file| file.variable("lon").kind = FLOAT, &[]), "");
    let double = |file: &mut File| {
        let lon = file.variable("lon");
        (lon.kind, lon.data) = (DOUBLE, doubles(&[0.0, 120.0, 240.0]));
    };
    assert_eq!(differing(&double, &[]), "", "the same numbers in another type");
}

#[test]
fn broken_files_are_errors_with_a_position() {
    let whole = climate(1).bytes();
    for length in 4..whole.len() {
        let Err(error) = detect(&whole[..length], &[]) else {
            panic!("{length} of {} bytes are enough", whole.len());
        };
        assert!(error.byte.is_some(), "{length}: {error}");
    }
    for version in [1, 2, 5] {
        let whole = climate(version).bytes();
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[place] ^= 1 << bit;
                if let Ok(format) = detect(&damaged, &[]) {
                    let total = format.columns(0).unwrap();
                    let _ = columns(&format, &damaged, (0, total.min(1000)), usize::MAX);
                    let _ = TypedFile::netcdf(
                        &format.netcdf_template().unwrap(),
                        Dtype::Input,
                        None,
                        "",
                    );
                }
            }
        }
    }
    let with = |change: &dyn Fn(&mut File)| {
        let mut file = climate(5);
        change(&mut file);
        detect(&file.bytes(), &[]).map(|format| format.describe()).unwrap_err().to_string()
    };
    for (change, words) in [
        (
            &(|file: &mut File| file.variable("tas").kind = 99) as &dyn Fn(&mut File),
            "the unknown type 99",
        ),
        (&|file| file.variable("tas").dimensions = vec![9], "an unknown dimension, 9"),
        (
            &|file| file.variable("tas").dimensions = vec![1, 0],
            "an unlimited dimension that is inner",
        ),
        (&|file| file.dimensions[1].1 = 0, "a second unlimited dimension"),
        (&|file| file.dimensions[1].1 = 1 << 60, "has the impossible shape"),
        (&|file| file.dimensions[1].1 = 1 << 30, "but the file has"),
        (&|file| file.variable("pr").name = "tas".to_owned(), "two variables \"tas\""),
        (&|file| file.variables.truncate(0), "without numbers but coordinates"),
    ] {
        let error = with(change);
        assert!(error.contains(words), "{error:?}, where {words:?} was expected");
    }
    let long: Vec<Variable> = (0..40_000)
        .map(|index| variable(&format!("variable_{index:09}"), &[], 1, vec![1]))
        .collect();
    let file = File { variables: long, ..climate(5) };
    assert_eq!(detect(&file.bytes(), &["variable_*"]).unwrap().columns(0), Some(40_000));
    let mut file = climate(5);
    file.attributes.push(text("note", &"x".repeat(5 << 20)));
    let error = detect(&file.bytes(), &[]).unwrap_err().to_string();
    assert!(error.contains("a NetCDF header of more than 4 MiB"), "{error}");
    let mut file = climate(5);
    file.dimensions[1].1 = 3 << 20;
    file.variable("lat").data = vec![0; 24 << 20];
    file.variables.retain(|one| one.name == "lat" || one.name == "time");
    file.variables.push(variable("data", &[1], 1, vec![1; 3 << 20]));
    let error = detect(&file.bytes(), &[]).unwrap_err().to_string();
    assert!(error.contains("coordinates of more than 16 MiB, with \"lat\""), "{error}");
    assert!(error.contains("select !lat"), "{error}");
}

/// Every number is compared with each value that stands for none.
#[test]
fn values_that_stand_for_none_are_few() {
    let with = |count: u16| {
        let mut file = climate(5);
        let values: Vec<f64> = (0..count).map(|at| f64::from(at) + 0.25).collect();
        file.variable("tas").attributes = vec![("missing_value", DOUBLE, doubles(&values))];
        detect(&file.bytes(), &["tas"])
    };
    assert!(with(99).is_ok());
    let error = with(1000).unwrap_err().to_string();
    assert!(error.contains("\"tas\" has 1001 values in missing_value"), "{error}");
}

/// The name of a dimension was kept once for each dimension of each variable.
#[test]
fn names_of_dimensions_take_memory_once() {
    let mut file = climate(5);
    let name: &'static str = "d".repeat(1024).leak();
    file.dimensions.push((name, 1));
    let many = vec![file.dimensions.len() - 1; 1024];
    file.variables.extend((0..400).map(|at| variable(&format!("many_{at}"), &many, 1, vec![1])));
    let bytes = file.bytes();
    assert_eq!(detect(&bytes, &["many_*"]).unwrap().columns(0), Some(400));
    file.dimensions.push(("d".repeat(2000).leak(), 1));
    let error = detect(&file.bytes(), &["many_*"]).unwrap_err();
    assert!(error.to_string().contains("a name of more than 1024 bytes"), "{error}");
    assert!(error.byte.is_some());
}

/// Coordinates are found by their names: comparing each with each took minutes.
#[test]
fn many_coordinates_are_compared_quickly() {
    let mut file = climate(5);
    let names: Vec<String> = (0..20_000).map(|at| format!("coordinate_{at:06}")).collect();
    file.variable("tas").attributes = vec![text("coordinates", &names.join(" "))];
    file.variables.extend(names.iter().map(|name| variable(name, &[], 1, vec![1])));
    let bytes = file.bytes();
    let reference = detect(&bytes, &["tas"]).unwrap();
    assert!(detect(&bytes, &["tas"]).unwrap().aligned(Some(&reference), "first").is_ok());
    file.variables.last_mut().unwrap().data = vec![2];
    let error = detect(&file.bytes(), &["tas"]).unwrap().aligned(Some(&reference), "first");
    let error = error.unwrap_err().to_string();
    assert!(error.contains("\"coordinate_019999\" is 2.0 at [], in first it is 1.0"), "{error}");
}

/// The mean, or a statistic, of some files, as the file that the program writes.
fn averaged(files: &[File], statistic: Option<Statistic>, dtype: Dtype) -> Vec<u8> {
    let first = detect(&files[0].bytes(), &[]).expect("a format");
    let total = first.columns(0).expect("known");
    let statistics: Vec<Statistic> = statistic.into_iter().collect();
    let mut sum = PartialSum::with_missing(
        usize::try_from(total).expect("small"),
        &statistics,
        Missing::Propagate,
    );
    for file in files {
        let bytes = file.bytes();
        let format = detect(&bytes, &[]).expect("a format").aligned(Some(&first), "first");
        let block = columns(&format.expect("alike"), &bytes, (0, total), usize::MAX);
        sum.add(0, &block.expect("numbers"));
        sum.count_objects(1);
    }
    let numbers = match statistic {
        None => sum.mean(),
        Some(statistic) => sum.statistic(statistic).expect("asked for"),
    };
    let template = first.netcdf_template().expect("it is NetCDF");
    let file = TypedFile::netcdf(&template, dtype, statistic, "averaged").expect("its own");
    assert_eq!(file.columns(), total);
    let mut bytes = file.header().to_vec();
    file.put(0, &sum, &numbers, &mut bytes);
    assert_eq!(bytes.len() as u64, file.bytes());
    bytes
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
fn single(number: f64) -> f64 {
    f64::from(number as f32)
}

#[test]
fn a_result_is_such_a_file_with_the_same_coordinates() {
    let mut second = climate(5);
    second.variable("tas").data =
        singles(&(0..12_u8).map(|index| 252.0 + f32::from(index)).collect::<Vec<f32>>());
    for dtype in [Dtype::F64, Dtype::F32, Dtype::Input] {
        let files = [climate(1), second.clone()];
        let bytes = averaged(&files, None, dtype);
        let result = detect(&bytes, &[]).unwrap();
        let first = files[0].bytes();
        let first = detect(&first, &[]).unwrap();
        // The coordinates are the same, or this would fail.
        let result = result.aligned(Some(&first), "first").unwrap();
        // Only the temperatures of the second file differ, by 2.
        let expected: Vec<f64> = values(&first, &files[0].bytes())
            .iter()
            .enumerate()
            .map(|(index, value)| if index < 6 { *value } else { value + 1.0 })
            .map(|mean| if dtype == Dtype::F32 { single(mean) } else { mean })
            .collect();
        assert_eq!(values(&result, &bytes), expected, "{dtype:?}");
        let kinds: Vec<&str> =
            result.variables().unwrap().iter().map(summation::Variable::dtype).collect();
        assert_eq!(
            kinds,
            match dtype {
                Dtype::F64 => ["double", "double"],
                Dtype::F32 => ["float", "float"],
                _ => ["double", "float"],
            }
        );
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("averaged\nmade by a test") && text.contains("CF-1.8"));
        assert!(!text.contains("scale_factor") && !text.contains("missing_value"));
    }
    let count = averaged(&[climate(1), climate(1)], Some(Statistic::Count), Dtype::F64);
    let format = detect(&count, &[]).unwrap();
    assert!(values(&format, &count).iter().all(|count| *count == 2.0));
    let mut several = climate(1);
    several.variables.push(variable("more", &[0, 2], FLOAT, singles(&[1.0; 6])));
    let bytes = averaged(&[several.clone(), several], None, Dtype::F64);
    let format = detect(&bytes, &[]).unwrap();
    assert_eq!(format.names().unwrap(), ["pr", "tas", "more"]);
    assert_eq!(values(&format, &bytes)[18..], [1.0; 6]);
}

/// Variables with and without records, of several types and lengths.
fn files() -> impl Strategy<Value = File> {
    let one = (any::<bool>(), 0_usize..4, 1_u64..5, any::<u64>());
    (prop::sample::select(vec![1_u8, 2, 5]), 1_u64..4, proptest::collection::vec(one, 1..7))
        .prop_map(|(version, records, variables)| {
            let names = ["a", "b", "c", "d", "e", "f"];
            let mut dimensions = vec![("records", 0)];
            let mut written = Vec::new();
            for ((name, (has_records, kind, length, seed)), index) in
                names.iter().zip(variables).zip(1_usize..)
            {
                dimensions.push((*name, length));
                let kind = [1, SHORT, FLOAT, DOUBLE][kind];
                let all = length * if has_records { records } else { 1 };
                let bytes = usize::try_from(all * size_of_kind(kind)).expect("small");
                let data = (0..bytes).map(|place| (seed >> (place % 7 * 8)).to_le_bytes()[0] & 63);
                let indices = if has_records { vec![0, index] } else { vec![index] };
                written.push(variable(&format!("v{name}"), &indices, kind, data.collect()));
            }
            File { version, records, dimensions, attributes: Vec::new(), variables: written }
        })
}

proptest! {
    #![proptest_config(cases(200))]

    /// Wherever reading begins and ranges are cut, the values are those of the whole file;
    /// and a result has the values of the mean.
    #[test]
    fn the_same_values_come_however_they_are_read(
        file in files(),
        cuts in (any::<u64>(), any::<u64>()),
        range in 1_usize..40,
    ) {
        let bytes = file.bytes();
        let format = detect(&bytes, &[]).unwrap();
        let total = format.columns(0).unwrap();
        let all = values(&format, &bytes);
        let expected: usize = file.variables.iter().map(|one| {
            one.data.len() / usize::try_from(size_of_kind(one.kind)).unwrap()
        }).sum();
        prop_assert_eq!(all.len(), expected);
        let (one, another) = (cuts.0 % (total + 1), cuts.1 % (total + 1));
        let (from, to) = (one.min(another), one.max(another));
        let place = |column| usize::try_from(column).unwrap();
        let some = columns(&format, &bytes, (from, to), range).unwrap();
        prop_assert_eq!(some.values(), &all[place(from)..place(to)]);
        let result = averaged(&[file.clone(), file], None, Dtype::F64);
        let again = detect(&result, &[]).unwrap();
        prop_assert_eq!(values(&again, &result), all);
    }
}
