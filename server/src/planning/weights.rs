//! Gives each object its weight.

use std::collections::HashMap;

use platform::StoreError;
use protocol::job::WeightSummary;
use protocol::problem::ProblemKind;
use protocol::request::{WEIGHTS, Weights};
use protocol::task::InputObject;
use protocol::{JobId, Problem, Weight};
use summation::{WeightLine, read_weights, weights_table};

use super::Planner;
use super::shards::folder;
use crate::keys;

/// The largest table of weights that is read: a million lines of some 100 bytes.
const TABLE_BYTES_MAX: usize = 128 << 20;

/// Objects with their weights.
pub(super) struct Weighed {
    /// The objects whose weight is not 0.
    pub(super) objects: Vec<InputObject>,
    pub(super) summary: WeightSummary,
    /// The weights of all objects as a table, to be stored.
    pub(super) table: String,
}

/// Where weights come from.
struct Source<'a> {
    /// The location of the table, if they come from one.
    table: Option<&'a str>,
    lines: Vec<WeightLine>,
}

impl Planner {
    /// Gives objects their weights, and leaves out those with weight 0. A job that is resumed
    /// keeps the weights that it was planned with.
    pub(super) async fn weigh(
        &self,
        job: JobId,
        weights: &Weights,
        objects: Vec<InputObject>,
    ) -> Result<Weighed, Problem> {
        let stored = match self.store.head(&keys::weights(job)).await {
            Ok(_) => Some(self.read_table(&*self.store, &keys::weights(job)).await?),
            Err(StoreError::NotFound { .. }) => None,
            Err(error) => return Err(error.problem("looking for the weights of the job")),
        };
        let source = match (stored, weights) {
            (Some(lines), _) => Source { table: None, lines },
            (None, Weights::Table(location)) => self.table(location).await?,
            (None, Weights::Each(weights)) => {
                let line = |(file, &weight): (&String, &f64)| WeightLine {
                    file: file.clone(),
                    weight,
                    line: 0,
                };
                Source { table: None, lines: weights.iter().map(line).collect() }
            }
            // No valid request has such weights.
            (None, Weights::Shortened(_)) => Source { table: None, lines: Vec::new() },
        };
        self.job_limits.check_objects(source.lines.len() as u64)?;
        source.give(objects)
    }

    /// The table at a location that the user has named.
    async fn table<'a>(&self, location: &'a str) -> Result<Source<'a>, Problem> {
        if self.is_private(location) {
            let detail = format!("{location:?} is one of the program's own objects");
            return Err(Problem::new(ProblemKind::Forbidden, detail)
                .object(location)
                .field(WEIGHTS.name)
                .remedy("name a table that was uploaded"));
        }
        let doing = "reading the weights";
        let resolved = self.inputs.resolve(location).map_err(|error| error.problem(doing));
        let (store, _, key) = resolved.map_err(|problem| problem.field(WEIGHTS.name))?;
        let lines = self.read_table(&**store, key).await;
        let lines = lines.map_err(|problem| {
            let detail = match &problem.object {
                Some(_) => problem.detail.clone(),
                None => format!("{location}: {}", problem.detail),
            };
            Problem { detail, ..problem }.object(location).field(WEIGHTS.name)
        })?;
        Ok(Source { table: Some(location), lines })
    }

    async fn read_table(
        &self,
        store: &dyn platform::ObjectStore,
        key: &str,
    ) -> Result<Vec<WeightLine>, Problem> {
        let read = store.read(key, 0, TABLE_BYTES_MAX + 1, Vec::new()).await;
        let text = read.map_err(|error| error.problem("reading the weights").object(key))?;
        if text.len() > TABLE_BYTES_MAX {
            let detail = format!("it has more than {TABLE_BYTES_MAX} bytes");
            return Err(Problem::new(ProblemKind::LimitExceeded, detail));
        }
        read_weights(&text).map_err(|error| {
            Problem::new(ProblemKind::InvalidInput, error.detail()).remedy(error.remedy)
        })
    }
}

