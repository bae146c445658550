//! Arrays that are stored in C order and in Fortran order, plain and compressed,
//! in one task.

use std::io::Write as _;

use flate2::write::GzEncoder;
use proptest::prelude::*;
use proptest::sample::select;
use protocol::request::{Choice, Statistic};
use protocol::task::Direction;
use summation::{Block, Detection, Format, PartialSum, Trailer};

use super::scene::Scene;

const OPEN_MAX: usize = 5;

/// How an object lies in the store.
#[derive(Clone, Copy, Debug)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    fn pack(self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Packing::Plain => bytes,
            Packing::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(&bytes).expect("memory can be written to");
                encoder.finish().expect("memory can be written to")
            }
            Packing::Zstd => zstd::encode_all(&bytes[..], 3).expect("memory can be written to"),
        }
    }
}

/// A .npy file.
fn npy(descr: &str, is_fortran: bool, shape: &[u64], data: &[u8]) -> Vec<u8> {
    let order = if is_fortran { "True" } else { "False" };
    let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let shape = lengths.join(", ");
    let text =
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}{comma}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(text.len()).expect("a short header").to_le_bytes());
    bytes.extend(text.bytes());
    bytes.extend(data);
    bytes
}

/// The elements of an array in C order, in Fortran order.
fn to_fortran(data: &[u8], size: usize, shape: &[u64]) -> Vec<u8> {
    let lengths: Vec<usize> = shape.iter().copied().map(small).collect();
    let mut turned = Vec::with_capacity(data.len());
    for position in 0..data.len() / size {
        let mut rest = position;
        let index: Vec<usize> = lengths
            .iter()
            .map(|length| {
                let index = rest % length;
                rest /= length;
                index
            })
            .collect();
        let place = index.iter().zip(&lengths).fold(0, |place, (i, length)| place * length + i);
        turned.extend(&data[size * place..][..size]);
    }
    turned
}

/// A number of a test, which memory can count to.
fn small(number: u64) -> usize {
    usize::try_from(number).expect("a small number")
}

/// So many bytes that no compression makes shorter.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state ^ (state >> 33)).to_le_bytes()
    });
    words.flatten().take(bytes).collect()
}

/// Arrays of one shape, in C order, and how each is stored.
#[derive(Clone, Debug)]
struct Arrays {
    shape: Vec<u64>,
    stored: Vec<Stored>,
}

#[derive(Clone, Debug)]
struct Stored {
    descr: &'static str,
    data: Vec<u8>,
    is_fortran: bool,
    packing: Packing,
}

impl Arrays {
    fn columns(&self) -> u64 {
        self.shape.iter().product()
    }

    fn scene(&self) -> Scene {
        let mut scene = Scene::empty(self.columns());
        scene.statistics = Statistic::ALL.to_vec();
        for (number, stored) in self.stored.iter().enumerate() {
            let bytes = stored.bytes(stored.is_fortran, &self.shape);
            scene.add(&format!("{number:02}.npy"), &stored.packing.pack(bytes));
        }
        scene
    }

    /// The sum of all arrays, each of them read in one order as a whole.
    fn sum(&self, is_fortran: bool) -> PartialSum {
        let mut sum = PartialSum::new(small(self.columns()), Statistic::ALL);
        for stored in &self.stored {
            let bytes = stored.bytes(is_fortran, &self.shape);
            let detection = Format::detect(&bytes, bytes.len() as u64, None);
            let Ok(Detection::Format(format)) = detection else { panic!("{detection:?}") };
            let mut block = Block::default();
            let mut decoder = format.decoder(bytes.len() as u64);
            decoder.decode(&bytes, true, usize::MAX, &mut block).expect("as it was written");
            sum.add(0, &block);
            sum.count_objects(1);
        }
        sum
    }
}

impl Stored {
    fn bytes(&self, is_fortran: bool, shape: &[u64]) -> Vec<u8> {
        let size = self.descr[2..].parse().expect("a size");
        match is_fortran {
            false => npy(self.descr, false, shape, &self.data),
            true => npy(self.descr, true, shape, &to_fortran(&self.data, size, shape)),
        }
    }
}

fn arrays() -> impl Strategy<Value = Arrays> {
    let shape = prop_oneof![
        proptest::collection::vec(1_u64..14, 1..4),
        (1_u64..200).prop_map(|length| vec![length]),
        (1_u64..60, 1_u64..60).prop_map(|(rows, columns)| vec![rows, columns]),
        (1_u64..4, 1_u64..40, 1_u64..4).prop_map(|(a, b, c)| vec![a, b, c]),
    ];
    (shape, 1_usize..9).prop_flat_map(|(shape, objects)| {
        let columns = small(shape.iter().product());
        let stored = (
            select(&["<f8", "<f4", ">i8", "<u8", "|u1", ">i2", "<f2"][..]),
            any::<u64>(),
            any::<bool>(),
            select(&[Packing::Plain, Packing::Plain, Packing::Gzip, Packing::Zstd][..]),
        );
        let stored = stored.prop_map(move |(descr, seed, is_fortran, packing)| {
            let data = noise(seed, columns * descr[2..].parse::<usize>().expect("a size"));
            Stored { descr, data, is_fortran, packing }
        });
        let stored = proptest::collection::vec(stored, objects);
        stored.prop_map(move |stored| Arrays { shape: shape.clone(), stored })
    })
}

