//! Jobs, results, workers and files through HTTP.

use protocol::request::{Choice, Statistic};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::Events;
use super::exact;
use super::running::Running;

fn generated(files: u64, count: u64, format: &str) -> Value {
    json!({"generate": {"files": files, "count": count, "format": format, "seed": 7}})
}

/// The generated inputs of a job, as its server lists and serves them.
async fn inputs_of(running: &Running, job: &str) -> Vec<Vec<f64>> {
    let listed = running.get_json(&format!("/api/files?prefix=jobs/{job}/inputs/")).await;
    let mut arrays = Vec::new();
    for file in listed["files"].as_array().expect("files") {
        let key = file["key"].as_str().expect("a key");
        let bytes = running.get(&format!("/api/files/{key}")).await.bytes().await.expect("bytes");
        arrays.push(match key.ends_with(".npy") {
            true => exact::parse_npy(&bytes),
            false => exact::parse(std::str::from_utf8(&bytes).expect("text")),
        });
    }
    arrays
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_job_ends_with_the_exact_mean() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for format in ["csv", "npy"] {
        let request = json!({"inputs": generated(40, 10_000, format), "workers": 2, "fan_in": 5});
        let job = running.submit(&request).await;
        let ended = running.follow(&job).await;
        assert_eq!(ended["phase"], "done", "{}", ended["error"]);
        let tasks: Vec<u64> = ended["progress"]
            .as_array()
            .unwrap()
            .iter()
            .map(|level| {
                assert_eq!(level["tasks"], level["completed"]);
                level["tasks"].as_u64().unwrap()
            })
            .collect();
        assert_eq!(tasks, [8, 2, 1], "the tree of fan-in 5 over 40 objects");
        let inputs = inputs_of(&running, &job).await;
        assert_eq!(inputs.len(), 40);
        let expected = exact::mean(&inputs);
        assert_eq!(expected.len(), 10_000);
        let result = running.result(&job).await;
        assert_eq!(exact::bits(&result), exact::bits(&expected));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bits_do_not_depend_on_fan_in_or_workers() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let mut results = Vec::new();
    for (workers, fan_in) in [(1, json!(2)), (2, json!(3)), (4, json!(7)), (3, json!("auto"))] {
        let inputs = generated(23, 5_000, "npy");
        let request = json!({"inputs": inputs, "workers": workers, "fan_in": fan_in});
        results.push(exact::bits(&running.mean(&request).await));
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_jobs_at_once_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for (name, number) in [("a", 1.0), ("b", 100.0)] {
        for file in 0..30 {
            let numbers = vec![number + f64::from(file); 2_000];
            let bytes = exact::to_npy("2000,", &numbers);
            running.upload(&format!("{name}/{file:02}.npy"), bytes).await;
        }
    }
    let job = |name: &str| json!({"inputs": {"prefix": name}, "workers": 2, "fan_in": 2});
    let (a, b) = (job("a"), job("b"));
    let (a, b) = tokio::join!(running.mean(&a), running.mean(&b));
    assert_eq!(a, vec![15.5; 2_000]);
    assert_eq!(b, vec![114.5; 2_000]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_can_be_had_in_every_format_and_in_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    running.upload("in/1.csv", "0.1,-0.0,nan,1e308").await;
    running.upload("in/2.csv", "0.2;-0.0 3\r\n1e308\n").await;
    let job = running.submit(&json!({"inputs": {"prefix": "in"}, "name": "small"})).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(ended["request"]["name"], "small");
    assert_eq!(ended["result"]["nan_columns"], 1);
    let path = |format: &str| format!("/api/jobs/{job}/result?format={format}");
    let csv = running.get(&path("csv")).await.text().await.unwrap();
    assert_eq!(csv, "0.15000000000000002\n-0.0\nnan\n1e+308\n");
    let json = running.get_json(&path("json")).await;
    assert_eq!(json["mean"], json!([0.150_000_000_000_000_02, -0.0, "NaN", 1e308]));
    let whole = running.get(&path("npy")).await.bytes().await.unwrap();
    let url = format!("{}{}", running.url, path("npy"));
    let part = running.http.get(&url).header("range", "bytes=-16").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    let length = whole.len();
    let range = format!("bytes {}-{}/{length}", length - 16, length - 1);
    assert_eq!(part.headers()["content-range"], range.as_str());
    assert_eq!(part.bytes().await.unwrap(), whole[length - 16..]);
    let beyond = running.http.get(&url).header("range", "bytes=9999-").send().await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_begin_with_a_snapshot_and_resume_with_what_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let mut events = Events::open(&running, "/api/events", None).await;
    let first = events.next().await;
    assert_eq!(first.name, "snapshot");
    assert_eq!(first.data["jobs"], json!([]));
    let position = first.id.expect("an id");
    let job = running.submit(&json!({"inputs": generated(3, 10, "csv")})).await;
    running.follow(&job).await;
    let mut resumed = Events::open(&running, "/api/events", Some(&position)).await;
    loop {
        let event = resumed.next().await;
        assert_ne!(event.name, "snapshot", "a stream that can be resumed is");
        if event.name == "job" {
            assert_eq!(event.data["id"], job.as_str());
            assert_eq!(event.data["phase"], "done");
            break;
        }
    }
    let mut stale = Events::open(&running, "/api/events", Some("1-1")).await;
    assert_eq!(stale.next().await.name, "snapshot");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_can_be_cancelled_run_again_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    // Slow enough not to be done before it is cancelled.
    let running = Running::start_with(folder.path(), &["--slowness", "1000"]).await;
    let job = running.submit(&json!({"inputs": generated(200, 50_000, "csv")})).await;
    let path = format!("/api/jobs/{job}");
    let early = running.get(&format!("{path}/result")).await;
    assert_eq!(early.status(), StatusCode::CONFLICT);
    let url = format!("{}{path}", running.url);
    let purge = running.http.delete(format!("{url}?purge=true")).send().await.unwrap();
    assert_eq!(purge.status(), StatusCode::CONFLICT, "it is not over");
    let cancel = running.http.delete(&url).send().await.unwrap();
    assert_eq!(cancel.status(), StatusCode::ACCEPTED);
    assert_eq!(running.follow(&job).await["phase"], "cancelled");
    let again = running.http.delete(&url).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::CONFLICT);
    let rerun = running.post(&format!("{path}/rerun"), &json!({})).await;
    assert_eq!(rerun.status(), StatusCode::CREATED);
    let rerun: Value = rerun.json().await.unwrap();
    assert_ne!(rerun["id"], job.as_str());
    let purge = running.http.delete(format!("{url}?purge=true")).send().await.unwrap();
    assert_eq!(purge.status(), StatusCode::NO_CONTENT);
    assert_eq!(running.get(&path).await.status(), StatusCode::NOT_FOUND);
    let left = running.get_json(&format!("/api/files?prefix=jobs/{job}/")).await;
    assert_eq!(left["files"], json!([]));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_can_be_asked_for_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let set = |desired: Value| {
        let request = running.http.put(format!("{}/api/workers", running.url));
        request.json(&json!({ "desired": desired })).send()
    };
    let mut events = Events::open(&running, "/api/events", None).await;
    for desired in [5, 1] {
        assert_eq!(set(json!(desired)).await.unwrap().status(), StatusCode::OK);
        loop {
            let event = events.next().await;
            if event.name == "workers"
                && event.data["ready"] == desired
                && event.data["by_hand"] == desired
            {
                break;
            }
        }
    }
    let too_many = set(json!(1000)).await.unwrap();
    assert_eq!(too_many.status(), StatusCode::UNPROCESSABLE_ENTITY);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problems_say_what_was_wrong_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for (body, status, field) in [
        ("{", 400, None),
        (r#"{"inputs": {"prefix": "a"}, "worker": 2}"#, 400, Some("worker")),
        (r#"{"inputs": {"prefix": "a"}, "workers": 0}"#, 400, Some("workers")),
        (r#"{"inputs": {"prefix": "a"}, "fan_in": 1}"#, 400, Some("fan_in")),
        (
            r#"{"inputs": {"generate": {"files": 0, "count": 1}}}"#,
            400,
            Some("inputs.generate.files"),
        ),
    ] {
        let request = running.http.post(format!("{}/api/jobs", running.url));
        let request = request.header("content-type", "application/json").body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.status(), status, "{body}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["field"].as_str(), field, "{problem}");
    }
    for path in ["/api/jobs/nonsense", "/api/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/api/nothing"] {
        let response = running.get(path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_listed_page_by_page_and_the_programs_own_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for name in ["b", "a/2", "a/1"] {
        running.upload(name, "1").await;
    }
    running.follow(&running.submit(&json!({"inputs": {"prefix": "a"}})).await).await;
    let first = running.get_json("/api/files?limit=2").await;
    assert_eq!(
        first,
        json!({"files": [{"key": "a/1", "bytes": 1}, {"key": "a/2", "bytes": 1}], "cursor": "a/2"})
    );
    let second = running.get_json("/api/files?limit=2&cursor=a/2").await;
    assert_eq!(second, json!({"files": [{"key": "b", "bytes": 1}]}));
    for name in ["jobs", "index", "cleaning", "server.json", ".server.lock", ".unfinished"] {
        for rest in ["", "/", "/x", "%2Fx", "/a/b"] {
            let url = format!("{}/api/files/{name}{rest}", running.url);
            let refused = running.http.put(url).body("1").send().await.unwrap();
            assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{name}{rest}");
            let remedy = refused.json::<Value>().await.unwrap()["remedy"].to_string();
            assert!(remedy.contains(name), "{remedy}");
        }
    }
    // None of the above disturbs a job, or is listed.
    running.follow(&running.submit(&json!({"inputs": {"prefix": "a"}})).await).await;
    let all = running.get_json("/api/files").await;
    let all: Vec<_> = all["files"].as_array().unwrap().iter().map(|file| &file["key"]).collect();
    assert_eq!(all, ["a/1", "a/2", "b"]);
    let outside = running.http.put(format!("{}/api/files/a/%2e%2e/%2e%2e/x", running.url));
    let refused = outside.body("1").send().await.unwrap().status();
    assert!(refused.is_client_error(), "{refused}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_complete_without_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let request = json!({"inputs": generated(4, 100, "csv"), "name": "shown to others"});
    let job = running.submit(&request).await;
    running.follow(&job).await;
    for path in ["/".to_owned(), format!("/jobs/{job}")] {
        let page = running.get(&path).await;
        assert_eq!(page.status(), StatusCode::OK);
        let text = page.text().await.unwrap();
        assert!(text.contains("shown to others"), "{path}");
        assert!(text.contains("data-state=\"done\""), "{path}");
        let times: Vec<&str> = text.split(" datetime=\"").skip(1).collect();
        assert!(!times.is_empty(), "{path}");
        for time in times {
            let time = time.split('"').next().unwrap();
            // The form of RFC 3339, with every digit written as 0.
            let form = time.replace(|it: char| it.is_ascii_digit(), "0");
            assert_eq!(form, "0000-00-00T00:00:00Z", "{path}: {time}");
        }
    }
    assert_eq!(running.get("/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV").await.status(), 404);
    assert_eq!(running.get("/healthz").await.status(), 200);
    assert_eq!(running.get("/readyz").await.status(), 200);
    let metrics = running.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("distributed_average_jobs{phase=\"done\"} 1"), "{metrics}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_form_of_the_home_page_posts_what_is_typed_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let home = running.get("/").await.text().await.unwrap();
    let mut fields = vec![("form[files]".to_owned(), "2".to_owned())];
    for statistic in Statistic::ALL {
        let name = format!("form[statistics.{}]", statistic.word());
        assert!(home.contains(&format!("name=\"{name}\"")), "{name}: {home}");
        assert!(home.contains(statistic.title()), "{statistic:?}: {home}");
        fields.push((name, "on".to_owned()));
    }
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let browser = browser.build().unwrap();
    let post = async |fields: &[(String, String)]| {
        let pairs = fields.iter().map(|(name, typed)| {
            format!("{}={typed}", name.replace('[', "%5B").replace(']', "%5D"))
        });
        let request = browser
            .post(format!("{}/app/submit", running.url))
            .header("accept", "text/html")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(pairs.collect::<Vec<_>>().join("&"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FOUND);
        response.headers()["location"].to_str().unwrap().to_owned()
    };
    let job = post(&fields).await;
    let snapshot = running.get_json(&format!("/api{job}")).await;
    let words: Vec<&str> = Statistic::ALL.iter().map(|statistic| statistic.word()).collect();
    assert_eq!(snapshot["request"]["statistics"], json!(words));
    assert_eq!(snapshot["request"]["inputs"]["generate"]["files"], 2);

    fields[0].1 = "forty".to_owned();
    let refused = post(&fields).await;
    let page = running.get(refused.split('#').next().unwrap()).await.text().await.unwrap();
    assert!(page.contains("“forty” is not one"), "{page}");
    assert_eq!(page.matches("type=\"checkbox\" name=\"form[statistics.").count(), words.len());
    assert_eq!(page.matches("value=\"on\" checked").count(), words.len(), "they stay checked");
    let shown = page.find("data-field=\"files\"").unwrap();
    let explained = page.find("“forty” is not one").unwrap();
    assert!(shown < explained && explained < page.find("data-field=\"count\"").unwrap());

    let plan = running.get("/?plan=shown&files=12&fan_in=3").await.text().await.unwrap();
    assert!(plan.contains("id=\"plan\""), "{plan}");
    assert!(plan.contains("resume (last segment)"), "the speculation mode: {plan}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_seen_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let request = json!({"inputs": {"generate": {"files": 40, "count": 10_000, "format": "npy"}},
        "workers": 2, "fan_in": 5});
    let response = running.post("/api/plan", &request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let preview: Value = response.json().await.unwrap();
    assert_eq!(running.get_json("/api/jobs").await["jobs"], json!([]));
    let job = running.submit(&request).await;
    let ended = running.follow(&job).await;
    assert_eq!(preview["plan"]["levels"], ended["plan"]["levels"]);
    assert_eq!(preview["inputs"]["columns"], ended["inputs"]["columns"]);
    let bytes = |of: &Value| of["inputs"]["bytes"].as_f64().unwrap();
    assert!((bytes(&preview) / bytes(&ended) - 1.0).abs() < 0.02, "{preview} {ended}");
    let missing = running.post("/api/plan", &json!({"inputs": {"prefix": "nowhere"}})).await;
    assert_eq!(missing.status(), StatusCode::UNPROCESSABLE_ENTITY);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_are_served_in_every_format_if_they_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for (name, text) in ["a", "b", "c"].into_iter().zip(exact::THREE) {
        running.upload(&format!("in/{name}.csv"), text).await;
    }
    let asked: Vec<&str> = Statistic::ALL.iter().map(|statistic| statistic.word()).collect();
    let request = json!({"inputs": {"prefix": "in"}, "statistics": asked});
    let job = running.submit(&request).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(ended["result"]["statistics"], json!(asked));
    for &of_three in Statistic::ALL {
        let (statistic, expected) = (of_three.word(), exact::statistic_of_three(of_three));
        let path = |format| format!("/api/jobs/{job}/result?statistic={statistic}&format={format}");
        let npy = running.get(&path("npy")).await.bytes().await.unwrap();
        assert_eq!(exact::parse_npy(&npy), expected, "{statistic}");
        let text = running.get(&path("csv")).await.text().await.unwrap();
        assert_eq!(exact::parse(&text), expected, "{statistic}");
        assert_eq!(running.get_json(&path("json")).await[statistic], json!(expected));
    }
    let plain = running.submit(&json!({"inputs": {"prefix": "in"}})).await;
    running.follow(&plain).await;
    let absent = running.get(&format!("/api/jobs/{plain}/result?statistic=min")).await;
    assert_eq!(absent.status(), StatusCode::NOT_FOUND);
    running.stop().await;
}
