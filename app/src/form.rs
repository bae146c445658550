//! The form of a new job, from what was typed to a request.

pub mod fields;

use std::collections::BTreeMap;

use leptos_router::params::ParamsMap;
use protocol::problem::ProblemKind;
use protocol::request::{
    COUNT, Choice, FAN_IN, FILES, FORMAT, Field, Generate, GeneratedFormat, MODE, MULTIPLIER, NAME,
    PREFIX, QUANTILE, RAW, RawNumbers, SEED, SpeculationMode, Statistic, WORKERS,
};
use protocol::{Inputs, JobRequest, Problem, ValidRequest};
use serde::{Deserialize, Serialize};

use self::fields::{FROM_PREFIX, SOURCE, defaults, statistic_key};

/// The form of a new job: what was typed into each of its [`fields`], by the
/// field's key.
///
/// It also reads and writes itself as the query of the home page: a refused
/// form comes back that way without JavaScript, and a link can fill it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>")]
pub struct JobForm(BTreeMap<String, String>);

impl Default for JobForm {
    /// The form as a newcomer finds it: a job that is over in seconds and shows
    /// all there is to see.
    fn default() -> Self {
        JobForm(defaults().map(|(key, text)| (key, text.to_owned())).collect())
    }
}

impl From<BTreeMap<String, String>> for JobForm {
    /// What is missing is as a newcomer finds it, and what the form does not
    /// have is left out.
    fn from(mut typed: BTreeMap<String, String>) -> JobForm {
        JobForm::filled(|key| typed.remove(key))
    }
}

/// The query's word that asks for the plan of the job that is filled in.
pub const PLAN_WORD: &str = "plan";

/// The query's words for a refusal: which field, what was wrong, what to do.
const REFUSAL_WORDS: [&str; 3] = ["refused", "why", "remedy"];

impl JobForm {
    /// The form as a query of the home page fills it in, and why it was
    /// refused, if it was.
    #[must_use]
    pub fn from_query(query: &ParamsMap) -> (JobForm, Option<Problem>) {
        // As a link names a field, or as the form itself does.
        let form =
            JobForm::filled(|key| query.get(key).or_else(|| query.get(&format!("form[{key}]"))));
        let [field, why, remedy] = REFUSAL_WORDS.map(|word| query.get_str(word));
        let refusal = why.map(|why| Problem {
            field: field.filter(|field| !field.is_empty()).map(str::to_owned),
            ..Problem::new(ProblemKind::InvalidRequest, why).remedy(remedy.unwrap_or_default())
        });
        (form, refusal)
    }

    /// The home page's path with a query that fills the form in again and says
    /// why it was refused.
    #[must_use]
    pub fn home_path_with(&self, refusal: &Problem) -> String {
        let mut query = ParamsMap::new();
        for (key, typed) in &self.0 {
            query.insert(key.clone(), typed.clone());
        }
        let field = refusal.field.clone().unwrap_or_default();
        let texts = [field, refusal.detail.clone(), refusal.remedy.clone()];
        for (word, text) in REFUSAL_WORDS.into_iter().zip(texts) {
            query.insert(word, text);
        }
        format!("/{}#new-job", query.to_query_string())
    }

    /// What was typed into a field.
    #[must_use]
    pub fn typed(&self, field: &Field) -> &str {
        self.text(field.key())
    }

    /// Whether a statistic is checked.
    #[must_use]
    pub fn wants(&self, statistic: Statistic) -> bool {
        !self.text(&statistic_key(statistic)).is_empty()
    }

