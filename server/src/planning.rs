//! Finds a job's objects, looks into some of them, and lays out its sum tree.

mod bad_files;
mod key_column;
mod manifest;
mod other_files;
pub mod pace;
mod shards;
mod weights;

use std::sync::Arc;

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt, stream};
use platform::problems::outage;
use platform::{InputStores, ObjectStore, StoreError};
use protocol::files::ObjectContent;
use protocol::job::{Counted, HeaderSummary, InputSummary, SkippedFiles, TensorsSummary};
use protocol::problem::ProblemKind;
use protocol::request::{
    DTYPE, Dtype, Generate, GeneratedFormat, OtherFiles, ReadOptions, Weights, paced_duration_ms,
};
use protocol::task::InputObject;
use protocol::{Inputs, JobId, JobRequest, Plan, Problem, Timestamp, ValidRequest};
use reading::DetectError;
use scheduler::plan::{Costs, PlanInputs, PlanLimits};
use summation::output::TypedKind;
use summation::{Access, Format, InputError, PartialSum, Tensor, Variable, output};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use self::pace::Pace;
use crate::limits::JobLimits;
use crate::records::PlanRecord;
use crate::results::typed_kind;
use crate::{generating, keys};

pub(crate) use self::other_files::is_data;
pub(crate) use self::shards::{ModelFolders, is_index};

