//! What a job is called.

use protocol::request::Generate;
use protocol::{Inputs, JobSnapshot};

use super::count;

/// A job's name, or what stands in for one.
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
            let (files, numbers) = (count(*files), count(*numbers));
            format!("{files} generated {} files × {numbers} numbers", format.extension())
        }
    }
}
