//! The title of a job.

use protocol::request::Generate;
use protocol::{Inputs, JobSnapshot};

use super::{count, plural};

/// The name of a job, or else a description of its inputs.
#[must_use]
pub fn job_title(job: &JobSnapshot) -> String {
    match (&job.request.name, &job.request.inputs) {
        (Some(name), _) if !name.trim().is_empty() => name.clone(),
        (_, Inputs::Prefix(prefix)) => prefix.clone(),
        (_, Inputs::Objects(objects)) => match objects.as_slice() {
            [only] => only.clone(),
            [first, rest @ ..] => format!("{first} and {} more", count(rest.len() as u64)),
            [] => "no objects".to_owned(),
        },
        (_, Inputs::Generate(Generate { files, count: numbers, format, .. })) => {
            let noun = if *files == 1 { "file" } else { "files" };
            let numbers = plural(*numbers, "number", "numbers");
            format!("{} generated {} {noun} × {numbers}", count(*files), format.extension())
        }
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
}
