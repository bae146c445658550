//! The title of a job.

use protocol::request::Generate;
use protocol::{Inputs, JobSnapshot};

use super::{count, plural};

/// The name of a job, or else a description of its inputs.
#[must_use]
pub fn job_title(job: &JobSnapshot) -> String {
    match (&job.request.name, &job.request.inputs) {
        (Some(name), _) if !name.trim().is_empty() => name.clone(),
        (_, Inputs::Prefix(prefix)) if prefix.trim_matches('/').is_empty() => {
            "the whole store".to_owned()
        }
        (_, Inputs::Prefix(name) | Inputs::Manifest(name)) => name.clone(),
        (_, Inputs::Objects(objects)) => list_title(objects.first(), objects.len() as u64),
        (_, Inputs::Shortened(list)) => list_title(list.first.first(), list.count),
        (_, Inputs::Generate(Generate { files, count: numbers, format, .. })) => {
            let noun = if *files == 1 { "file" } else { "files" };
            let numbers = plural(*numbers, "number", "numbers");
            format!("{} generated {} {noun} × {numbers}", count(*files), format.extension())
        }
    }
}

fn list_title(first: Option<&String>, objects: u64) -> String {
    match (first, objects) {
        (Some(only), 1) => only.clone(),
        (Some(first), _) => format!("{first} and {} more", count(objects.saturating_sub(1))),
        (None, 0) => "no objects".to_owned(),
        (None, _) => plural(objects, "object", "objects"),
    }
}

#[cfg(test)]
mod tests {
    use protocol::request::GeneratedFormat;
    use protocol::{JobId, JobRequest, Timestamp};

    use super::*;

    #[test]
    fn one_file_and_one_number_are_singular() {
        let title = |files, count| {
            let format = GeneratedFormat::Csv;
            let request =
                JobRequest::new(Inputs::Generate(Generate { files, count, format, seed: 0 }));
            let at = Timestamp::from_millis(1);
            job_title(&JobSnapshot::submitted(JobId::from_parts(at, 1), request, 1, at))
        };
        assert_eq!(title(1, 1), "1 generated csv file × 1\u{a0}number");
        assert_eq!(title(2, 10), "2 generated csv files × 10\u{a0}numbers");
    }

    #[test]
    fn a_prefix_that_is_empty_is_the_whole_store() {
        let title = |prefix: &str| {
            let request = JobRequest::new(Inputs::Prefix(prefix.to_owned()));
            let at = Timestamp::from_millis(1);
            job_title(&JobSnapshot::submitted(JobId::from_parts(at, 1), request, 1, at))
        };
        assert_eq!((title(""), title("/")), ("the whole store".into(), "the whole store".into()));
        assert_eq!(title("in/"), "in/");
    }

    #[test]
    fn a_list_is_named_by_its_first_object_also_when_it_is_shortened() {
        let title = |objects: usize| {
            let request = JobRequest::new(Inputs::Objects(vec!["in/a".to_owned(); objects]));
            let at = Timestamp::from_millis(1);
            job_title(&JobSnapshot::submitted(JobId::from_parts(at, 1), request, 1, at))
        };
        assert_eq!(title(0), "no objects");
        assert_eq!(title(1), "in/a");
        assert_eq!(title(2), "in/a and 1 more");
        assert_eq!(title(1000), "in/a and 999 more");
    }
}
