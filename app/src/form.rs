//! The form of a new job, from what was typed to a request.

#![allow(
    clippy::result_large_err,
    reason = "a form is refused once, by hand; nothing would be gained by a smaller problem"
)]

use leptos_router::params::ParamsMap;
use protocol::job::{Generate, GeneratedFormat, RawNumbers, Speculation, Statistic};
use protocol::problem::ProblemKind;
use protocol::{Inputs, JobRequest, Problem};
use serde::{Deserialize, Serialize};

/// The form of a new job, every field as it was typed.
///
/// It also reads and writes itself as the query of the home page: a refused
/// form comes back that way without JavaScript, and a link can fill it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobForm {
    /// Where the numbers come from: `generate` or `prefix`.
    pub source: String,
    /// F, how many files to generate.
    pub files: String,
    /// C, how many numbers in each.
    pub count: String,
    /// The format that they are generated in: `csv` or `npy`.
    pub format: String,
    /// What the generated numbers follow from.
    pub seed: String,
    /// The prefix of the objects to average.
    pub prefix: String,
    /// Set to `f32` or `f64` if they are bare numbers.
    pub raw: String,
    /// W, the most attempts in flight; empty for the server's default.
    pub workers: String,
    /// P, the fan-in, or `auto`.
    pub fan_in: String,
    /// What to call the job.
    pub name: String,
    /// The rule that finds stragglers: `resume`, `original` or `off`.
    pub speculation: String,
    /// The part of a level that must be complete before there are stragglers.
    pub quantile: String,
    /// How many times the average duration a straggler has run for.
    pub multiplier: String,
    /// Set if the sum is wanted beside the mean.
    pub sum: String,
    /// Set if the least number is wanted.
    pub min: String,
    /// Set if the greatest number is wanted.
    pub max: String,
    /// Set if the variance is wanted.
    pub variance: String,
    /// Set if the standard deviation is wanted.
    pub std: String,
}

impl Default for JobForm {
    /// The form as a newcomer finds it: a job that is over in seconds and shows
    /// all there is to see.
    fn default() -> Self {
        let text = str::to_owned;
        JobForm {
            source: text("generate"),
            files: text("40"),
            count: text("10000"),
            format: text("csv"),
            seed: text("1"),
            prefix: String::new(),
            raw: String::new(),
            workers: text("2"),
            fan_in: text("5"),
            name: String::new(),
            speculation: text("resume"),
            quantile: text("0.75"),
            multiplier: text("1.2"),
            sum: String::new(),
            min: String::new(),
            max: String::new(),
            variance: String::new(),
            std: String::new(),
        }
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
        let mut form = JobForm::default();
        for (name, field) in form.fields_mut() {
            // As a link names it, or as the form itself does.
            let typed = query.get_str(name);
            if let Some(typed) = typed.or_else(|| query.get_str(&format!("form[{name}]"))) {
                typed.clone_into(field);
            }
        }
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
        let mut form = self.clone();
        for (name, field) in form.fields_mut() {
            query.insert(name, std::mem::take(field));
        }
        let field = refusal.field.clone().unwrap_or_default();
        let texts = [field, refusal.detail.clone(), refusal.remedy.clone()];
        for (word, text) in REFUSAL_WORDS.into_iter().zip(texts) {
            query.insert(word, text);
        }
        format!("/{}#new-job", query.to_query_string())
    }

    /// The request that the form stands for; fails with a problem that names
    /// the field.
    pub fn request(&self) -> Result<JobRequest, Problem> {
        let mut request = JobRequest::new(self.inputs()?);
        let name = self.name.trim();
        request.name = (!name.is_empty()).then(|| name.to_owned());
        let workers = self.workers.trim();
        if !workers.is_empty() {
            request.workers = Some(whole_number("workers", workers, 1)?);
        }
        request.fan_in = self.fan_in.parse().map_err(|_| {
            refused("fan_in", "P is “auto” or a whole number from 2.", &self.fan_in)
        })?;
        request.speculation = Speculation::from_word(&self.speculation).unwrap_or_default();
        if request.speculation.enabled {
            request.speculation.quantile =
                number_between("quantile", &self.quantile, 0.0, 1.0, request.speculation.quantile)?;
            request.speculation.multiplier = number_between(
                "multiplier",
                &self.multiplier,
                1.0,
                1000.0,
                request.speculation.multiplier,
            )?;
        }
        request.raw = self.raw();
        request.statistics = [
            (&self.sum, Statistic::Sum),
            (&self.min, Statistic::Min),
            (&self.max, Statistic::Max),
            (&self.variance, Statistic::Variance),
            (&self.std, Statistic::Std),
        ]
        .into_iter()
        .filter_map(|(checked, statistic)| (!checked.is_empty()).then_some(statistic))
        .collect();
        Ok(request)
    }

    fn inputs(&self) -> Result<Inputs, Problem> {
        if self.source == "prefix" {
            let prefix = self.prefix.trim();
            if prefix.is_empty() {
                return Err(Problem::new(ProblemKind::InvalidRequest, "The prefix is missing.")
                    .field("prefix")
                    .remedy("Name the folder of the store that holds your files."));
            }
            return Ok(Inputs::Prefix(prefix.to_owned()));
        }
        Ok(Inputs::Generate(Generate {
            files: whole_number("files", &self.files, 1)?,
            count: whole_number("count", &self.count, 1)?,
            format: match self.format.as_str() {
                "npy" => GeneratedFormat::Npy,
                _ => GeneratedFormat::Csv,
            },
            seed: whole_number("seed", &self.seed, 0)?,
        }))
    }

