//! Which instruction sets the loops are compiled for, and which of them this
//! processor has.

use std::fmt;

/// An instruction set that this processor has.
///
/// [`Variant::of`] makes none for an instruction set that it lacks. So whoever
/// has a `Variant` may run code that is compiled for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant(InstructionSet);

/// What a loop is compiled for; a later one is preferred to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstructionSet {
    /// What every processor of the target has.
    Baseline,
    /// AVX2 and FMA: x86-64 processors from 2013 on.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F, DQ and VL: some x86-64 processors from 2017 on.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Variant {
    /// What every processor has.
    pub(crate) const BASELINE: Variant = Variant(InstructionSet::Baseline);

    /// The best that this processor has.
    #[inline]
    pub(crate) fn best() -> Variant {
        let sets = InstructionSet::ALL.iter().rev();
        sets.copied().find_map(Variant::of).unwrap_or(Variant::BASELINE)
    }

    /// The variant for an instruction set; `None` if this processor lacks it.
    #[inline]
    pub(crate) fn of(set: InstructionSet) -> Option<Variant> {
        set.is_here().then_some(Variant(set))
    }

    /// Its instruction set.
    #[inline]
    pub(crate) const fn instruction_set(self) -> InstructionSet {
        self.0
    }
}

impl InstructionSet {
    /// All that loops are compiled for.
    #[cfg(target_arch = "x86_64")]
    pub(crate) const ALL: &[InstructionSet] =
        &[InstructionSet::Baseline, InstructionSet::Avx2, InstructionSet::Avx512];
    /// All that loops are compiled for.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) const ALL: &[InstructionSet] = &[InstructionSet::Baseline];

    /// Whether this processor has it: each feature that [`for_each_variant`]
    /// enables. The standard library remembers the answer.
    #[inline]
    fn is_here(self) -> bool {
        match self {
            InstructionSet::Baseline => true,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
            }
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
            }
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InstructionSet::Baseline => "baseline",
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => "AVX-512",
        })
    }
}

/// Compiles a loop once for each instruction set. The first name runs the best
/// variant that this processor has, the second the one that it is given.
macro_rules! for_each_variant {
    (
        $(#[$doc:meta])*
        $best:ident, $with:ident = $body:ident ($($argument:ident: $kind:ty),*) -> $result:ty
    ) => {
        $(#[$doc])*
        pub(crate) fn $best($($argument: $kind),*) -> $result {
            $with(Variant::best(), $($argument),*)
        }

        #[doc = concat!("[`", stringify!($best), "`] by one variant.")]
        pub(crate) fn $with(variant: Variant, $($argument: $kind),*) -> $result {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $kind),*) -> $result {
                $body($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
            fn avx512($($argument: $kind),*) -> $result {
                $body($($argument),*)
            }
            match variant.instruction_set() {
                InstructionSet::Baseline => $body($($argument),*),
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx2 => {
                    #[expect(unsafe_code, reason = "only a detected instruction set is called")]
                    // SAFETY: a `Variant` of AVX2 exists only where `InstructionSet::is_here`
                    // has found all the features that the function is compiled with.
                    unsafe {
                        avx2($($argument),*)
                    }
                }
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx512 => {
                    #[expect(unsafe_code, reason = "only a detected instruction set is called")]
                    // SAFETY: a `Variant` of AVX-512 exists only where `InstructionSet::is_here`
                    // has found all the features that the function is compiled with.
                    unsafe {
                        avx512($($argument),*)
                    }
                }
            }
        }
    };
}

pub(crate) use for_each_variant;