impl Source<'_> {
    /// Gives each object the weight of the line that names it.
    fn give(self, objects: Vec<InputObject>) -> Result<Weighed, Problem> {
        let given = self.weights_of(&objects)?;
        let table =
            weights_table(objects.iter().map(|it| it.location.as_str()).zip(given.iter().copied()));
        let mut summary =
            WeightSummary { min: f64::INFINITY, max: 0.0, ..WeightSummary::default() };
        let count = objects.len();
        let weighed = objects.into_iter().zip(given).filter_map(|(object, weight)| {
            // That of an object that counts is above 0.
            let weight = Weight::new(weight)?;
            summary.min = summary.min.min(weight.get());
            summary.max = summary.max.max(weight.get());
            Some(InputObject { weight: Some(weight), ..object })
        });
        let weighed: Vec<InputObject> = weighed.collect();
        if weighed.is_empty() {
            return Err(self.problem("all files have the weight 0", "give one of them another"));
        }
        summary.left_out = (count - weighed.len()) as u64;
        Ok(Weighed { objects: weighed, summary, table })
    }

    /// The weight of each object. A line names an object by its location or by the end of it
    /// from a slash on; of two such lines, the longer name counts.
    fn weights_of(&self, objects: &[InputObject]) -> Result<Vec<f64>, Problem> {
        let mut by_name = HashMap::with_capacity(self.lines.len());
        for (index, line) in self.lines.iter().enumerate() {
            if let Some(earlier) = by_name.insert(written(&line.file), index) {
                let name = &line.file;
                let places = match line.line {
                    0 => String::new(),
                    line => format!(" (lines {} and {line})", self.lines[earlier].line),
                };
                let what = format!("the file {name:?} has two weights{places}");
                return Err(self.problem(what, "write one of them"));
            }
        }
        // The object that each line has named first, and one that it names in vain.
        let mut named: Vec<Option<usize>> = vec![None; self.lines.len()];
        let mut in_vain: Vec<Option<usize>> = vec![None; self.lines.len()];
        let mut weights = Vec::with_capacity(objects.len());
        for (index, object) in objects.iter().enumerate() {
            // A model in several files may be named by its folder too.
            let folder = folder(&object.location).trim_end_matches('/');
            let folder = ends(folder).filter(|_| !object.parts.is_empty());
            let names = ends(&object.location).chain(folder);
            let mut lines = names.filter_map(|end| by_name.get(end).copied());
            let Some(line) = lines.next() else {
                let location = &object.location;
                let remedy = "add a weight for it; 0 leaves it out";
                let what = format!("the file {location} has no weight");
                return Err(self.problem(what, remedy));
            };
            if let Some(first) = named[line] {
                let (name, place) = (&self.lines[line].file, self.place(line));
                let (first, second) = (&objects[first].location, &object.location);
                let what = format!("the name {name:?}{place} fits {first} and {second}");
                return Err(self.problem(what, "write more of the paths of both"));
            }
            named[line] = Some(index);
            weights.push(self.lines[line].weight);
            lines.for_each(|other| in_vain[other] = Some(index));
        }
        match named.iter().position(Option::is_none) {
            None => Ok(weights),
            Some(line) => {
                let (name, place) = (&self.lines[line].file, self.place(line));
                Err(match in_vain[line] {
                    Some(object) => {
                        let location = &objects[object].location;
                        let what =
                            format!("the file {location} has two weights, one{place} as {name:?}");
                        self.problem(what, "write one of them")
                    }
                    None => {
                        let what = format!(
                            "there is a weight{place} for {name:?}, which is none of the inputs"
                        );
                        self.problem(what, "leave it out, or add the file to the inputs")
                    }
                })
            }
        }
    }

    /// Where a weight is, as ` (line 3)`; empty if it is in no table.
    fn place(&self, index: usize) -> String {
        match self.lines[index].line {
            0 => String::new(),
            line => format!(" (line {line})"),
        }
    }

    fn problem(&self, what: impl Into<String>, remedy: &str) -> Problem {
        let what = what.into();
        let problem = match self.table {
            None => Problem::new(ProblemKind::InvalidInput, what),
            Some(table) => {
                let detail = format!("{table}: {what}");
                Problem::new(ProblemKind::InvalidInput, detail).object(table)
            }
        };
        problem.field(WEIGHTS.name).remedy(remedy)
    }
}