/// Whether two sums are the same to the last bit, statistics and all.
fn assert_same(found: &[PartialSum], expected: &PartialSum) {
    let mean = |sum: &PartialSum| bits(&sum.mean());
    assert_eq!(found.iter().flat_map(mean).collect::<Vec<_>>(), mean(expected));
    for statistic in Statistic::ALL {
        let of = |sum: &PartialSum| bits(&sum.statistic(*statistic).expect("kept"));
        assert_eq!(found.iter().flat_map(of).collect::<Vec<_>>(), of(expected), "{statistic:?}");
    }
    if let [found] = found {
        let trailer = Trailer::default();
        assert_eq!(found.encode(&trailer), expected.encode(&trailer));
    }
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

async fn check(arrays: &Arrays, scene: &Scene) {
    let ended = scene.sum().await;
    assert_eq!(ended.outcome().columns, arrays.columns());
    assert_eq!(ended.outcome().shape.as_ref(), Some(&arrays.shape));
    assert_same(&ended.sums(scene).await, &arrays.sum(scene.fortran_order));
    let seen = ended.store.seen();
    assert!(seen.open_max <= OPEN_MAX);
    // A range that was on its way when an object was closed is not counted.
    assert!(seen.read_bytes >= ended.outcome().progress.input_read_bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn mixed_orders_give_the_bits_of_one_order(
        arrays in arrays(),
        fortran_order: bool,
        segment_columns in prop_oneof![1_u64..40, 40_u64..3000],
        range_bytes in prop_oneof![30_usize..300, 300_usize..100_000],
        has_files: bool,
        backward: bool,
    ) {
        let mut scene = arrays.scene();
        scene.fortran_order = fortran_order;
        // Not more segments than are quick to write.
        scene.segment_columns = segment_columns.max(arrays.columns().div_ceil(20));
        scene.has_files = has_files;
        scene.settings.range_bytes = range_bytes;
        if backward {
            scene.direction = Direction::Backward;
        }
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(check(&arrays, &scene));
    }
}

/// Arrays larger than a range of a file, and than the gaps that are read over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_arrays_of_mixed_orders_too() {
    for shape in [vec![400, 500], vec![3, 200, 300], vec![300, 200, 3]] {
        let columns = small(shape.iter().product());
        let stored = (0..7_u64).map(|object| Stored {
            descr: if object == 3 { "<i8" } else { "<f8" },
            data: (0..columns as u64)
                .flat_map(|column| {
                    let number = (column.wrapping_mul(0x9e37_79b9) + object) as f64 * 1e-3;
                    number.to_le_bytes()
                })
                .collect(),
            is_fortran: object % 3 != 1,
            packing: if object == 5 { Packing::Zstd } else { Packing::Plain },
        });
        let arrays = Arrays { stored: stored.collect(), shape };
        for has_files in [true, false] {
            let mut scene = arrays.scene();
            scene.has_files = has_files;
            scene.segment_columns = 32_768;
            check(&arrays, &scene).await;
        }
    }
}

/// Shrunk: one that can only be read forward comes first, and the attempt is
/// told to go backward.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_can_be_sought_go_forward_with_one_that_cannot() {
    let stored = |is_fortran, packing| Stored {
        descr: "|u1",
        data: (0..200).collect(),
        is_fortran,
        packing,
    };
    let first = stored(false, Packing::Gzip);
    let arrays = Arrays { shape: vec![20, 10], stored: vec![first, stored(false, Packing::Plain)] };
    for has_files in [true, false] {
        let mut scene = arrays.scene();
        scene.has_files = has_files;
        scene.segment_columns = 64;
        scene.direction = Direction::Backward;
        check(&arrays, &scene).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_array_of_another_length_or_a_short_one_is_told() {
    let data = vec![0; 8 * 600];
    let stored =
        |is_fortran, packing| Stored { descr: "<f8", data: data.clone(), is_fortran, packing };
    let arrays = Arrays { shape: vec![20, 30], stored: vec![stored(false, Packing::Plain); 3] };
    for has_files in [true, false] {
        let mut scene = arrays.scene();
        scene.has_files = has_files;
        scene.add("odd.npy", &npy("<f8", true, &[20, 31], &[0; 8 * 620]));
        let ended = scene.sum().await;
        let detail = &ended.failure().problem.detail;
        assert!(detail.contains("odd.npy has 620") && detail.contains("has 600"), "{detail}");
        // Compressed data that ends too early shows only when it is read through.
        let mut scene = arrays.scene();
        scene.has_files = has_files;
        let short = npy("<f8", true, &[20, 30], &data[8..]);
        scene.add("short.npy.zst", &Packing::Zstd.pack(short));
        let ended = scene.sum().await;
        let detail = &ended.failure().problem.detail;
        assert!(detail.contains("short.npy.zst") && detail.contains("truncated"), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_arrays_are_told_whatever_their_blocks() {
    for has_files in [true, false] {
        for range_bytes in [4 << 10, 8 << 20] {
            let packings = [Packing::Gzip, Packing::Zstd];
            let stored = packings.into_iter().cycle().take(7).map(|packing| Stored {
                descr: "<f8",
                data: noise(1, 8 * 60_000),
                is_fortran: false,
                packing,
            });
            let arrays = Arrays { shape: vec![60_000], stored: stored.collect() };
            let mut scene = arrays.scene();
            scene.has_files = has_files;
            scene.settings.range_bytes = range_bytes;
            let ended = scene.sum().await;
            assert_same(&ended.sums(&scene).await, &arrays.sum(false));
        }
    }
}
