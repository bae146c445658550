//! The form of a new job, from typed texts to a request.

pub mod fields;

use std::collections::BTreeMap;

use leptos_router::params::ParamsMap;
use protocol::problem::ProblemKind;
use protocol::request::{
    COUNT, Choice, DTYPE, Dtype, FAN_IN, FILES, FORMAT, Field, Generate, GeneratedFormat, HEADER,
    Header, KEY, LOCATION, MISSING, MODE, MULTIPLIER, Missing, NAME, OTHER_FILES, OtherFiles,
    PREFIX, PRIORITY, Priority, QUANTILE, RAW, RawNumbers, SEED, SELECT, SpeculationMode,
    Statistic, WEIGHTS, WORKERS, Weights,
};
use protocol::{FanIn, Inputs, JobRequest, Problem, Timestamp, ValidRequest};
use serde::{Deserialize, Serialize};

use self::fields::{DEMO, FIELDS, FROM_GENERATE, FROM_PREFIX, SOURCE, defaults, statistic_key};
use crate::format::{UPLOADS, new_folder};

/// The form of a new job: the typed texts of its [`fields`], by key.
///
/// It can be converted to and from the query of the home page. Without JavaScript a
/// rejected form is returned that way, and a link can fill in the form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>")]
pub struct JobForm(BTreeMap<String, String>);

impl Default for JobForm {
    /// The initial form: the demonstration, which takes some seven seconds and shows every
    /// part of the dashboard.
    fn default() -> Self {
        JobForm(defaults().map(|(key, text)| (key, text.to_owned())).collect())
    }
}

impl From<BTreeMap<String, String>> for JobForm {
    /// Missing fields get their initial texts, and unknown fields are ignored.
    fn from(mut typed: BTreeMap<String, String>) -> JobForm {
        JobForm::filled(|key| typed.remove(key))
    }
}

/// The query parameter that requests the plan of the job in the form.
pub const PLAN_WORD: &str = "plan";
/// The query parameter that shows the request of the form as snippets.
pub const SNIPPETS_WORD: &str = "snippets";

impl JobForm {
    /// Reads the form from a query of the home page.
    #[must_use]
    pub fn from_query(query: &ParamsMap) -> JobForm {
        // Links name a field by its key, the form itself by `form[key]`.
        JobForm::filled(|key| query.get(key).or_else(|| query.get(&format!("form[{key}]"))))
    }

    /// The path of the home page with a query that fills in the form, and ends in `&`.
    #[must_use]
    pub fn home_path(&self) -> String {
        let mut query = ParamsMap::new();
        for (key, typed) in &self.0 {
            query.insert(key.clone(), typed.clone());
        }
        format!("/{}&", query.to_query_string())
    }

    /// The path of the home page with this form, another selection, and its plan.
    #[must_use]
    pub fn selection_path(&self, selection: &str) -> String {
        let mut form = self.clone();
        form.0.insert(SELECT.key().to_owned(), selection.to_owned());
        format!("{}{PLAN_WORD}=shown#plan", form.home_path())
    }

    /// The typed text of a field.
    #[must_use]
    pub fn typed(&self, field: &Field) -> &str {
        self.text(field.key())
    }

    /// Whether a statistic is checked.
    #[must_use]
    pub fn wants(&self, statistic: Statistic) -> bool {
        !self.text(&statistic_key(statistic)).is_empty()
    }