/// How many objects are looked into before a job starts, spread over the list,
/// so that the commonest mistakes are told within a moment.
const PROBED_OBJECTS: usize = 16;
/// How much of an object is looked into: enough to tell how long its numbers are.
const PROBED_BYTES: usize = 64 << 10;
/// How many objects' sizes and versions are asked for at the same time.
const HEADS_AT_ONCE: usize = 16;
/// How many objects are looked into at the same time for a page of them.
const CONTENTS_AT_ONCE: usize = 4;

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
    /// How long jobs have taken, compared with what was calculated.
    pub pace: Pace,
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
            reading_bytes: 0,
        };
        let plan = self.tree(&inputs, request, workers);
        let summary = InputSummary {
            objects: Some(data.files),
            bytes: Some(bytes),
            columns: Some(data.count),
            format: Some(if is_npy { "npy f8" } else { "text" }.to_owned()),
            dtype: is_npy.then(|| "f8".to_owned()),
            ..InputSummary::default()
        };
        let result_dtype = result_dtype(request.output.dtype, &summary)?;
        let summary = InputSummary { result_dtype, ..summary };
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
        } else {
            self.pace.correct(&mut plan.estimate);
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
        let mut found = match &request.inputs {
            Inputs::Generate(_) => self.below(&keys::inputs(job)).await?,
            Inputs::Prefix(prefix) => self.prefix(prefix).await?,
            Inputs::Objects(locations) => Found::all(self.named(locations).await?),
            Inputs::Manifest(manifest) => Found::all(self.manifest(manifest).await?),
            // No valid request has such inputs.
            Inputs::Shortened(_) => Found::default(),
        };
        if matches!(request.inputs, Inputs::Prefix(_)) {
            found.leave_out_beside_models();
        }
        if request.other_files == OtherFiles::Refuse && !found.skipped.is_empty() {
            return Err(other_files::refused(&found.skipped).field("other_files"));
        }
        found.objects = self.joined(found.objects).await?;
        if let Some(Weights::Table(table)) = &request.weights
            && !matches!(request.inputs, Inputs::Objects(_) | Inputs::Manifest(_))
        {
            // It may lie among the objects.
            found.objects.retain(|object| object.location != *table);
        }
        if found.objects.is_empty() {
            return Err(no_inputs(&request.inputs));
        }
        let Some(weights) = &request.weights else {
            return self.lay_out(found, request, workers).await;
        };
        let weighed = self.weigh(job, weights, found.objects).await?;
        let found = Found { objects: weighed.objects, ..found };
        let mut record = self.lay_out(found, request, workers).await?;
        record.inputs.weights = Some(weighed.summary);
        record.weights = Some(weighed.table);
        Ok(record)
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
        let looked_into = probes.iter().map(|&index| self.probe(&objects[index], &options));
        let mut probed = bad_files::all(join_all(looked_into).await)?;
        align(&objects, &probes, &mut probed)?;
        let compared = probes.iter().zip(&probed).map(|(&index, probe)| {
            match probed[0].columns.zip(probe.columns) {
                Some((first, other)) if first != other => Err(Problem::lengths_differ(
                    (&objects[0].location, first),
                    (&objects[index].location, other),
                )),
                _ => Ok(()),
            }
        });
        bad_files::all(compared.collect())?;
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
            reading_bytes: probed.iter().map(|it| it.format.reading_bytes()).max().unwrap_or(0),
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
            dtype: first.format.dtype().map(str::to_owned),
            result_dtype: None,
            skipped,
            named: first.format.names().is_some(),
            keyed: first.format.key_name().is_some(),
            tensors: first.format.tensors().map(tensors_of),
            variables: first.format.variables().map(variables_of),
            header: header_of(&first.format),
            weights: None,
        };
        let result_dtype = result_dtype(request.output.dtype, &inputs)
            .map_err(|problem| problem.object(&objects[0].location))?;
        let inputs = InputSummary { result_dtype, ..inputs };
        self.job_limits.check_plan(&plan, &inputs, &request.statistics)?;
        let (header, tensors) = (header_line(&first.format), first.format.tensors_header());
        let parts = first.format.parts_hash();
        let netcdf = first.format.netcdf_template();
        let record = PlanRecord::new(plan, inputs, objects);
        Ok(PlanRecord { header, tensors, netcdf, parts, ..record })
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
            Err(error) => Err(self.problem(&error, prefix, "looking for the inputs")),
        }
    }

    fn problem(&self, error: &StoreError, location: &str, doing: &str) -> Problem {
        judged(error, error.problem(doing), &self.inputs, location)
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
            let object =
                object.map_err(|error| self.problem(&error, prefix, "listing the inputs"))?;
            let location = format!("{name}{}", object.key);
            if skips_own && own(&location, keys::is_own) {
                continue;
            }
            if !is_data(&object.key[key.len()..]) {
                found.skipped.add(&location);
                continue;
            }
            let (bytes, version) = (object.bytes, object.version);
            found.objects.push(InputObject {
                location,
                bytes,
                version,
                weight: None,
                parts: Box::default(),
            });
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
        self.one(location)
            .await
            .map_err(|error| self.problem(&error, location, doing).object(location))
    }

    async fn one(&self, location: &str) -> Result<InputObject, StoreError> {
        let (store, _, key) = self.inputs.resolve(location)?;
        let object = store.head(key).await?;
        let (bytes, version) = (object.bytes, object.version);
        Ok(InputObject {
            location: location.to_owned(),
            bytes,
            version,
            weight: None,
            parts: Box::default(),
        })
    }

    /// Whether a location names a record or a secret of the program.
    fn is_private(&self, location: &str) -> bool {
        self.inputs.own_key(location).is_some_and(keys::is_private)
    }

    /// What is in each of some objects, in the same order; `None` where it cannot be told
    /// now, or not before the deadline.
    pub async fn contents(
        &self,
        objects: &[InputObject],
        options: &ReadOptions,
        deadline: Instant,
    ) -> Vec<Option<ObjectContent>> {
        let content = async |object| {
            if Instant::now() >= deadline {
                return None;
            }
            let probe = timeout_at(deadline, self.probe(object, options)).await.ok()?.ok()?;
            Some(content_of(&probe.format, object.bytes))
        };
        let looking: Vec<_> = objects.iter().map(content).collect();
        stream::iter(looking).buffered(CONTENTS_AT_ONCE).collect().await
    }

    /// Looks into one object.
    async fn probe(&self, object: &InputObject, options: &ReadOptions) -> Result<Probe, Problem> {
        let reading = |error: StoreError| {
            let problem = error.input_problem(&object.location);
            judged(&error, problem, &self.inputs, &object.location)
        };
        let invalid = |error: InputError| error.problem(&object.location);
        let detected = reading::detect(&self.inputs, object, options, PROBED_BYTES).await;
        let (format, head) = detected.map_err(|error| match error {
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

/// The type and the shape of an object of this format and size, as far as they are known
/// before it is read.
pub fn content_of(format: &Format, bytes: u64) -> ObjectContent {
    let columns = || format.columns(bytes).into_iter().collect();
    let shape = format.shape().map_or_else(columns, <[u64]>::to_vec);
    ObjectContent { format: format.describe(), shape }
}

/// The problem of an error at an input. If the program's own store refuses the server, that
/// is an outage of the store, and not the fault of the input.
fn judged(error: &StoreError, problem: Problem, inputs: &InputStores, location: &str) -> Problem {
    let is_outage = error.is_refusal() && inputs.own_key(location).is_some();
    if is_outage { outage(problem) } else { problem }
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
    let bytes = match request.weights {
        None => PartialSum::column_bytes(&request.statistics, missing),
        Some(_) => PartialSum::weighted_column_bytes(&request.statistics, missing),
    };
    bytes.0 as u64
}

/// Has the probed objects read in the order of the parts of the first one, if parts have
/// names. All must have its shape.
fn align(objects: &[InputObject], probes: &[usize], probed: &mut [Probe]) -> Result<(), Problem> {
    let reference = probed[0].format.clone();
    let first = &objects[0].location;
    for (&index, probe) in probes.iter().zip(probed).skip(1) {
        let invalid = |error: InputError| error.problem(&objects[index].location);
        probe.format = probe.format.aligned(Some(&reference), first).map_err(invalid)?;
        probe.format.check_shape(&reference, first).map_err(invalid)?;
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

/// The columns of a table with a header as a snapshot has them.
fn header_of(format: &Format) -> Option<HeaderSummary> {
    format.names().filter(|_| format.has_header()).map(HeaderSummary::of)
}

/// The variables as a snapshot has them.
fn variables_of(variables: &[Variable]) -> TensorsSummary {
    let mut summary = TensorsSummary::default();
    for variable in variables {
        summary.add(variable.name(), variable.dtype(), variable.shape());
    }
    summary
}

/// The tensors as a snapshot has them.
fn tensors_of(tensors: &[Tensor]) -> TensorsSummary {
    let mut summary = TensorsSummary::default();
    for tensor in tensors {
        summary.add(tensor.name(), tensor.dtype(), tensor.shape());
    }
    summary
}

/// The type of the numbers of results as .npy, as NumPy names it, if it is not `f8`; `None` too
/// where results are written in the format of the inputs.
///
/// # Errors
///
/// If the result cannot have numbers of the type that was asked for.
fn result_dtype(dtype: Option<Dtype>, inputs: &InputSummary) -> Result<Option<String>, Problem> {
    let of_inputs = inputs.dtype.as_deref();
    let (format, remedy) = match (dtype, typed_kind(inputs)) {
        (Some(Dtype::F16 | Dtype::Bf16), Some(TypedKind::Netcdf)) => {
            ("NetCDF", "choose f64, f32 or input")
        }
        (None, _) | (_, Some(_)) => return Ok(None),
        (Some(Dtype::F64), None) => return Ok(None),
        (Some(Dtype::F32), None) => return Ok(Some("f4".to_owned())),
        (Some(Dtype::F16), None) => return Ok(Some("f2".to_owned())),
        (Some(Dtype::Input), None) if of_inputs != Some("bf16") => {
            // The mean of truth values is a fraction.
            let dtype = of_inputs.filter(|dtype| !matches!(*dtype, "f8" | "bool"));
            return Ok(dtype.map(str::to_owned));
        }
        (Some(Dtype::Input | Dtype::Bf16), None) => (".npy", "choose f64, f32 or f16"),
    };
    let word = if dtype == Some(Dtype::F16) { "f16" } else { "bf16" };
    let detail = format!("{format} has no numbers of type {word}");
    Err(Problem::new(ProblemKind::Unsupported, detail).field(DTYPE.name).remedy(remedy))
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
        Inputs::Manifest(manifest) => {
            (format!("the manifest {manifest:?} lists no objects"), "inputs.manifest")
        }
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

    #[tokio::test]
    async fn a_store_that_refuses_its_server_is_out_of_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = platform::backends::scratch(folder.path()).open().await.unwrap();
        let inputs = InputStores::new(store);
        let kind = |source: Box<dyn std::error::Error + Send + Sync>, location| {
            let error = StoreError::Denied { key: "in/a".to_owned(), source: Some(source) };
            let problem = judged(&error, error.problem("reading it"), &inputs, location);
            assert_eq!(problem.status, problem.kind.status());
            problem.kind
        };
        assert_eq!(kind("403".into(), "in/a"), ProblemKind::Unavailable);
        assert_eq!(kind("403".into(), "s3://elsewhere/in/a"), ProblemKind::Forbidden);
        // The permissions of a file are the input's own.
        let of_file = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert_eq!(kind(of_file.into(), "in/a"), ProblemKind::Forbidden);
    }

    #[test]
    fn probes_are_spread_evenly_from_the_first() {
        assert_eq!(spread(3, 16), [0, 1, 2]);
        assert_eq!(spread(100, 4), [0, 25, 50, 75]);
    }
}
