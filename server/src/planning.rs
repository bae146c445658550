//! Finds a job's objects, looks into some of them, and lays out its sum tree.

mod key_column;
mod other_files;

use std::sync::Arc;

use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use platform::{InputStores, ObjectStore, Pin, StoreError};
use protocol::job::{Counted, InputSummary, SkippedFiles};
use protocol::problem::ProblemKind;
use protocol::request::{Generate, GeneratedFormat, OtherFiles, ReadOptions, paced_duration_ms};
use protocol::task::InputObject;
use protocol::{Inputs, JobId, JobRequest, Plan, Problem, Timestamp, ValidRequest};
use reading::DetectError;
use scheduler::plan::{Costs, PlanInputs, PlanLimits};
use summation::{Access, Format, InputError, PartialSum, output};
use tokio_util::sync::CancellationToken;

use crate::limits::JobLimits;
use crate::records::PlanRecord;
use crate::{generating, keys};

pub(crate) use self::other_files::is_data;

/// How many objects are looked into before a job starts, spread over the list,
/// so that the commonest mistakes are told within a moment.
const PROBED_OBJECTS: usize = 16;
/// How much of an object is looked into: enough to tell how long its numbers are.
const PROBED_BYTES: usize = 64 << 10;
/// How many objects' sizes and versions are asked for at the same time.
const HEADS_AT_ONCE: usize = 16;

/// Where a job's objects are found.
#[derive(Clone)]
pub struct Planner {
    /// The program's own store.
    pub store: Arc<dyn ObjectStore>,
    /// Where inputs may lie.
    pub inputs: InputStores,
    /// What bounds a plan.
    pub limits: PlanLimits,
    /// How large a job may be.
    pub job_limits: JobLimits,
    /// What reading and writing costs.
    pub costs: Costs,
}

impl Planner {
    /// Generates the job's test data. Told to stop, it ends soon and writes nothing more.
    pub async fn generate(
        &self,
        job: JobId,
        data: Generate,
        generated: impl Fn(Counted),
        stop: &CancellationToken,
    ) -> Result<(), Problem> {
        generating::generate(&self.store, &keys::inputs(job), data, generated, stop).await
    }

    /// The plan of a job that does not run, and what its inputs are.
    pub async fn preview(
        &self,
        request: &ValidRequest,
        workers: u32,
    ) -> Result<(Plan, InputSummary), Problem> {
        let Inputs::Generate(data) = &request.inputs else {
            // No job: nothing is looked for below its prefix.
            let nobody = JobId::from_parts(Timestamp::default(), 0);
            let record = self.plan(nobody, request, workers).await?;
            return Ok((record.plan, record.inputs));
        };
        let is_npy = data.format == GeneratedFormat::Npy;
        let bytes = data.files.saturating_mul(generating::object_bytes(*data));
        let inputs = PlanInputs {
            objects: data.files,
            bytes,
            columns: is_npy.then_some(data.count),
            columns_estimate: data.count,
            seekable: is_npy,
            compressed: false,
            partial_column_bytes: column_bytes(request),
        };
        let plan = self.tree(&inputs, request, workers);
        let summary = InputSummary {
            objects: Some(data.files),
            bytes: Some(bytes),
            columns: Some(data.count),
            format: Some(if is_npy { "npy f8" } else { "text" }.to_owned()),
            ..InputSummary::default()
        };
        self.job_limits.check_plan(&plan, &summary, &request.statistics)?;
        Ok((plan, summary))
    }

    /// Lays out the tree of these inputs.
    fn tree(&self, inputs: &PlanInputs, request: &JobRequest, workers: u32) -> Plan {
        let fan_in = request.fan_in;
        let mut plan = scheduler::plan::plan(inputs, fan_in, workers, &self.limits, &self.costs);
        if request.paced {
            let tasks = plan.levels.iter().map(protocol::plan::PlanLevel::tasks);
            plan.estimate.duration_ms = Some(paced_duration_ms(tasks, workers));
        }
        plan
    }

    /// Finds the job's objects, which include its generated ones, and lays out the tree.
    pub async fn plan(
        &self,
        job: JobId,
        request: &ValidRequest,
        workers: u32,
    ) -> Result<PlanRecord, Problem> {
        let found = match &request.inputs {
            Inputs::Generate(_) => self.below(&keys::inputs(job)).await?,
            Inputs::Prefix(prefix) => self.prefix(prefix).await?,
            Inputs::Objects(locations) => Found::all(self.named(locations).await?),
            // No valid request has such inputs.
            Inputs::Shortened(_) => Found::default(),
        };
        if request.other_files == OtherFiles::Refuse && !found.skipped.is_empty() {
            return Err(other_files::refused(&found.skipped).field("other_files"));
        }
        if found.objects.is_empty() {
            return Err(no_inputs(&request.inputs));
        }
        self.lay_out(found, request, workers).await
    }