    /// Converts the form into a request.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the invalid field.
    pub fn request(&self) -> Result<ValidRequest, Problem> {
        if self.is_demo() {
            return demo().validate();
        }
        let mut request = JobRequest::new(self.inputs()?);
        request.name = self.filled_in(&NAME).map(str::to_owned);
        let workers = self.filled_in(&WORKERS.field);
        request.workers = workers.map(|text| WORKERS.parse(text)).transpose()?;
        request.fan_in = self.typed(&FAN_IN.field).parse()?;
        request.priority = Priority::parse(self.typed(&PRIORITY))?;
        request.speculation = SpeculationMode::parse(self.typed(&MODE))?.settings();
        if request.speculation.enabled {
            if let Some(text) = self.filled_in(&QUANTILE.field) {
                request.speculation.quantile = QUANTILE.parse(text)?;
            }
            if let Some(text) = self.filled_in(&MULTIPLIER.field) {
                request.speculation.multiplier = MULTIPLIER.parse(text)?;
            }
        }
        if self.is_from_prefix() {
            // Generated data is neither raw nor a table.
            request.raw = self.filled_in(&RAW).map(RawNumbers::parse).transpose()?;
            request.other_files = OtherFiles::parse(self.typed(&OTHER_FILES))?;
            // The default need not be said.
            let header = self.filled_in(&HEADER).map(Header::parse).transpose()?;
            request.header = header.filter(|header| *header != Header::Auto);
            let selected = self.typed(&SELECT).split(',').map(str::trim);
            let selected = selected.filter(|entry| !entry.is_empty());
            request.select = selected.map(str::to_owned).collect();
            request.key = self.filled_in(&KEY).map(str::to_owned);
            request.output.dtype = self.filled_in(&DTYPE).map(Dtype::parse).transpose()?;
            let weights = self.filled_in(&WEIGHTS);
            request.weights = weights.map(|table| Weights::Table(table.to_owned()));
        }
        request.output.location = self.filled_in(&LOCATION).map(str::to_owned);
        request.missing = self.filled_in(&MISSING).map(Missing::parse).transpose()?;
        request.statistics =
            Statistic::ALL.iter().copied().filter(|statistic| self.wants(*statistic)).collect();
        request.validate()
    }