    /// The request that the form stands for.
    ///
    /// # Errors
    ///
    /// A problem that names the field.
    pub fn request(&self) -> Result<ValidRequest, Problem> {
        let mut request = JobRequest::new(self.inputs()?);
        request.name = self.filled_in(&NAME).map(str::to_owned);
        let workers = self.filled_in(&WORKERS.field);
        request.workers = workers.map(|text| WORKERS.parse(text)).transpose()?;
        request.fan_in = self.typed(&FAN_IN.field).parse()?;
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
            // Generated numbers never are bare.
            request.raw = self.filled_in(&RAW).map(RawNumbers::parse).transpose()?;
        }
        request.statistics =
            Statistic::ALL.iter().copied().filter(|statistic| self.wants(*statistic)).collect();
        request.validate()
    }

    fn inputs(&self) -> Result<Inputs, Problem> {
        if self.is_from_prefix() {
            // The whole store would be a valid prefix, but hardly what is meant.
            let Some(prefix) = self.filled_in(&PREFIX) else {
                return Err(Problem::new(ProblemKind::InvalidRequest, "The prefix is missing.")
                    .field(PREFIX.name)
                    .remedy("Name the folder of the store that holds your files."));
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

    /// Whether the numbers come from the store.
    #[must_use]
    pub fn is_from_prefix(&self) -> bool {
        self.typed(&SOURCE) == FROM_PREFIX
    }

    /// What was typed into a field that may be left empty.
    fn filled_in(&self, field: &Field) -> Option<&str> {
        Some(self.typed(field).trim()).filter(|text| !text.is_empty())
    }

    fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    fn filled(mut typed: impl FnMut(&str) -> Option<String>) -> JobForm {
        let fields = defaults().map(|(key, default)| {
            let text = typed(&key).unwrap_or_else(|| default.to_owned());
            (key, text)
        });
        JobForm(fields.collect())
    }
}

/// The key of the form's field that a problem lies in. A problem names the field
/// of the request, such as `inputs.generate.files`, whose last word is the key.
#[must_use]
pub fn field_of(problem: &Problem) -> Option<&str> {
    problem.field.as_deref()?.rsplit('.').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::FanIn;
    use protocol::request::{Speculation, SpeculationPolicy};

    /// The form as a newcomer finds it, with something else typed into some fields.
    fn form(typed: &[(&Field, &str)]) -> JobForm {
        let typed = typed.iter().map(|(field, text)| (field.key().to_owned(), (*text).to_owned()));
        JobForm::from(typed.collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn the_form_as_a_newcomer_finds_it_is_a_request() {
        let request = JobForm::default().request().unwrap();
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
        assert_eq!(request.fan_in, FanIn::Fixed(5));
        assert_eq!(request.speculation, Speculation::default());
        assert!(request.statistics.is_empty());
    }

    #[test]
    fn every_field_reaches_the_request() {
        let mut form = form(&[
            (&SOURCE, "prefix"),
            (&PREFIX, " climate/ "),
            (&RAW, "f32"),
            (&WORKERS.field, ""),
            (&FAN_IN.field, "auto"),
            (&NAME, "ensemble mean"),
            (&MODE, "original"),
            (&QUANTILE.field, "0.9"),
            (&MULTIPLIER.field, "3"),
        ]);
        for statistic in [Statistic::Min, Statistic::Std] {
            form.0.insert(statistic_key(statistic), "on".to_owned());
        }
        let request = form.request().unwrap();
        assert_eq!(request.inputs, Inputs::Prefix("climate/".to_owned()));
        assert_eq!(request.raw, Some(RawNumbers::F32));
        assert_eq!(request.workers, None);
        assert_eq!(request.fan_in, FanIn::Auto);
        assert_eq!(request.name.as_deref(), Some("ensemble mean"));
        assert_eq!(request.speculation.policy, SpeculationPolicy::Original);
        assert_eq!(request.speculation.quantile, 0.9);
        assert_eq!(request.speculation.multiplier, 3.0);
        assert_eq!(request.statistics, [Statistic::Min, Statistic::Std]);
    }

    #[test]
    fn a_value_that_cannot_be_used_is_refused_by_the_name_of_its_field() {
        let refused_field = |field: &Field, text| {
            let refusal = form(&[(field, text)]).request().unwrap_err();
            field_of(&refusal).unwrap().to_owned()
        };
        assert_eq!(refused_field(&FILES.field, "0"), "files");
        assert_eq!(refused_field(&COUNT.field, "1e4"), "count");
        assert_eq!(refused_field(&SEED.field, "-1"), "seed");
        assert_eq!(refused_field(&WORKERS.field, "two"), "workers");
        assert_eq!(refused_field(&FAN_IN.field, "1"), "fan_in");
        assert_eq!(refused_field(&QUANTILE.field, "75"), "quantile");
        assert_eq!(refused_field(&MULTIPLIER.field, "NaN"), "multiplier");
        assert_eq!(refused_field(&SOURCE, "prefix"), "prefix");
    }

    #[test]
    fn a_refused_form_comes_back_with_all_that_was_typed() {
        let typed = form(&[(&FILES.field, "forty & more"), (&NAME, "a=b?"), (&WORKERS.field, "")]);
        let refusal = typed.request().unwrap_err().remedy("Write 40.");
        let path = typed.home_path_with(&refusal);
        let url = path.strip_prefix("/?").unwrap();
        let query: ParamsMap = url
            .strip_suffix("#new-job")
            .unwrap()
            .split('&')
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap();
                let unescaped = leptos_router::location::Url::unescape(value);
                (name.to_owned(), unescaped)
            })
            .collect();
        let (form, back) = JobForm::from_query(&query);
        assert_eq!(form, typed);
        let back = back.unwrap();
        assert_eq!(field_of(&back), Some("files"));
        assert_eq!(back.detail, refusal.detail);
        assert_eq!(back.remedy, "Write 40.");
    }

    #[test]
    fn the_backends_names_of_fields_end_in_the_forms() {
        let problem = Problem::new(ProblemKind::InvalidRequest, "").field("inputs.generate.files");
        assert_eq!(field_of(&problem), Some("files"));
    }
}
