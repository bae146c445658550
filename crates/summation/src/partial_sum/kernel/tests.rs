//! Each kernel on its own, and every variant against the baseline, bit by bit.

use std::fmt::Debug;
use std::io::{Write, stderr};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// Some whole groups, and a few columns that the kernels leave to their callers.
const GROUPS: usize = 5;
const COLUMNS: usize = GROUPS * GROUP + 3;

/// Runs one kernel by each variant that this processor has, and holds what
/// comes of it against the baseline.
#[track_caller]
fn check_variants<T: Debug + PartialEq>(run: impl Fn(Variant) -> T) {
    let expected = run(Variant::BASELINE);
    for &set in InstructionSet::ALL {
        if let Some(variant) = Variant::of(set) {
            assert_eq!(run(variant), expected, "{set} differs from the baseline");
        }
    }
}

/// Calls a kernel until all whole groups are behind it, and goes past each at
/// which it stops. `run` is given the column to begin at. Returns the columns
/// that were done, as the kernel says.
fn run_through(mut run: impl FnMut(usize) -> usize) -> Vec<usize> {
    let (mut done, mut start) = (Vec::new(), 0);
    while start + GROUP <= COLUMNS {
        let length = run(start);
        done.extend(start..start + length);
        start += length + GROUP;
    }
    done
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

/// Any number at all: also subnormal ones, infinities and NaN.
fn any_number() -> BoxedStrategy<f64> {
    let edges = [
        0.0,
        -0.0,
        1.0,
        f64::MAX,
        -f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        -5e-324,
        9_007_199_254_740_992.0,
        f64::EPSILON / 2.0,
        1e-145,
        1.3407807929942597e154,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -f64::NAN,
    ];
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        select(edges.to_vec()),
        (-1.0f64..1.0, -80i32..80).prop_map(|(x, exponent)| x * 2f64.powi(exponent)),
        (0u64..1 << 53).prop_map(f64::from_bits),
    ]
    .boxed()
}

/// The numbers of one group: often such that all of them fit, so that the
/// kernels go on, and at times with some that need a closer look.
fn group() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        4 => vec(-1.0f64..1.0, GROUP),
        3 => vec((-1000i32..1000).prop_map(f64::from), GROUP),
        2 => vec((0u64..1 << 53).prop_map(f64::from_bits), GROUP),
        2 => vec((0.5f64..1.0).prop_map(|x| x * f64::MAX), GROUP),
        1 => vec((-300i32..300).prop_map(|exponent| 2f64.powi(exponent)), GROUP),
        2 => vec(any_number(), GROUP),
        2 => (vec(-1.0f64..1.0, GROUP), any::<Index>(), any_number()).prop_map(
            |(mut numbers, index, other)| {
                numbers[index.index(GROUP)] = other;
                numbers
            }
        ),
    ]
}

/// A number for each column.
fn object() -> impl Strategy<Value = Vec<f64>> {
    vec(group(), GROUPS + 1).prop_map(|groups| {
        let mut numbers = groups.concat();
        numbers.truncate(COLUMNS);
        numbers
    })
}

/// A positive finite number, often a usual one.
fn weight() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => (1u32..100_000).prop_map(f64::from),
        3 => 1e-3f64..1.0,
        1 => (-1074i32..1024).prop_map(|exponent| 2f64.powi(exponent)),
        1 => (1u64..f64::INFINITY.to_bits()).prop_map(f64::from_bits),
    ]
}

fn objects() -> impl Strategy<Value = Vec<Vec<f64>>> {
    vec(object(), 1..8)
}

/// Sums of two components, error-free unless a column has numbers that are too far apart.
fn pairs(objects: &[Vec<f64>]) -> [Vec<f64>; 2] {
    let mut pair = [vec![-0.0; COLUMNS], vec![0.0; COLUMNS]];
    let [hi, lo] = &mut pair;
    for x in objects {
        for column in 0..COLUMNS {
            let (sum, error) = two_sum(hi[column], x[column]);
            (hi[column], lo[column]) = (sum, lo[column] + error);
        }
    }
    pair
}