    /// All errors of the form: the one that [`JobForm::request`] gives, and those that it
    /// would give once that field is corrected, and so on.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut corrected = self.clone();
        let mut problems: Vec<Problem> = Vec::new();
        while let Err(problem) = corrected.request() {
            let key = field_of(&problem).unwrap_or_default().to_owned();
            let is_known = problems.iter().any(|known| known.field == problem.field);
            problems.push(problem);
            let row = FIELDS.iter().find(|row| row.field.key() == key);
            let Some(row) = row.filter(|_| !is_known) else {
                break;
            };
            // The only field without a valid initial text is the prefix.
            let valid = if key == PREFIX.key() { "valid/" } else { row.default };
            corrected.0.insert(key, valid.to_owned());
        }
        problems
    }

    /// The form that asks for the same as a request; `None` if no form can.
    #[must_use]
    pub fn of_request(request: &JobRequest) -> Option<JobForm> {
        if *request == demo() {
            return Some(JobForm::default());
        }
        let mut request = request.clone();
        let mut form = JobForm::default();
        let mut put = |field: &Field, text: String| {
            form.0.insert(field.key().to_owned(), text);
        };
        match &mut request.inputs {
            Inputs::Prefix(prefix) => {
                if prefix.is_empty() {
                    "/".clone_into(prefix);
                }
                put(&SOURCE, FROM_PREFIX.to_owned());
                put(&PREFIX, prefix.clone());
            }
            Inputs::Generate(Generate { files, count, format, seed }) => {
                put(&SOURCE, FROM_GENERATE.to_owned());
                put(&FILES.field, files.to_string());
                put(&COUNT.field, count.to_string());
                put(&FORMAT, format.word().to_owned());
                put(&SEED.field, seed.to_string());
            }
            Inputs::Objects(_) | Inputs::Manifest(_) | Inputs::Shortened(_) => return None,
        }
        let speculation = &request.speculation;
        put(&NAME, request.name.clone().unwrap_or_default());
        put(&WORKERS.field, request.workers.map_or_else(String::new, |it| it.to_string()));
        put(&FAN_IN.field, request.fan_in.to_string());
        put(&PRIORITY, request.priority.word().to_owned());
        put(&MODE, speculation.mode().word().to_owned());
        put(&QUANTILE.field, speculation.quantile.to_string());
        put(&MULTIPLIER.field, speculation.multiplier.to_string());
        put(&RAW, request.raw.map_or("", Choice::word).to_owned());
        put(&OTHER_FILES, request.other_files.word().to_owned());
        put(&HEADER, request.header.unwrap_or(Header::Auto).word().to_owned());
        put(&SELECT, request.select.join(", "));
        put(&KEY, request.key.clone().unwrap_or_default());
        put(&LOCATION, request.output.location.clone().unwrap_or_default());
        put(&DTYPE, request.output.dtype.map_or("", Choice::word).to_owned());
        put(&MISSING, request.missing.map_or("", Choice::word).to_owned());
        if let Some(Weights::Table(table)) = &request.weights {
            put(&WEIGHTS, table.clone());
        }
        for statistic in &request.statistics {
            form.0.insert(statistic_key(*statistic), "on".to_owned());
        }
        // What the form has no field for would be lost.
        let is_same = form.request().is_ok_and(|asked| *asked == request);
        is_same.then_some(form)
    }

    fn inputs(&self) -> Result<Inputs, Problem> {
        if self.is_from_prefix() {
            // An empty prefix would be valid, but a field left out by mistake is empty too.
            let Some(prefix) = self.filled_in(&PREFIX) else {
                return Err(Problem::new(ProblemKind::InvalidRequest, "The prefix is missing.")
                    .field(PREFIX.name)
                    .remedy(
                        "Enter the folder in the store that contains your files, or / for the \
                         whole store.",
                    ));
            };
            return Ok(Inputs::Prefix(prefix.to_owned()));
        }
        Ok(Inputs::Generate(Generate {
            files: FILES.parse(self.typed(&FILES.field))?,
            count: COUNT.parse(self.typed(&COUNT.field))?,
            format: GeneratedFormat::parse(self.typed(&FORMAT))?,
            seed: SEED.parse(self.typed(&SEED.field))?,
        }))
    }

    /// The folder into which files are uploaded: that of earlier uploads if they are the
    /// inputs, so that files of the same job are added to them, and else a new one.
    #[must_use]
    pub fn upload_folder(&self, now: Timestamp) -> String {
        let prefix = self.filled_in(&PREFIX).filter(|_| self.is_from_prefix());
        match prefix {
            Some(folder) if folder.starts_with(UPLOADS) && folder.ends_with('/') => {
                folder.to_owned()
            }
            _ => new_folder(now),
        }
    }

    /// Whether the form is for the demonstration, whatever its other fields say.
    #[must_use]
    pub fn is_demo(&self) -> bool {
        self.typed(&SOURCE) == DEMO
    }

    /// Whether the inputs are files in the store.
    #[must_use]
    pub fn is_from_prefix(&self) -> bool {
        self.typed(&SOURCE) == FROM_PREFIX
    }

    /// The typed text of an optional field; `None` if empty.
    fn filled_in(&self, field: &Field) -> Option<&str> {
        Some(self.typed(field).trim()).filter(|text| !text.is_empty())
    }

    fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// The form with these texts. Without a source it is the demonstration if nothing was
    /// typed, and generated data otherwise.
    fn filled(mut typed: impl FnMut(&str) -> Option<String>) -> JobForm {
        let typed: Vec<_> = defaults().map(|(key, default)| (typed(&key), key, default)).collect();
        let is_typed = typed.iter().any(|(text, ..)| text.is_some());
        let fields = typed.into_iter().map(|(text, key, default)| {
            let is_source = key == SOURCE.key();
            let default = if is_typed && is_source { FROM_GENERATE } else { default };
            (key, text.unwrap_or_else(|| default.to_owned()))
        });
        JobForm(fields.collect())
    }
}

/// The name of the demonstration.
const DEMO_NAME: &str = "Demo, paced on purpose";
/// Its size: ten leaf tasks and four, two and one above them, for three workers.
const DEMO_FILES: u64 = 30;
const DEMO_COUNT: u64 = 4_096;
const DEMO_FAN_IN: u32 = 3;
const DEMO_WORKERS: u32 = 3;

/// The demonstration: a small job, paced so that it can be watched.
fn demo() -> JobRequest {
    let data =
        Generate { files: DEMO_FILES, count: DEMO_COUNT, format: GeneratedFormat::Csv, seed: 1 };
    JobRequest {
        name: Some(DEMO_NAME.to_owned()),
        workers: Some(DEMO_WORKERS),
        fan_in: FanIn::Fixed(DEMO_FAN_IN),
        paced: true,
        ..JobRequest::new(Inputs::Generate(data))
    }
}

