//! Numbers to try: of all kinds, and of the kinds that are difficult.

use proptest::prelude::*;

/// So many cases, or as many as the environment's `PROPTEST_CASES` says.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = usual;
    }
    // A failure is kept as a test with a name.
    config.failure_persistence = None;
    config
}

/// What stands at the edges.
pub(crate) const EDGES: [f64; 24] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    f64::MAX,
    -f64::MAX,
    1e308,
    -1e308,
    f64::MIN_POSITIVE,
    -f64::MIN_POSITIVE,
    5e-324,
    -5e-324,
    2.225073858507201e-308,
    9007199254740992.0,
    9007199254740993.0,
    1.0000000000000002,
    0.9999999999999999,
    8.98846567431158e307,
    -8.98846567431158e307,
    1.1102230246251565e-16,
    5.551115123125783e-17,
    1e-160,
    1.3407807929942597e154,
    0.1,
];

/// Any finite number, of the kinds that are difficult more often than chance has it.
pub(crate) fn finite() -> BoxedStrategy<f64> {
    prop_oneof![
        3 => any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |x| x.is_finite()),
        2 => proptest::sample::select(&EDGES[..]),
        2 => -1.0f64..1.0,
        1 => (0u64..1 << 53, 0usize..2).prop_map(|(bits, sign)| {
            // Subnormal, or just above.
            f64::from_bits(bits | (sign as u64) << 63)
        }),
        1 => (-1000i32..1000).prop_map(f64::from),
        2 => (-1.0f64..1.0, -65i32..65).prop_map(|(x, exponent)| x * 2f64.powi(exponent)),
        1 => (-1060i32..1023).prop_map(|exponent| 2f64.powi(exponent)),
    ]
    .boxed()
}

/// Finite numbers, and now and then one that is not.
pub(crate) fn any_number() -> BoxedStrategy<f64> {
    prop_oneof![
        8 => finite(),
        1 => proptest::sample::select(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -f64::NAN][..]),
    ]
    .boxed()
}

/// The numbers of one column, some of which cancel each other.
pub(crate) fn column(number: BoxedStrategy<f64>, most: usize) -> BoxedStrategy<Vec<f64>> {
    (proptest::collection::vec(number, 1..most), any::<u64>())
        .prop_map(|(mut numbers, seed)| {
            let mut random = Random(seed);
            if random.below(2) == 0 {
                let length = numbers.len();
                for index in 0..length / 2 {
                    let other = random.below(length);
                    numbers[index] = -numbers[other];
                }
            }
            numbers
        })
        .boxed()
}

/// How many kinds of numbers [`Random::number`] knows.
pub(crate) const KINDS: usize = 8;

/// A generator of random numbers, enough for tests (`SplitMix64`).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.bits() % end as u64).unwrap_or(0)
    }

    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (f64::EPSILON / 2.0)
    }

    /// A number of one of [`KINDS`] kinds.
    pub(crate) fn number(&mut self, kind: usize) -> f64 {
        match kind {
            // Measurements.
            0 => self.unit(),
            1 => (self.unit() - 0.5) * 200.0,
            2 => (self.bits() % 1000) as f64,
            // Over the whole range.
            3 => loop {
                let x = f64::from_bits(self.bits());
                if x.is_finite() {
                    break x;
                }
            },
            4 => f64::from_bits(self.bits() & (1 << 63 | ((1 << 53) - 1))),
            // Over 40 decades.
            5 => {
                let exponent = i32::try_from(self.below(130)).unwrap_or(0) - 65;
                (self.unit() - 0.5) * 2f64.powi(exponent)
            }
            6 => EDGES[self.below(EDGES.len())],
            // Now and then not finite.
            _ => match self.below(20) {
                0 => f64::NAN,
                1 => f64::INFINITY,
                2 => f64::NEG_INFINITY,
                _ => self.unit(),
            },
        }
    }
}
