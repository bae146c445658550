//! A request as it is made from a terminal: with curl, in Python, and by the command line.

use protocol::request::{Choice, Generate, Header, OtherFiles, Weights};
use protocol::{Inputs, JobId, JobRequest};
use serde_json::Value;

/// The file that the snippets write.
const RESULT: &str = "mean.npy";
/// The folder on the user's machine into which inputs are generated or downloaded.
const FOLDER: &str = "inputs";

/// Where a server is, and what it asks of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its origin: `http://127.0.0.1:3000`.
    pub origin: String,
    /// Whether a request has to carry a token, which the snippets take from `TOKEN`.
    pub needs_token: bool,
}

/// What is sent to have a job computed: a path, and a body.
struct Submission {
    path: String,
    body: Option<String>,
}

impl Submission {
    fn of_request(request: &JobRequest) -> Submission {
        Submission { path: "/api/jobs".to_owned(), body: Some(shortest_json(request)) }
    }

    /// The request of a job, or what runs it again if only the server knows all of that.
    fn of_job(id: JobId, request: &JobRequest) -> Submission {
        let is_shown = !matches!(request.inputs, Inputs::Shortened(_))
            && !matches!(request.weights, Some(Weights::Shortened(_)))
            && !request.webhook.as_ref().is_some_and(protocol::request::Webhook::is_shortened);
        match is_shown {
            true => Submission::of_request(request),
            false => Submission { path: format!("/api/jobs/{id}/rerun"), body: None },
        }
    }
}

/// A request as curl, in Python and by the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippets {
    /// For a shell with curl.
    pub curl: String,
    /// For Python, with nothing installed.
    pub python: String,
    /// For a shell with the program, on the user's machine; `None` where that cannot do the
    /// same.
    pub command: Option<String>,
}

impl Snippets {
    /// The snippets of a request.
    #[must_use]
    pub fn of_request(request: &JobRequest, server: &Server) -> Snippets {
        Snippets::new(&Submission::of_request(request), request, server)
    }

    /// The snippets that ask for the same as a job. Responses shorten long lists of inputs,
    /// so such a job is run again by its id.
    #[must_use]
    pub fn of_job(id: JobId, request: &JobRequest, server: &Server) -> Snippets {
        Snippets::new(&Submission::of_job(id, request), request, server)
    }

    fn new(submission: &Submission, request: &JobRequest, server: &Server) -> Snippets {
        Snippets {
            curl: curl(submission, server),
            python: python(submission, server),
            command: command(request, server),
        }
    }
}

/// A request as JSON, without what is the default.
fn shortest_json(request: &JobRequest) -> String {
    let json = |request: &JobRequest| serde_json::to_value(request).unwrap_or_default();
    let default = json(&JobRequest::new(request.inputs.clone()));
    let mut asked = json(request);
    if let Some(fields) = asked.as_object_mut() {
        let is_default = |key: &str, value: &Value| default.get(key) == Some(value);
        fields.retain(|key, value| key == "inputs" || !is_default(key, value));
    }
    serde_json::to_string_pretty(&asked).unwrap_or_default()
}

fn curl(submission: &Submission, server: &Server) -> String {
    let Submission { path, body } = submission;
    let token = if server.needs_token { " -H \"Authorization: Bearer $TOKEN\"" } else { "" };
    let body = match body {
        Some(body) => format!(" -H 'Content-Type: application/json' -d {}", quoted(body)),
        None => " -X POST".to_owned(),
    };
    format!(
        r#"server={server}
job=$(curl -fsS{token} "$server{path}"{body} |
  grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4)
until curl -fsS{token} "$server/api/jobs/$job?wait=30s" |
  grep -Eq '"phase":"(done|failed|cancelled)"'; do sleep 1; done
curl -fsS{token} "$server/api/jobs/$job/result?format=npy" -o {RESULT}
"#,
        server = quoted(&server.origin),
    )
}