proptest! {
    #[test]
    fn every_variant_adds_the_same(objects in objects()) {
        check_variants(|variant| {
            let (mut hi, mut lo) = (vec![-0.0; COLUMNS], vec![0.0; COLUMNS]);
            let done: Vec<_> = objects
                .iter()
                .map(|x| {
                    run_through(|at| add_with(variant, &mut hi[at..], &mut lo[at..], &x[at..]))
                })
                .collect();
            (done, bits(&hi), bits(&lo))
        });
    }

    #[test]
    fn every_variant_adds_the_same_pairs(terms in vec(objects(), 1..5)) {
        let terms: Vec<_> = terms.iter().map(|objects| pairs(objects)).collect();
        check_variants(|variant| {
            let (mut hi, mut lo) = (vec![-0.0; COLUMNS], vec![0.0; COLUMNS]);
            let done: Vec<_> = terms
                .iter()
                .map(|[x, x_lo]| {
                    run_through(|at| {
                        let (hi, lo) = (&mut hi[at..], &mut lo[at..]);
                        add_pairs_with(variant, hi, lo, &x[at..], &x_lo[at..])
                    })
                })
                .collect();
            (done, bits(&hi), bits(&lo))
        });
    }

    #[test]
    fn every_variant_adds_the_same_to_four_components(objects in objects()) {
        check_variants(|variant| {
            let mut sums = [0.0; 4].map(|zero| vec![zero; COLUMNS]);
            let done: Vec<_> = objects
                .iter()
                .map(|x| {
                    run_through(|at| {
                        let sums = sums.each_mut().map(|part| &mut part[at..]);
                        add_to_four_with(variant, sums, &x[at..])
                    })
                })
                .collect();
            (done, sums.map(|part| bits(&part)))
        });
    }

    #[test]
    fn every_variant_adds_the_same_squares(objects in objects()) {
        check_variants(|variant| {
            let mut sums = [0.0; 3].map(|zero| vec![zero; COLUMNS]);
            let done: Vec<_> = objects
                .iter()
                .map(|x| {
                    run_through(|at| {
                        let sums = sums.each_mut().map(|part| &mut part[at..]);
                        add_squares_with(variant, sums, &x[at..])
                    })
                })
                .collect();
            (done, sums.map(|part| bits(&part)))
        });
    }

    #[test]
    fn every_variant_adds_the_same_products(objects in vec((object(), weight()), 1..8)) {
        check_variants(|variant| {
            let (mut hi, mut lo) = (vec![-0.0; COLUMNS], vec![0.0; COLUMNS]);
            let done: Vec<_> = objects
                .iter()
                .map(|(x, weight)| {
                    run_through(|at| {
                        let (hi, lo) = (&mut hi[at..], &mut lo[at..]);
                        add_products_with(variant, hi, lo, &x[at..], *weight)
                    })
                })
                .collect();
            (done, bits(&hi), bits(&lo))
        });
    }

    #[test]
    fn every_variant_adds_the_same_products_to_four_components(
        objects in vec((object(), weight()), 1..8),
    ) {
        check_variants(|variant| {
            let mut sums = [0.0; 4].map(|zero| vec![zero; COLUMNS]);
            let done: Vec<_> = objects
                .iter()
                .map(|(x, weight)| {
                    run_through(|at| {
                        let sums = sums.each_mut().map(|part| &mut part[at..]);
                        add_products_to_four_with(variant, sums, &x[at..], *weight)
                    })
                })
                .collect();
            (done, sums.map(|part| bits(&part)))
        });
    }

    #[test]
    fn every_variant_divides_by_the_same_parts(
        objects in objects(),
        scale in prop_oneof![Just(0.0), -1.0f64..1.0],
        weight in weight(),
        lower in -1.0f64..1.0,
    ) {
        let [mut hi, mut lo] = pairs(&objects);
        normalize(&mut hi, &mut lo);
        let third: Vec<f64> = lo.iter().map(|lo| lo * f64::EPSILON * scale).collect();
        let second = weight * lower * (f64::EPSILON / 2.0);
        let divisor = [weight, second, second.abs() * f64::EPSILON];
        check_variants(|variant| {
            let mut means = vec![0.0; COLUMNS];
            let done = run_through(|at| {
                let sums = [&hi[at..], &lo[at..], &third[at..]];
                divide_by_parts_with(variant, &mut means[at..], sums, divisor)
            });
            // What is not done holds nothing that counts.
            let means: Vec<f64> = done.iter().map(|column| means[*column]).collect();
            (done, bits(&means))
        });
    }

    #[test]
    fn every_variant_adds_the_same_triples(terms in vec(objects(), 1..5), third in object()) {
        let terms: Vec<_> = terms.iter().map(|objects| pairs(objects)).collect();
        check_variants(|variant| {
            let mut sums = [0.0; 3].map(|zero| vec![zero; COLUMNS]);
            let done: Vec<_> = terms
                .iter()
                .map(|[x, y]| {
                    run_through(|at| {
                        let sums = sums.each_mut().map(|part| &mut part[at..]);
                        add_triples_with(variant, sums, [&x[at..], &y[at..], &third[at..]])
                    })
                })
                .collect();
            (done, sums.map(|part| bits(&part)))
        });
    }

    #[test]
    fn every_variant_normalizes_the_same(objects in objects()) {
        let sums = pairs(&objects);
        check_variants(|variant| {
            let [mut hi, mut lo] = sums.clone();
            let done = run_through(|at| normalize_with(variant, &mut hi[at..], &mut lo[at..]));
            (done, bits(&hi), bits(&lo))
        });
    }

    #[test]
    fn every_variant_divides_the_same(
        objects in objects(),
        scale in prop_oneof![Just(0.0), -1.0f64..1.0],
        count in prop_oneof![1u32..20, any::<u32>().prop_map(|count| count.max(1))],
    ) {
        let [mut hi, mut lo] = pairs(&objects);
        normalize(&mut hi, &mut lo);
        let third: Vec<f64> = lo.iter().map(|lo| lo * f64::EPSILON * scale).collect();
        check_variants(|variant| {
            let mut means = vec![0.0; COLUMNS];
            let done = run_through(|at| {
                let sums = [&hi[at..], &lo[at..], &third[at..]];
                divide_with(variant, &mut means[at..], sums, count.into())
            });
            // What is not done holds nothing that counts.
            let means: Vec<f64> = done.iter().map(|column| means[*column]).collect();
            (done, bits(&means))
        });
    }

    #[test]
    fn every_variant_keeps_the_same_extremes(objects in objects()) {
        check_variants(|variant| {
            let (mut least, mut greatest) = (vec![i64::MAX; COLUMNS], vec![i64::MIN; COLUMNS]);
            for x in &objects {
                keep_least_with(variant, &mut least, x);
                keep_greatest_with(variant, &mut greatest, x);
            }
            (least, greatest)
        });
    }
}