    /// Looks into some of the objects and lays out the tree.
    async fn lay_out(
        &self,
        Found { objects, skipped }: Found,
        request: &JobRequest,
        workers: u32,
    ) -> Result<PlanRecord, Problem> {
        let probes = spread(objects.len(), PROBED_OBJECTS);
        let options = request.read_options();
        let mut probed =
            try_join_all(probes.iter().map(|&index| self.probe(&objects[index], &options))).await?;
        align(&objects, &probes, &mut probed)?;
        for (&index, probe) in probes.iter().zip(&probed) {
            let (first, other) = (probed[0].columns, probe.columns);
            if let (Some(first), Some(other)) = (first, other)
                && first != other
            {
                return Err(Problem::lengths_differ(
                    (&objects[0].location, first),
                    (&objects[index].location, other),
                ));
            }
        }
        let bytes = objects.iter().map(|object| object.bytes).sum();
        let first = &probed[0];
        let is_seekable = probed.iter().all(|probe| probe.access() == Access::Column);
        let inputs = PlanInputs {
            objects: objects.len() as u64,
            bytes,
            columns: first.columns.filter(|_| is_seekable),
            columns_estimate: first.columns_estimate,
            seekable: is_seekable,
            compressed: probed.iter().any(|probe| probe.access() == Access::Beginning),
            partial_column_bytes: column_bytes(request),
        };
        let plan = self.tree(&inputs, request, workers);
        let inputs = InputSummary {
            objects: Some(objects.len() as u64),
            bytes: Some(bytes),
            columns: first.columns,
            shape: first.format.shape().map(<[u64]>::to_vec),
            // Where orders are mixed, columns are counted in C order.
            fortran_order: probed.iter().all(|probe| probe.format.order().is_fortran()),
            format: Some(first.format.describe()),
            skipped,
            named: first.format.names().is_some(),
            keyed: first.format.key_name().is_some(),
        };
        self.job_limits.check_plan(&plan, &inputs, &request.statistics)?;
        let header = header_line(&first.format);
        Ok(PlanRecord { header, ..PlanRecord::new(plan, inputs, objects) })
    }

    /// The objects of a folder, or the one object of that name.
    async fn prefix(&self, prefix: &str) -> Result<Found, Problem> {
        keys::check_prefix(prefix).map_err(|problem| problem.field("inputs.prefix"))?;
        let folder = match prefix.trim_end_matches('/') {
            "" => String::new(),
            name if name.ends_with(':') => prefix.to_owned(),
            name => format!("{name}/"),
        };
        let found = self.below(&folder).await?;
        if !found.objects.is_empty() || folder.is_empty() {
            return Ok(found);
        }
        if self.is_private(prefix) {
            return Ok(found);
        }
        match self.one(prefix).await {
            Ok(object) => Ok(Found::all(vec![object])),
            Err(StoreError::NotFound { .. } | StoreError::InvalidKey { .. }) => Ok(found),
            Err(error) => Err(error.problem("looking for the inputs")),
        }
    }

    /// The objects whose locations begin with `prefix`, but for the program's own and those
    /// that are not data. Each is pinned to the version that the listing tells.
    async fn below(&self, prefix: &str) -> Result<Found, Problem> {
        let (store, name, key) =
            self.inputs.resolve(prefix).map_err(|error| error.problem("looking for the inputs"))?;
        let own =
            |location: &str, is: fn(&str) -> bool| self.inputs.own_key(location).is_some_and(is);
        let skips_own = !own(prefix, keys::is_data);
        let mut found = Found::default();
        let mut listing = store.list(key);
        while let Some(object) = listing.next().await {
            let object = object.map_err(|error| error.problem("listing the inputs"))?;
            let location = format!("{name}{}", object.key);
            if skips_own && own(&location, keys::is_own) {
                continue;
            }
            if !is_data(&object.key[key.len()..]) {
                found.skipped.add(&location);
                continue;
            }
            let (bytes, version) = (object.bytes, object.version);
            found.objects.push(InputObject { location, bytes, version });
            self.job_limits.check_objects(found.objects.len() as u64)?;
        }
        Ok(found)
    }

    /// The objects that somebody has named one by one.
    async fn named(&self, locations: &[String]) -> Result<Vec<InputObject>, Problem> {
        self.job_limits.check_objects(locations.len() as u64)?;
        // One by one: all these futures at once would take a multiple of the list.
        let sized = stream::iter(0..locations.len())
            .map(|index| async move { self.named_one(&locations[index]).await });
        sized.buffered(HEADS_AT_ONCE).try_collect().await
    }