    /// How bare numbers are read, if they are bare; generated ones never are.
    fn raw(&self) -> Option<RawNumbers> {
        match (self.source.as_str(), self.raw.as_str()) {
            ("prefix", "f32") => Some(RawNumbers::F32),
            ("prefix", "f64") => Some(RawNumbers::F64),
            _ => None,
        }
    }

    /// All fields under the names that they have in the form and in the query.
    fn fields_mut(&mut self) -> [(&'static str, &mut String); 18] {
        [
            ("source", &mut self.source),
            ("files", &mut self.files),
            ("count", &mut self.count),
            ("format", &mut self.format),
            ("seed", &mut self.seed),
            ("prefix", &mut self.prefix),
            ("raw", &mut self.raw),
            ("workers", &mut self.workers),
            ("fan_in", &mut self.fan_in),
            ("name", &mut self.name),
            ("speculation", &mut self.speculation),
            ("quantile", &mut self.quantile),
            ("multiplier", &mut self.multiplier),
            ("sum", &mut self.sum),
            ("min", &mut self.min),
            ("max", &mut self.max),
            ("variance", &mut self.variance),
            ("std", &mut self.std),
        ]
    }
}

/// The field of the form that a problem lies in. A problem of the backend names
/// the field of the request, such as `inputs.generate.files`, whose last word is
/// the form's.
#[must_use]
pub fn field_of(problem: &Problem) -> Option<&str> {
    problem.field.as_deref()?.rsplit('.').next()
}

/// A whole number from `least`; digits may be grouped by spaces or underscores.
fn whole_number<T>(field: &'static str, typed: &str, least: T) -> Result<T, Problem>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let digits: String =
        typed.chars().filter(|character| !character.is_whitespace() && *character != '_').collect();
    match digits.parse() {
        Ok(number) if number >= least => Ok(number),
        _ => Err(refused(field, &format!("A whole number from {least} is needed here."), typed)),
    }
}

/// A number from `least` to `most`, or `default` if nothing was typed.
fn number_between(
    field: &'static str,
    typed: &str,
    least: f64,
    most: f64,
    default: f64,
) -> Result<f64, Problem> {
    match typed.trim() {
        "" => Ok(default),
        text => match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(refused(
                field,
                &format!("A number from {least} to {most} is needed here."),
                typed,
            )),
        },
    }
}

fn refused(field: &'static str, rule: &str, typed: &str) -> Problem {
    let detail = if typed.trim().is_empty() {
        rule.to_owned()
    } else {
        format!("{rule} “{typed}” is not one.")
    };
    Problem::new(ProblemKind::InvalidRequest, detail).field(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::FanIn;
    use protocol::job::SpeculationPolicy;

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
        let text = str::to_owned;
        let request = JobForm {
            source: text("prefix"),
            prefix: text(" climate/ "),
            raw: text("f32"),
            workers: text(""),
            fan_in: text("auto"),
            name: text("ensemble mean"),
            speculation: text("original"),
            quantile: text("0.9"),
            multiplier: text("3"),
            min: text("on"),
            std: text("on"),
            ..JobForm::default()
        }
        .request()
        .unwrap();
        assert_eq!(request.inputs, Inputs::Prefix(text("climate/")));
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
        let refused_field = |change: fn(&mut JobForm)| {
            let mut form = JobForm::default();
            change(&mut form);
            form.request().unwrap_err().field.unwrap()
        };
        assert_eq!(refused_field(|form| form.files = "0".into()), "files");
        assert_eq!(refused_field(|form| form.count = "1e4".into()), "count");
        assert_eq!(refused_field(|form| form.seed = "-1".into()), "seed");
        assert_eq!(refused_field(|form| form.workers = "two".into()), "workers");
        assert_eq!(refused_field(|form| form.fan_in = "1".into()), "fan_in");
        assert_eq!(refused_field(|form| form.quantile = "75".into()), "quantile");
        assert_eq!(refused_field(|form| form.multiplier = "NaN".into()), "multiplier");
        assert_eq!(refused_field(|form| form.source = "prefix".into()), "prefix");
    }

    #[test]
    fn digits_may_be_grouped() {
        assert_eq!(whole_number("count", " 10 000_000 ", 1_u64), Ok(10_000_000));
    }

    #[test]
    fn a_refused_form_comes_back_with_all_that_was_typed() {
        let typed = JobForm {
            files: "forty & more".to_owned(),
            name: "a=b?".to_owned(),
            workers: String::new(),
            ..JobForm::default()
        };
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
        assert_eq!(back.field.as_deref(), Some("files"));
        assert_eq!(back.detail, refusal.detail);
        assert_eq!(back.remedy, "Write 40.");
    }

    #[test]
    fn the_backends_names_of_fields_end_in_the_forms() {
        let problem = Problem::new(ProblemKind::InvalidRequest, "").field("inputs.generate.files");
        assert_eq!(field_of(&problem), Some("files"));
    }
}