/// Says which variants the tests above compare here. It is written past the test
/// runner, which shows what a test prints only if it fails.
#[test]
fn the_best_variant_is_the_last_that_this_processor_has() {
    let here = |set: &&InstructionSet| Variant::of(**set).is_some();
    let names = |sets: Vec<&InstructionSet>| {
        sets.iter().map(ToString::to_string).collect::<Vec<String>>().join(", ")
    };
    let (compared, lacking) = InstructionSet::ALL.iter().partition::<Vec<_>, _>(here);
    assert_eq!(Some(&&Variant::best().instruction_set()), compared.last());
    let mut told = format!("kernels compared: {}\n", names(compared));
    if !lacking.is_empty() {
        told += &format!("kernels NOT RUN, this processor lacks: {}\n", names(lacking));
    }
    stderr().write_all(told.as_bytes()).unwrap();
}

#[test]
fn a_group_that_needs_a_closer_look_is_left_untouched() {
    let mut hi = vec![1.0; 3 * GROUP];
    let mut lo = vec![0.0; 3 * GROUP];
    let mut x = vec![1.0; 3 * GROUP];
    x[GROUP + 3] = f64::INFINITY;
    assert_eq!(add(&mut hi, &mut lo, &x), GROUP);
    assert!(hi[..GROUP].iter().all(|&sum| sum == 2.0));
    assert!(hi[GROUP..].iter().all(|&sum| sum == 1.0));
}

#[test]
fn a_second_error_is_seen() {
    let mut hi = vec![1.0; GROUP];
    let mut lo = vec![1e-30; GROUP];
    assert_eq!(add(&mut hi, &mut lo, &[1e-60; GROUP]), 0);
}

#[test]
fn a_square_too_small_to_split_is_seen() {
    let mut sums = [[0.0; GROUP]; 3];
    let [a, b, c] = &mut sums;
    assert_eq!(add_squares([a, b, c], &[1e-150; GROUP]), 0);
    assert_eq!(add_squares([a, b, c], &[0.0; GROUP]), GROUP);
    assert_eq!(add_squares([a, b, c], &[1e-140; GROUP]), GROUP);
}

#[test]
fn a_product_that_cannot_be_split_is_seen() {
    let (mut hi, mut lo) = ([1.0; GROUP], [0.0; GROUP]);
    for (x, weight) in [(1e-150, 1e-150), (1e200, 1e200), (f64::INFINITY, 1.0), (f64::NAN, 1.0)] {
        assert_eq!(add_products(&mut hi, &mut lo, &[x; GROUP], weight), 0, "{x} * {weight}");
    }
    assert_eq!(add_products(&mut hi, &mut lo, &[0.0; GROUP], 5e-324), GROUP);
    assert_eq!(add_products(&mut hi, &mut lo, &[1e-100; GROUP], 1e-100), 0, "too far apart");
    assert_eq!((hi, lo), ([1.0; GROUP], [0.0; GROUP]));
    let (mut c, mut d) = ([0.0; GROUP], [0.0; GROUP]);
    let sums = [&mut hi[..], &mut lo, &mut c, &mut d];
    assert_eq!(add_products_to_four(sums, &[1e-20; GROUP], 1e-20), GROUP);
}

#[test]
fn a_quotient_that_is_not_certain_is_seen() {
    let mut means = [0.0; GROUP];
    let by = |means: &mut [f64], hi: f64, lo: f64, divisor| {
        divide_by_parts(means, [&[hi; GROUP], &[lo; GROUP], &[0.0; GROUP]], divisor)
    };
    let half = f64::EPSILON / 2.0;
    assert_eq!(by(&mut means, 3.0, 0.0, [2.0, 0.0, 0.0]), GROUP);
    assert_eq!(means, [1.5; GROUP]);
    assert_eq!(by(&mut means, 1.0, half, [1.0, 0.0, 0.0]), 0, "a tie");
    assert_eq!(by(&mut means, 1.0, half, [1.0, half / 8.0, 0.0]), GROUP);
    assert_eq!(means, [1.0; GROUP]);
    assert_eq!(by(&mut means, 1.0, half, [1.0, -half / 8.0, 0.0]), GROUP);
    assert_eq!(means, [1.0 + f64::EPSILON; GROUP]);
    assert_eq!(by(&mut means, 1.0, half, [1.0, half / 8.0, half]), 0, "too little is known");
}
