//! Writes results where requests want them, beside the job's own place.
//!
//! Before a job begins, it is checked that the objects can be written and are not there.
//! They are written once the result is in the program's own store, from which they are read
//! piece by piece, verified by their checksums. Each appears whole, the mean last. What the
//! server had written before it ended is recognized by its content.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use platform::{ObjectStore, OutputObject, OutputStores, StoreError};
use protocol::problem::{Problem, ProblemKind};
use protocol::request::{Choice, FORMATS, FileFormat, LOCATION, Output, Statistic};
use protocol::task::InputObject;
use protocol::{JobRequest, JobSnapshot};
use summation::output::{OutputFormat, TypedKind};

use crate::records::PlanRecord;
use crate::results::{MEAN, StoredResult, check_order, converted, typed_kind};

/// How much of an object that is there is compared at a time.
const COMPARED_BYTES: usize = 1 << 20;

/// Where results may be written.
#[derive(Clone)]
pub struct Outputs(pub OutputStores);

/// One object to be written.
struct Target {
    /// `None` for the mean.
    statistic: Option<Statistic>,
    format: FileFormat,
    location: String,
    object: OutputObject,
}

impl Outputs {
    /// Checks that the location that a request names, if it names one, is allowed.
    ///
    /// # Errors
    ///
    /// A problem that names the flag, or what is wrong with the location.
    pub fn check(&self, request: &JobRequest) -> Result<(), Problem> {
        self.targets(request, None).map(drop)
    }

    /// Checks, before a planned job begins, that its outputs can be written: that none is
    /// there unless they are to be replaced, that none is an input, and that the store lets
    /// the server write them. Nothing is left behind.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Unavailable`] if the store does not answer; all others are the fault of
    /// the request.
    pub async fn probe(&self, request: &JobRequest, plan: &PlanRecord) -> Result<(), Problem> {
        let Output { formats, overwrite, .. } = &request.output;
        let kind = typed_kind(&plan.inputs);
        for &format in formats {
            if let Some(other) = typed(format).filter(|typed| Some(*typed) != kind) {
                check_order(plan.inputs.fortran_order, other)
                    .map_err(|problem| problem.field(FORMATS.name))?;
            }
        }
        let targets = self.targets(request, kind)?;
        for target in &targets {
            let is_named = |object: &InputObject| {
                let mut parts = object.parts.iter();
                object.location == target.location
                    || parts.any(|part| part.location == target.location)
            };
            let mut is_input = plan.objects.iter().any(is_named);
            let OutputObject { store, key } = &target.object;
            match store.head(key).await {
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(not_written(&error, &target.location)),
                Ok(_) if !overwrite => return Err(there_already(&target.location)),
                Ok(there) => {
                    // A file may have several names; objects elsewhere only look the same.
                    let is_file = store.reader(key, None).is_some();
                    let is_same = |object: &InputObject| {
                        let mut parts = object.parts.iter();
                        let is_one = object.version == there.version
                            || parts.any(|part| part.version == there.version);
                        is_file && is_one
                    };
                    is_input |= plan.objects.iter().any(is_same);
                }
            }
            if is_input {
                let detail = format!("the output {} is an input of the job", target.location);
                return Err(Problem::new(ProblemKind::Conflict, detail)
                    .field(LOCATION.name)
                    .object(&target.location)
                    .remedy("choose another location"));
            }
        }
        // All lie in one folder.
        if let Some(Target { object, location, .. }) = targets.last() {
            let checked = object.store.check_writable(&object.key).await;
            checked.map_err(|error| not_written(&error, location))?;
        }
        Ok(())
    }

    /// Writes the results of a job, which are in `store`, to the location that its request
    /// names. Returns the locations of the objects.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::Unavailable`] and [`ProblemKind::Forbidden`] if a store does not answer
    /// or refuses: this can be called again.
    pub async fn write(
        &self,
        store: &Arc<dyn ObjectStore>,
        job: &JobSnapshot,
    ) -> Result<Vec<String>, Problem> {
        let targets = self.targets(&job.request, typed_kind(&job.inputs))?;
        for target in &targets {
            let OutputObject { store: to, key } = &target.object;
            let failed = |error: StoreError| not_written(&error, &target.location);
            if !job.request.output.overwrite && exists(&**to, key).await.map_err(failed)? {
                if is_same(&**to, key, target.pieces(store, job).await?).await.map_err(failed)? {
                    continue;
                }
                return Err(there_already(&target.location));
            }
            let mut pieces = target.pieces(store, job).await?;
            let mut upload = to.upload(key).await.map_err(failed)?;
            let reading = |error: StoreError| error.problem("reading the result");
            while let Some(piece) = pieces.try_next().await.map_err(reading)? {
                upload.write(piece).await.map_err(failed)?;
            }
            upload.finish().await.map_err(failed)?;
        }
        Ok(targets.into_iter().map(|target| target.location).collect())
    }

