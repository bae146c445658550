//! The faults that can be injected: their probabilities and their counts.

/// Defines the structs of probabilities and counts from one list of faults.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The probability of each fault per opportunity, 0 to 1.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Faults {
            $($(#[$doc])* pub $name: f64,)*
        }

        /// How often each fault was injected.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Fired {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Fired {
            /// The name and count of every fault.
            #[must_use]
            pub fn each(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }

            /// Adds the counts of another run.
            pub fn add(&mut self, other: &Fired) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

faults! {
    /// A report is delivered twice.
    duplicate_report,
    /// A report is delayed, so that later ones overtake it.
    late_report,
    /// An attempt is delivered to two workers.
    duplicate_delivery,
    /// The command to stop an attempt is lost.
    control_lost,
    /// A worker crashes during an attempt, without a report.
    worker_crashes,
    /// The queue redelivers the attempt of a crashed worker.
    redelivery,
    /// A worker is evicted: it hands its attempt back and leaves.
    worker_evicted,
    /// A worker sends no reports for longer than its lease, then continues.
    worker_stalls,
    /// A crashed worker is restarted with the same name.
    worker_restarts,
    /// An attempt ends with a retryable error.
    attempt_fails,
    /// A worker fails every attempt.
    black_hole,
    /// An attempt ends with an error that cannot be retried.
    fatal_failure,
    /// An object has a different number of columns.
    lengths_differ,
    /// A job is cancelled.
    job_cancelled,
    /// The server crashes and restores its state from the store.
    server_restarts,
    /// The broker does not answer for a time.
    broker_away,
    /// The broker loses its messages meanwhile.
    broker_wiped,
    /// The store does not answer for a time.
    store_away,
    /// All workers of a node crash at once.
    node_lost,
    /// The number of workers is set by hand.
    manual_scaling,
    /// C differs from its estimate.
    columns_misestimated,
    /// An attempt comes behind another one in the same message: no fault, but it has to happen.
    carried,
}
