//! What a result was made from, and how to check it.

use leptos::prelude::*;
use protocol::job::WeightSummary;
use protocol::request::{Choice, Generate};
use protocol::result::StoredFile;
use protocol::{Inputs, JobId, JobRequest, JobSnapshot, Role};

use crate::backend::{caller, caller_may, host};
use crate::format::count;
use crate::pages::snippets::{SnippetList, this_server};
use crate::paths::{JobTab, files_path, job_path};
use crate::snippets::Snippets;

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
    let weights = job.inputs.weights.as_ref().map(|weights| {
        let value = weights_in_words(weights);
        view! { <Row label="Weights" value /> }
    });
    let settings = settings_of(&job.request);
    let snippets = Snippets::of_job(id, &job.request, &this_server());
    let folder = match &job.request.inputs {
        Inputs::Prefix(prefix) => Some(folder_of(prefix)),
        Inputs::Objects(_) | Inputs::Manifest(_) | Inputs::Shortened(_) | Inputs::Generate(_) => {
            None
        }
    };
    view! {
        <section class="card provenance" aria-labelledby="provenance-heading">
            <header class="card-header">
                <h2 id="provenance-heading">"Provenance"</h2>
                <a class="card-header-link" href=JobTab::Inputs.path(id)>
                    "Files, sizes and versions"
                </a>
            </header>
            <dl class="figures">
                {rows} {folder} {weights} <Row label="Settings" value=settings />
                <Row label="Address" value=format!("{}{}", host(), job_path(id)) />
            </dl>
            <details class="snippet" id="request">
                <summary>"This request with curl, in Python and by the command line"</summary>
                <SnippetList snippets />
            </details>
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

/// The folder of the inputs, a link to its page if it is one of the store.
fn folder_of(prefix: &str) -> impl IntoView + use<> {
    let is_whole = prefix.trim_matches('/').is_empty();
    let folder = if is_whole { String::new() } else { prefix[..end_of_folder(prefix)].to_owned() };
    let is_shown = !prefix.contains("://") && caller_may(Role::View);
    let words = if is_whole { "the whole store".to_owned() } else { prefix.to_owned() };
    let shown = match is_shown {
        true => view! { <a href=files_path(&folder)>{words}</a> }.into_any(),
        false => words.into_any(),
    };
    view! {
        <div class="figure">
            <dt>"Folder in the store"</dt>
            <dd>
                <code>{shown}</code>
            </dd>
        </div>
    }
}

/// Where the last folder that a prefix names ends: `in/` of `in/2024-`.
fn end_of_folder(prefix: &str) -> usize {
    prefix.rfind('/').map_or(0, |at| at + 1)
}

/// The inputs of a request, as labelled values.
fn inputs_of(request: &JobRequest) -> Vec<(&'static str, String)> {
    match &request.inputs {
        // It is a link.
        Inputs::Prefix(_) => Vec::new(),
        Inputs::Manifest(manifest) => vec![("Manifest", manifest.clone())],
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

/// The weights of the inputs: their range, and how many files they leave out.
fn weights_in_words(weights: &WeightSummary) -> String {
    let range = match weights.min == weights.max {
        true => format!("all {:?}", weights.min),
        false => format!("{:?} to {:?}", weights.min, weights.max),
    };
    match weights.left_out {
        0 => range,
        files => format!("{range}; files with weight 0, left out: {}", count(files)),
    }
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
        assert!(inputs_of(&request).is_empty());
        let ends = ["climate/", "in/2024-", "in"].map(|prefix| &prefix[..end_of_folder(prefix)]);
        assert_eq!(ends, ["climate/", "in/", ""]);
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

    #[test]
    fn weights_are_told_by_their_range() {
        let mut weights = WeightSummary { min: 0.5, max: 20.0, left_out: 0 };
        assert_eq!(weights_in_words(&weights), "0.5 to 20.0");
        weights = WeightSummary { min: 1e-5, max: 1e-5, left_out: 1200 };
        let told = weights_in_words(&weights);
        assert!(told.starts_with("all 1e-5; files with weight 0, left out: 1"), "{told}");
    }
}