/// The key of the field that causes an error. An error names the field of the
/// request, such as `inputs.generate.files`, whose last part is the key.
#[must_use]
pub fn field_of(problem: &Problem) -> Option<&str> {
    problem.field.as_deref()?.rsplit('.').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::request::{Speculation, SpeculationPolicy};

    /// The initial form with other texts in some fields.
    fn form(typed: &[(&Field, &str)]) -> JobForm {
        let typed = typed.iter().map(|(field, text)| (field.key().to_owned(), (*text).to_owned()));
        JobForm::from(typed.collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn the_initial_form_is_the_demonstration() {
        let request = JobForm::default().request().unwrap();
        assert!(request.paced);
        assert_eq!(JobForm::from(BTreeMap::new()), JobForm::default());
        assert_eq!(request.workers, Some(3));
    }

    #[test]
    fn a_form_without_a_source_is_for_generated_data_if_something_was_typed() {
        let request = form(&[(&NAME, "")]).request().unwrap();
        assert!(!request.paced);
        assert_eq!(
            request.inputs,
            Inputs::Generate(Generate {
                files: 40,
                count: 10_000,
                format: GeneratedFormat::Csv,
                seed: 1
            })
        );
        assert_eq!(request.workers, Some(2));
        assert_eq!(request.fan_in, FanIn::Auto);
        assert_eq!(request.speculation, Speculation::default());
        assert!(request.statistics.is_empty());
        assert_eq!(request.missing, None);
    }

    #[test]
    fn every_field_reaches_the_request() {
        let mut form = form(&[
            (&SOURCE, "prefix"),
            (&PREFIX, " climate/ "),
            (&RAW, "f32"),
            (&OTHER_FILES, "refuse"),
            (&WORKERS.field, ""),
            (&FAN_IN.field, "auto"),
            (&NAME, "ensemble mean"),
            (&PRIORITY, "high"),
            (&MODE, "original"),
            (&QUANTILE.field, "0.9"),
            (&MULTIPLIER.field, "3"),
            (&MISSING, "skip"),
            (&HEADER, "yes"),
            (&SELECT, "temp*, !temp_max"),
            (&KEY, "date"),
            (&WEIGHTS, " climate/weights.csv"),
        ]);
        for statistic in [Statistic::Sum, Statistic::Count] {
            form.0.insert(statistic_key(statistic), "on".to_owned());
        }
        let request = form.request().unwrap();
        assert_eq!(request.inputs, Inputs::Prefix("climate/".to_owned()));
        assert_eq!(request.raw, Some(RawNumbers::F32));
        assert_eq!(request.other_files, OtherFiles::Refuse);
        assert_eq!(request.workers, None);
        assert_eq!(request.fan_in, FanIn::Auto);
        assert_eq!(request.name.as_deref(), Some("ensemble mean"));
        assert_eq!(request.priority, Priority::High);
        assert_eq!(request.speculation.policy, SpeculationPolicy::Original);
        assert_eq!(request.speculation.quantile, 0.9);
        assert_eq!(request.speculation.multiplier, 3.0);
        assert_eq!(request.statistics, [Statistic::Sum, Statistic::Count]);
        assert_eq!(request.missing, Some(Missing::Skip));
        assert_eq!(request.header, Some(Header::Yes));
        assert_eq!(request.select, ["temp*", "!temp_max"]);
        assert_eq!(request.key.as_deref(), Some("date"));
        assert_eq!(request.weights, Some(Weights::Table("climate/weights.csv".to_owned())));
    }

    #[test]
    fn an_error_names_the_field_with_the_invalid_value() {
        let rejected_field = |field: &Field, text| {
            let problem = form(&[(field, text)]).request().unwrap_err();
            field_of(&problem).unwrap().to_owned()
        };
        assert_eq!(rejected_field(&FILES.field, "0"), "files");
        assert_eq!(rejected_field(&COUNT.field, "1e4"), "count");
        assert_eq!(rejected_field(&SEED.field, "-1"), "seed");
        assert_eq!(rejected_field(&WORKERS.field, "two"), "workers");
        assert_eq!(rejected_field(&FAN_IN.field, "1"), "fan_in");
        assert_eq!(rejected_field(&QUANTILE.field, "75"), "quantile");
        assert_eq!(rejected_field(&MULTIPLIER.field, "NaN"), "multiplier");
        assert_eq!(rejected_field(&SOURCE, "prefix"), "prefix");
    }

    #[test]
    fn all_invalid_fields_are_told_at_once() {
        let fields = |typed: &[(&Field, &str)]| {
            let problems = form(typed).problems();
            let fields = problems.iter().map(|problem| field_of(problem).unwrap().to_owned());
            fields.collect::<Vec<_>>()
        };
        let wrong = [(&FILES.field, "abc"), (&FAN_IN.field, "1"), (&WORKERS.field, "-1")];
        let mut told = fields(&wrong);
        told.sort();
        assert_eq!(told, ["fan_in", "files", "workers"]);
        let wrong = [(&SOURCE, "prefix"), (&QUANTILE.field, "7"), (&RAW, "f7"), (&MISSING, "?")];
        let mut told = fields(&wrong);
        told.sort();
        assert_eq!(told, ["missing", "prefix", "quantile", "raw"]);
        assert!(fields(&[(&NAME, "fine")]).is_empty());
    }

    #[test]
    fn a_form_is_made_of_a_request_only_if_it_asks_for_the_same() {
        let again = |request: &JobRequest| Some(JobForm::of_request(request)?.request().unwrap());
        let mut request = JobRequest::new(Inputs::Prefix("climate/".to_owned()));
        for workers in [None, Some(7)] {
            request.workers = workers;
            request.speculation = SpeculationMode::Original.settings();
            request.statistics = vec![Statistic::Sum, Statistic::Count];
            request.select = vec!["temp*".to_owned(), "!temp_max".to_owned()];
            request.weights = Some(Weights::Table("w.csv".to_owned()));
            request.missing = Some(Missing::Skip);
            request.priority = Priority::Low;
            request.output.location = Some("s3://means/climate/".to_owned());
            assert_eq!(*again(&request).unwrap(), request);
        }
        let whole = JobRequest::new(Inputs::Prefix(String::new()));
        assert_eq!(again(&whole).unwrap().inputs, Inputs::Prefix("/".to_owned()));
        assert_eq!(JobForm::of_request(&demo()), Some(JobForm::default()));
        // A list of objects, and what there is no field for.
        let listed = JobRequest::new(Inputs::Objects(vec!["a".to_owned()]));
        assert_eq!(JobForm::of_request(&listed), None);
        let paced = JobRequest { paced: true, ..request };
        assert_eq!(JobForm::of_request(&paced), None);
    }

    #[test]
    fn more_files_are_uploaded_into_the_folder_that_the_form_names() {
        let at = Timestamp::from_millis(0);
        let folder = |fields: &[(&Field, &str)]| form(fields).upload_folder(at);
        let named = "uploads/2026-11-26-154132/";
        assert_eq!(folder(&[(&SOURCE, "prefix"), (&PREFIX, named)]), named);
        let new = "uploads/1970-01-01-000000/";
        assert_eq!(folder(&[(&SOURCE, "prefix")]), new);
        assert_eq!(folder(&[(&SOURCE, "prefix"), (&PREFIX, "climate/")]), new);
        assert_eq!(folder(&[(&SOURCE, "generate"), (&PREFIX, named)]), new);
    }

    #[test]
    fn a_rejected_form_keeps_what_was_typed() {
        let typed = form(&[(&FILES.field, "forty & more"), (&NAME, "a=b?"), (&WORKERS.field, "")]);
        let path = typed.home_path();
        let query: ParamsMap = path
            .strip_prefix("/?")
            .and_then(|rest| rest.strip_suffix('&'))
            .unwrap()
            .split('&')
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap();
                let unescaped = leptos_router::location::Url::unescape(value);
                (name.to_owned(), unescaped)
            })
            .collect();
        assert_eq!(JobForm::from_query(&query), typed);
    }

    #[test]
    fn the_name_of_a_request_field_ends_in_its_key() {
        let problem = Problem::new(ProblemKind::InvalidRequest, "").field("inputs.generate.files");
        assert_eq!(field_of(&problem), Some("files"));
    }
}