fn python(submission: &Submission, server: &Server) -> String {
    let Submission { path, body } = submission;
    let import = if server.needs_token { "import json\nimport os" } else { "import json" };
    let token = match server.needs_token {
        true => ", \"Authorization\": \"Bearer \" + os.environ[\"TOKEN\"]",
        false => "",
    };
    // No text of JSON has three quotation marks in a row, but for those that a backslash
    // precedes, and such a text of Python takes backslashes as they are.
    let body = format!("r\"\"\"{}\"\"\"", body.as_deref().unwrap_or_default());
    format!(
        r#"{import}
from urllib.request import Request, urlopen

server = {server}
request = {body}


def call(path, body=None):
    headers = {{"Content-Type": "application/json"{token}}}
    return urlopen(Request(server + path, body, headers))


job = json.load(call("{path}", request.encode()))
while job["phase"] not in ("done", "failed", "cancelled"):
    job = json.load(call(f"/api/jobs/{{job['id']}}?wait=30s"))
if job["phase"] != "done":
    raise SystemExit((job.get("error") or {{}}).get("detail", job["phase"]))
with open("{RESULT}", "wb") as file:
    file.write(call(f"/api/jobs/{{job['id']}}/result?format=npy").read())
"#,
        // A text of JSON is one of Python.
        server = Value::from(server.origin.as_str()),
    )
}

/// The same on the user's machine: the inputs are generated or downloaded first.
fn command(request: &JobRequest, server: &Server) -> Option<String> {
    let has_more = request.raw.is_some()
        || request.weights.is_some()
        || request.output.location.is_some()
        || request.other_files != OtherFiles::default();
    if has_more {
        return None;
    }
    let (before, inputs) = match &request.inputs {
        Inputs::Generate(Generate { files, count, format, seed }) => {
            let format = format.word();
            let before = format!(
                "distributed-average generate {FOLDER} --files {files} --count {count} \
                 --format {format} --seed {seed}\n"
            );
            (before, FOLDER.to_owned())
        }
        Inputs::Prefix(prefix) if !prefix.contains("://") => {
            // A prefix may end within the names of files.
            let folder = &prefix[..prefix.rfind('/').map_or(0, |at| at + 1)];
            (download(prefix, server), format!("{FOLDER}/{folder}"))
        }
        Inputs::Prefix(place) => (String::new(), place.strip_prefix("file://")?.to_owned()),
        Inputs::Objects(_) | Inputs::Manifest(_) | Inputs::Shortened(_) => return None,
    };
    let flags: String = flags(request).iter().map(|flag| format!(" {flag}")).collect();
    let mean = format!("distributed-average mean {}{flags}", quoted(&inputs));
    Some(format!("{before}{mean} --output {}\n", output(request)))
}

/// The file that the command line writes: the type of numbers is one of those that have it.
fn output(request: &JobRequest) -> &'static str {
    if request.output.dtype.is_some() { "mean.safetensors" } else { RESULT }
}

/// Downloads the files below a prefix of the store into a folder.
fn download(prefix: &str, server: &Server) -> String {
    let token = if server.needs_token { " -H \"Authorization: Bearer $TOKEN\"" } else { "" };
    format!(
        r#"server={server}
curl -fsS{token} -G "$server/api/files" --data-urlencode {asked} |
  grep -o '"key":"[^"]*"' | cut -d '"' -f 4 |
  while read -r key; do
    curl -fsS{token} --create-dirs -o "{FOLDER}/$key" "$server/api/files/$key"
  done
"#,
        server = quoted(&server.origin),
        asked = quoted(&format!("prefix={prefix}")),
    )
}

/// The flags of `distributed-average mean` for what is not the default.
fn flags(request: &JobRequest) -> Vec<String> {
    let default = JobRequest::new(request.inputs.clone());
    let listed = |words: Vec<&str>| (!words.is_empty()).then(|| words.join(","));
    let mode = request.speculation.mode();
    let header = request.header.filter(|header| *header != Header::Auto);
    let values = [
        ("--workers", request.workers.map(|workers| workers.to_string())),
        ("--fan-in", (request.fan_in != default.fan_in).then(|| request.fan_in.to_string())),
        ("--speculation", (mode != default.speculation.mode()).then(|| mode.word().to_owned())),
        ("--statistics", listed(request.statistics.iter().map(|it| it.word()).collect())),
        ("--missing", request.missing.map(|it| it.word().to_owned())),
        ("--header", header.map(|it| it.word().to_owned())),
        ("--select", listed(request.select.iter().map(String::as_str).collect())),
        ("--key", request.key.clone()),
        ("--dtype", request.output.dtype.map(|it| it.word().to_owned())),
    ];
    let flag = |(name, value): (&str, Option<String>)| {
        value.map(|value| format!("{name} {}", quoted(&value)))
    };
    values.into_iter().filter_map(flag).collect()
}