    async fn named_one(&self, location: &str) -> Result<InputObject, Problem> {
        let doing = "looking for the inputs";
        if self.is_private(location) {
            let detail = format!("{location:?} is one of the program's own objects");
            return Err(Problem::new(ProblemKind::Forbidden, detail)
                .object(location)
                .remedy("name objects that were uploaded, or test data and results of jobs"));
        }
        self.one(location).await.map_err(|error| error.problem(doing).object(location))
    }

    async fn one(&self, location: &str) -> Result<InputObject, StoreError> {
        let (store, _, key) = self.inputs.resolve(location)?;
        let object = store.head(key).await?;
        let (bytes, version) = (object.bytes, object.version);
        Ok(InputObject { location: location.to_owned(), bytes, version })
    }

    /// Whether a location names a record or a secret of the program.
    fn is_private(&self, location: &str) -> bool {
        self.inputs.own_key(location).is_some_and(keys::is_private)
    }

    /// Looks into one object.
    async fn probe(&self, object: &InputObject, options: &ReadOptions) -> Result<Probe, Problem> {
        let reading = |error: StoreError| error.input_problem(&object.location);
        let (store, _, key) = self.inputs.resolve(&object.location).map_err(reading)?;
        let invalid = |error: InputError| error.problem(&object.location);
        let pin = Pin::of(object);
        let (format, head) =
            reading::detect(&**store, key, pin.as_ref(), object.bytes, options, PROBED_BYTES)
                .await
                .map_err(|error| match error {
                    DetectError::Store(error) => reading(error),
                    DetectError::Input(error) => invalid(error),
                })?;
        let columns = format.columns(object.bytes);
        let columns_estimate = format.estimate_columns(&head, object.bytes).map_err(invalid)?;
        if columns_estimate == 0 {
            return Err(Problem::no_numbers(&object.location));
        }
        Ok(Probe { columns, columns_estimate, format })
    }
}

/// The objects of a job, and the files beside them that are not data.
#[derive(Default)]
struct Found {
    objects: Vec<InputObject>,
    skipped: SkippedFiles,
}

impl Found {
    /// Objects that somebody has named: all of them count.
    fn all(objects: Vec<InputObject>) -> Found {
        Found { objects, skipped: SkippedFiles::default() }
    }
}

/// What looking into an object has found out.
struct Probe {
    format: Format,
    columns: Option<u64>,
    columns_estimate: u64,
}

impl Probe {
    fn access(&self) -> Access {
        self.format.access()
    }
}

/// The size of one column of a partial sum, in bytes.
fn column_bytes(request: &JobRequest) -> u64 {
    let missing = request.missing.unwrap_or_default();
    PartialSum::column_bytes(&request.statistics, missing).0 as u64
}

/// Has the probed objects read in the order of the parts of the first one, if parts have
/// names.
fn align(objects: &[InputObject], probes: &[usize], probed: &mut [Probe]) -> Result<(), Problem> {
    let names = probed[0].format.names();
    let first = &objects[0].location;
    for (&index, probe) in probes.iter().zip(probed).skip(1) {
        let aligned = probe.format.aligned(names.as_deref(), first);
        probe.format = aligned.map_err(|error| error.problem(&objects[index].location))?;
    }
    Ok(())
}

/// The line that names the columns of a table, if it has one.
fn header_line(format: &Format) -> Option<String> {
    let names = format.names().filter(|_| format.has_header())?;
    let mut line = Vec::new();
    let fields = format.key_name().into_iter().chain(names.iter().map(String::as_str));
    output::put_fields(fields.map(str::as_bytes), &mut line);
    String::from_utf8(line).ok()
}

/// At most `most` of `count` indices, the first among them, evenly spread.
fn spread(count: usize, most: usize) -> Vec<usize> {
    let taken = count.min(most);
    (0..taken).map(|turn| turn * count / taken).collect()
}

fn no_inputs(inputs: &Inputs) -> Problem {
    let (detail, field) = match inputs {
        Inputs::Prefix(prefix) => {
            (format!("there are no objects below {prefix:?}"), "inputs.prefix")
        }
        Inputs::Objects(_) => ("the list of objects is empty".to_owned(), "inputs.objects"),
        Inputs::Generate(_) => ("no files were to be generated".to_owned(), "inputs.generate"),
        Inputs::Shortened(_) => ("the list of objects is shortened".to_owned(), "inputs.shortened"),
    };
    Problem::new(ProblemKind::NoInputs, detail).field(field).remedy(
        "GET /api/files lists what is there; files that are not data, such as README and names \
         that begin with . or _, and the program's own objects, do not count",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_spread_evenly_from_the_first() {
        assert_eq!(spread(3, 16), [0, 1, 2]);
        assert_eq!(spread(100, 4), [0, 25, 50, 75]);
    }
}
