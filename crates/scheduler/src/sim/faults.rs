//! What goes wrong, how often it should, and how often it did.

/// Names the faults once, for the probabilities and for the counts.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How probable each fault is, whenever there is an occasion for it.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Faults {
            $($(#[$doc])* pub $name: f64,)*
        }

        /// How often each fault has happened.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Fired {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Fired {
            /// Every fault by its name, and how often it has happened.
            #[must_use]
            pub fn each(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }

            /// Adds what has happened elsewhere.
            pub fn add(&mut self, other: &Fired) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

faults! {
    /// A report reaches the scheduler twice.
    duplicate_report,
    /// A report takes so long that others overtake it.
    late_report,
    /// An attempt is delivered to two workers.
    duplicate_delivery,
    /// A worker does not hear what it is told.
    deaf_worker,
    /// A worker dies in the middle of an attempt, without a word.
    worker_dies,
    /// The queue delivers again what a dead worker had.
    redelivery,
    /// A worker hands its attempt back and goes.
    worker_leaves,
    /// A worker says nothing for longer than its lease, and goes on.
    worker_stalls,
    /// A worker that dies is started again under its old name.
    worker_reborn,
    /// An attempt ends with an error that another may not meet.
    attempt_fails,
    /// A worker fails every attempt.
    black_hole,
    /// An attempt ends with an error that every other would meet.
    fatal_failure,
    /// An object has another length.
    lengths_differ,
    /// A job is cancelled.
    cancelled,
    /// The server starts anew from what the store holds.
    restart,
    /// The number of workers is set by hand.
    by_hand,
    /// C is not what was estimated.
    wrong_estimate,
}