    /// The objects that a request wants written, the mean last. `kind` is the format of the
    /// inputs that the results have, too.
    fn targets(
        &self,
        request: &JobRequest,
        kind: Option<TypedKind>,
    ) -> Result<Vec<Target>, Problem> {
        let Output { location: Some(location), formats, .. } = &request.output else {
            return Ok(Vec::new());
        };
        let mut formats = formats.clone();
        if formats.is_empty() {
            formats.push(FileFormat::Npy);
            formats.extend(
                FileFormat::ALL.iter().filter(|&&format| kind.is_some() && typed(format) == kind),
            );
        }
        formats.sort_unstable();
        formats.dedup();
        let folder = location.trim_end_matches('/');
        let statistics = request.statistics.iter().copied().map(Some).chain([None]);
        let mut targets = Vec::new();
        for statistic in statistics {
            for &format in &formats {
                let name = statistic.map_or(MEAN, Statistic::word);
                let location = format!("{folder}/{name}.{}", format.extension());
                let object = self.0.resolve(&location);
                let object = object.map_err(|error| not_written(&error, &location))?;
                targets.push(Target { statistic, format, location, object });
            }
        }
        Ok(targets)
    }
}

/// The format, if inputs may have it whose results keep their form.
const fn typed(format: FileFormat) -> Option<TypedKind> {
    match format {
        FileFormat::Safetensors => Some(TypedKind::Safetensors),
        FileFormat::Netcdf => Some(TypedKind::Netcdf),
        FileFormat::Npy | FileFormat::Csv | FileFormat::Json | FileFormat::Raw => None,
    }
}

impl Target {
    /// The bytes of the object, piece by piece.
    async fn pieces(
        &self,
        store: &Arc<dyn ObjectStore>,
        job: &JobSnapshot,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, Problem> {
        let (store, statistic) = (store.clone(), self.statistic);
        let typed_npy = || typed_kind(&job.inputs).filter(|kind| *kind == TypedKind::Npy);
        let of_npy = (self.format == FileFormat::Npy).then(typed_npy).flatten();
        let other = typed(self.format).filter(|kind| Some(*kind) != typed_kind(&job.inputs));
        if let Some(kind) = other {
            return Ok(converted(&store, job, statistic, kind).await?.pieces);
        }
        if let Some(kind) = typed(self.format).or(of_npy) {
            let result = StoredResult::open_typed(store, job.id, statistic, kind).await?;
            return Ok(result.pieces(0, result.bytes));
        }
        let format = match self.format {
            FileFormat::Npy | FileFormat::Safetensors | FileFormat::Netcdf => OutputFormat::Npy,
            FileFormat::Csv => OutputFormat::Csv,
            FileFormat::Json => OutputFormat::Json,
            FileFormat::Raw => OutputFormat::Raw,
        };
        let result = StoredResult::open(store, job.id, statistic).await?;
        Ok(result.written(format, job, statistic))
    }
}

async fn exists(store: &dyn ObjectStore, key: &str) -> Result<bool, StoreError> {
    match store.head(key).await {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an object has these bytes.
async fn is_same(
    store: &dyn ObjectStore,
    key: &str,
    mut pieces: BoxStream<'static, Result<Bytes, StoreError>>,
) -> Result<bool, StoreError> {
    let (mut offset, mut there) = (0, Vec::new());
    while let Some(mut piece) = pieces.try_next().await? {
        while !piece.is_empty() {
            let expected = piece.split_to(piece.len().min(COMPARED_BYTES));
            there = store.read(key, offset, expected.len(), there).await?;
            if there != expected {
                return Ok(false);
            }
            offset += expected.len() as u64;
        }
    }
    Ok(store.head(key).await?.bytes == offset)
}

/// An object is there that is not to be replaced.
fn there_already(location: &str) -> Problem {
    let detail = format!("there is already an object {location}");
    Problem::new(ProblemKind::Conflict, detail).field(LOCATION.name).object(location).remedy(
        "choose another location, delete what is there, or allow to replace it with \
         \"overwrite\": true",
    )
}

/// An output cannot be written.
fn not_written(error: &StoreError, location: &str) -> Problem {
    let problem = error.problem(&format!("writing {location}"));
    let remedy = match error {
        StoreError::Denied { source: None, .. } => {
            "choose a location that the operator has allowed, or start the server with \
             --allow-outputs; the server's own store is none"
        }
        StoreError::Denied { source: Some(_), .. } => {
            "grant the server the permission to write there"
        }
        _ => return problem.field(LOCATION.name).object(location),
    };
    problem.remedy(remedy).field(LOCATION.name).object(location)
}
