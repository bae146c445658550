//! What a result was made from, and how to check it.

use leptos::prelude::*;
use protocol::request::{Choice, Generate};
use protocol::result::StoredFile;
use protocol::{Inputs, JobId, JobRequest, JobSnapshot};

use crate::backend::{caller, host};
use crate::format::count;
use crate::paths::{JobTab, job_path};

/// What a job was asked: its inputs and its settings, with a link to the list of its
/// files.
#[component]
pub fn Provenance(
    /// The job.
    job: JobSnapshot,
) -> impl IntoView {
    let id = job.id;
    let rows = inputs_of(&job.request)
        .into_iter()
        .map(|(label, value)| view! { <Row label value /> })
        .collect_view();
    let settings = settings_of(&job.request);
    view! {
        <section class="card provenance" aria-labelledby="provenance-heading">
            <header class="card-header">
                <h2 id="provenance-heading">"Provenance"</h2>
                <a class="card-header-link" href=JobTab::Inputs.path(id)>
                    "Files, sizes and versions"
                </a>
            </header>
            <dl class="figures">
                {rows} <Row label="Settings" value=settings />
                <Row label="Address" value=format!("{}{}", host(), job_path(id)) />
            </dl>
        </section>
    }
}

/// The hash of a result, and a command that verifies a download.
#[component]
pub fn Verification(
    /// The id of the job.
    id: JobId,
    /// The stored file of the mean.
    file: StoredFile,
) -> impl IntoView {
    let url = format!("{}/api/jobs/{id}/result?format=npy", host());
    let needs_token = caller().is_some_and(|caller| caller.is_restricted);
    let token = if needs_token { "-H \"Authorization: Bearer $TOKEN\" " } else { "" };
    let command = format!("curl -fsS {token}'{url}' | sha256sum -c <(echo '{}  -')", file.sha256);
    let hint = match needs_token {
        true => "With your token in TOKEN, downloads the mean and compares its hash (bash):",
        false => "Downloads the mean and compares its hash (bash):",
    };
    view! {
        <dl class="figures verification">
            <Row label="SHA-256 of the .npy" value=file.sha256 />
        </dl>
        <details class="snippet">
            <summary>"Verify"</summary>
            <p class="hint">{hint}</p>
            <pre tabindex="0">
                <code>{command}</code>
            </pre>
        </details>
    }
}

#[component]
fn Row(label: &'static str, value: String) -> impl IntoView {
    view! {
        <div class="figure">
            <dt>{label}</dt>
            <dd>
                <code>{value}</code>
            </dd>
        </div>
    }
}

/// The inputs of a request, as labelled values.
fn inputs_of(request: &JobRequest) -> Vec<(&'static str, String)> {
    match &request.inputs {
        Inputs::Prefix(prefix) => vec![("Folder in the store", prefix.clone())],
        Inputs::Objects(objects) => listed(objects, objects.len() as u64),
        Inputs::Shortened(list) => listed(&list.first, list.count),
        Inputs::Generate(Generate { files, count: numbers, format, seed }) => vec![
            ("Generated files", count(*files)),
            ("Numbers per file", count(*numbers)),
            ("Format", format.word().to_owned()),
            ("Seed", seed.to_string()),
        ],
    }
}

fn listed(first: &[String], objects: u64) -> Vec<(&'static str, String)> {
    let first = first.first().cloned().unwrap_or_default();
    vec![("Files listed", count(objects)), ("First file", first)]
}

/// The settings of a request, as in the JSON API, without the inputs and the name.
fn settings_of(request: &JobRequest) -> String {
    let mut json = serde_json::to_value(request).unwrap_or_default();
    if let Some(fields) = json.as_object_mut() {
        fields.remove("inputs");
        fields.remove("name");
    }
    json.to_string()
}

#[cfg(test)]
mod tests {
    use protocol::request::GeneratedFormat;

    use super::*;

    #[test]
    fn a_named_job_shows_its_folder_or_its_seed() {
        let mut request = JobRequest::new(Inputs::Prefix("climate/".to_owned()));
        request.name = Some("a name".to_owned());
        assert_eq!(inputs_of(&request), [("Folder in the store", "climate/".to_owned())]);
        assert!(!settings_of(&request).contains("a name"));
        request.inputs = Inputs::Generate(Generate {
            files: 4,
            count: 5,
            format: GeneratedFormat::Csv,
            seed: 77,
        });
        assert_eq!(inputs_of(&request).last(), Some(&("Seed", "77".to_owned())));
        request.inputs = Inputs::Objects(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(inputs_of(&request)[0], ("Files listed", "2".to_owned()));
    }
}
