//! What has happened, as a table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::jobs::Jobs;
use crate::observer::Observed;
use crate::residue::Holding;
use crate::world::NotHappened;
use crate::writes::Writes;

/// What happened because of one kind of fault.
#[derive(Default)]
struct Row {
    times: u32,
    recoveries: Vec<Duration>,
    /// From when to when each happened, with its recovery.
    spans: Vec<(Instant, Instant)>,
    violations: u32,
}

/// How often each fault has happened, and how long recoveries took.
#[derive(Default)]
pub(crate) struct Tally {
    faults: BTreeMap<Fault, Row>,
    /// What was not as it must be.
    pub(crate) violations: Vec<String>,
}

impl Tally {
    /// Counts a fault that has happened, and the time until jobs moved again.
    pub(crate) fn note(
        &mut self,
        fault: Fault,
        began: Instant,
        happened: Result<(), NotHappened>,
        recovery: Result<Duration, String>,
    ) {
        let row = self.faults.entry(fault).or_default();
        if let Err(NotHappened(why)) = happened {
            println!("{fault:?} did not happen: {why}");
            return;
        }
        row.times += 1;
        row.spans.push((began, Instant::now()));
        match recovery {
            Ok(time) => {
                println!("{fault:?}: jobs moved again after {:.1} s", time.as_secs_f64());
                row.recoveries.push(time);
            }
            Err(why) => {
                row.violations += 1;
                self.violations.push(format!("after {fault:?}: {why}"));
            }
        }
    }

    /// Whether each of these faults has happened so many times.
    pub(crate) fn has_each(&self, faults: &[Fault], times: u32) -> bool {
        faults.iter().all(|fault| self.faults.get(fault).map_or(0, |row| row.times) >= times)
    }

    /// The table and all else, as Markdown.
    pub(crate) fn markdown(
        &self,
        (seed, time): (u64, Duration),
        jobs: &Jobs,
        writes: &Writes,
        observed: &Observed,
        holdings: &[Holding],
    ) -> String {
        let mut text = format!("## Seed {seed}, {} s\n\n", time.as_secs());
        text += "| fault | times | recovery p50 | recovery p99 | work done twice | violations |\n";
        text += "| --- | ---: | ---: | ---: | ---: | ---: |\n";
        let mut rows: Vec<String> = Vec::new();
        let mut twice_all = 0;
        for (fault, row) in &self.faults {
            let mut sorted = row.recoveries.clone();
            sorted.sort();
            let at = |percent: usize| {
                let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
                sorted
                    .get(index)
                    .map_or_else(String::new, |it| format!("{:.1} s", it.as_secs_f64()))
            };
            let twice: usize = row.spans.iter().map(|(from, to)| writes.twice(*from, *to)).sum();
            twice_all += twice;
            rows.push(format!(
                "| {fault:?} | {} | {} | {} | {twice} | {} |\n",
                row.times,
                at(50),
                at(99),
                row.violations
            ));
        }
        text += &rows.concat();
        let counts = &jobs.counts;
        // Writing into a string does not fail.
        let _ = write!(
            text,
            "\n{} jobs were submitted; {} cancels, {} resumes, {} deletes, {} results compared. \
             Of jobs that failed as they must, {} had a wrong input that was mended, {} one that \
             was overwritten, and {} a record that was harmed.\n{}.\n{} partial sums were \
             written, {twice_all} of them although they were there, by attempts beside each \
             other. {} input bytes were read, {} of them twice.\n",
            counts.submitted,
            counts.cancels,
            counts.resumes,
            counts.deletes,
            counts.compared,
            counts.mended,
            counts.changed,
            counts.unreadable,
            observed.summary(),
            writes.count(),
            counts.read_bytes,
            counts.read_twice_bytes
        );
        for Holding { name, resident_mib, peak_mib, descriptors } in holdings {
            let _ = writeln!(
                text,
                "At the end {name} held {resident_mib} MiB (at most {peak_mib}) and {descriptors} \
                 descriptors."
            );
        }
        let _ = writeln!(text, "\n{} violations.\n", self.violations.len());
        for violation in &self.violations {
            let _ = writeln!(text, "- {violation}");
        }
        text
    }
}