/// A name without `./` before it.
fn written(name: &str) -> &str {
    name.strip_prefix("./").unwrap_or(name)
}

/// A location, and its ends from each slash on, without and with that slash, from the longest
/// to the shortest.
fn ends(location: &str) -> impl Iterator<Item = &str> {
    let slashes = location.match_indices('/').flat_map(|(at, _)| [at, at + 1]);
    std::iter::once(location).chain(slashes.map(|at| &location[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn give(lines: &[(&str, f64)], objects: &[&str]) -> Result<Vec<(String, f64)>, String> {
        let lines = (1..).zip(lines).map(|(line, &(file, weight))| WeightLine {
            file: file.to_owned(),
            weight,
            line,
        });
        let object = |location: &&str| InputObject {
            location: (*location).to_owned(),
            bytes: 1,
            version: None,
            weight: None,
            parts: Box::default(),
        };
        let source = Source { table: Some("w.csv"), lines: lines.collect() };
        match source.give(objects.iter().map(object).collect()) {
            Ok(weighed) => Ok(weighed
                .objects
                .into_iter()
                .map(|it| (it.location, it.weight.map_or(f64::NAN, Weight::get)))
                .collect()),
            Err(problem) => {
                assert_eq!(problem.field.as_deref(), Some("weights"));
                assert_eq!(problem.object.as_deref(), Some("w.csv"));
                Err(problem.detail)
            }
        }
    }

    fn weighed(expected: &[(&str, f64)]) -> Result<Vec<(String, f64)>, String> {
        Ok(expected.iter().map(|&(location, weight)| (location.to_owned(), weight)).collect())
    }

    #[test]
    fn files_are_named_by_the_ends_of_their_locations() {
        let objects = ["a/x.npy", "a/b/x.npy", "s3://c/y.npy", "file:///d/z.npy"];
        let expected = weighed(&[
            ("a/x.npy", 1.0),
            ("a/b/x.npy", 2.0),
            ("s3://c/y.npy", 3.0),
            ("file:///d/z.npy", 4.0),
        ]);
        for names in [
            ["a/x.npy", "a/b/x.npy", "s3://c/y.npy", "file:///d/z.npy"],
            ["x.npy", "b/x.npy", "y.npy", "/d/z.npy"],
            ["./a/x.npy", "/b/x.npy", "c/y.npy", "z.npy"],
        ] {
            let lines: Vec<(&str, f64)> = names.into_iter().zip([1.0, 2.0, 3.0, 4.0]).collect();
            assert_eq!(give(&lines, &objects), expected, "{names:?}");
        }
    }

    #[test]
    fn a_weight_of_0_leaves_its_file_out() {
        let found = give(&[("b", 0.0), ("a", 2.0), ("c", -0.0)], &["a", "b", "c"]);
        assert_eq!(found, weighed(&[("a", 2.0)]));
    }

    #[test]
    fn mistakes_name_the_file_and_the_line() {
        for (lines, objects, words) in [
            (&[("a", 1.0)][..], &["a", "b/c"][..], "w.csv: the file b/c has no weight"),
            (&[("a", 1.0), ("c", 1.0)], &["a"], "(line 2) for \"c\", which is none of the inputs"),
            (&[("a", 1.0), ("./a", 2.0)], &["a"], "\"./a\" has two weights (lines 1 and 2)"),
            (&[("a", 1.0), ("b/a", 2.0)], &["b/a"], "b/a has two weights, one (line 1) as \"a\""),
            (&[("a", 1.0)], &["b/a", "c/a"], "\"a\" (line 1) fits b/a and c/a"),
            (&[("a", 0.0), ("b", 0.0)], &["a", "b"], "all files have the weight 0"),
            (&[("-a", 1.0)], &["b-a"], "the file b-a has no weight"),
        ] {
            let detail = give(lines, objects).unwrap_err();
            assert!(detail.contains(words), "{detail}, where {words} was expected");
        }
    }
}