/// A text as one word of a shell: within single quotation marks, unless it is a plain word.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use protocol::Timestamp;
    use protocol::request::{GeneratedFormat, Missing, Shortened, SpeculationMode, Statistic};

    use super::*;

    fn server(needs_token: bool) -> Server {
        Server { origin: "http://127.0.0.1:3000".to_owned(), needs_token }
    }

    fn generated() -> JobRequest {
        let data = Generate { files: 4, count: 5, format: GeneratedFormat::Csv, seed: 7 };
        JobRequest::new(Inputs::Generate(data))
    }

    #[test]
    fn the_body_is_the_request_without_its_defaults() {
        let mut request = generated();
        request.name = Some("it's \"it\"".to_owned());
        request.workers = Some(3);
        let json = shortest_json(&request);
        let read: JobRequest = serde_json::from_str(&json).unwrap();
        assert_eq!(read, request);
        assert!(!json.contains("speculation") && !json.contains("fan_in"), "{json}");
        let shown = Snippets::of_request(&request, &server(false));
        assert!(shown.curl.contains(r#"it'\''s \"it\""#), "{}", shown.curl);
        assert!(shown.python.contains(r#"it's \"it\""#), "{}", shown.python);
    }

    #[test]
    fn a_token_is_sent_where_the_server_asks_for_one() {
        let [open, restricted] =
            [false, true].map(|needs| Snippets::of_request(&generated(), &server(needs)));
        assert!(!open.curl.contains("TOKEN") && !open.python.contains("TOKEN"));
        assert_eq!(restricted.curl.matches("Bearer $TOKEN").count(), 3);
        assert!(restricted.python.contains("os.environ[\"TOKEN\"]"));
    }

    #[test]
    fn the_command_line_generates_the_same_data() {
        let mut request = generated();
        request.statistics = vec![Statistic::Sum, Statistic::Count];
        request.missing = Some(Missing::Skip);
        request.speculation = SpeculationMode::Off.settings();
        let command = Snippets::of_request(&request, &server(false)).command.unwrap();
        assert_eq!(
            command,
            "distributed-average generate inputs --files 4 --count 5 --format csv --seed 7\n\
             distributed-average mean inputs --speculation off --statistics sum,count \
             --missing skip --output mean.npy\n"
        );
    }

    #[test]
    fn files_of_the_store_are_downloaded_first() {
        let request = JobRequest::new(Inputs::Prefix("rain & sun/".to_owned()));
        let command = Snippets::of_request(&request, &server(false)).command.unwrap();
        assert!(command.contains("--data-urlencode 'prefix=rain & sun/'"), "{command}");
        assert!(command.ends_with("mean 'inputs/rain & sun/' --output mean.npy\n"), "{command}");
        let s3 = JobRequest::new(Inputs::Prefix("s3://bucket/".to_owned()));
        assert_eq!(Snippets::of_request(&s3, &server(false)).command, None);
    }

    #[test]
    fn a_job_whose_inputs_are_not_all_shown_is_run_again_by_its_id() {
        let id = JobId::from_parts(Timestamp::from_millis(1), 1);
        let list = Shortened { count: 100, first: vec!["a".to_owned()] };
        let request = JobRequest::new(Inputs::Shortened(list));
        let shown = Snippets::of_job(id, &request, &server(false));
        assert!(shown.curl.contains(&format!("/api/jobs/{id}/rerun\" -X POST")), "{}", shown.curl);
        assert_eq!(shown.command, None);
        let shown = Snippets::of_job(id, &generated(), &server(false));
        assert_eq!(shown, Snippets::of_request(&generated(), &server(false)));
    }
}
