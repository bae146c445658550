//! Servers that stand by for the one that leads, on one folder.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;
use protocol::Role;
use reqwest::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use server::access::tokens::{generate, line};
use testbed::{freeze, thaw};
use tokio::time::{sleep, timeout};

use super::child::Child;
use super::client::{Client, Events, PATIENCE};
use super::exact;
use super::metrics::figures;
use super::running::Running;

/// The header of requests that were passed on.
const PASSED: &str = "x-distributed-average-passed";
/// Within what time after the death of the leader another one leads.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(10);

/// A leader and one that stands by for it.
pub(super) async fn two(folder: &Path, further: &[&str]) -> (Child, Child) {
    let leader = Child::start(folder, further).await;
    let standby = Child::start(folder, further).await;
    (leader, until_it_passes_on(standby).await)
}

/// Waits until a server that stands by knows the leader.
pub(super) async fn until_it_passes_on(standby: Child) -> Child {
    until(&standby, "/readyz", |response| response.status() == StatusCode::OK).await;
    standby
}

pub(super) async fn until(
    client: &Client,
    path: &str,
    is_so: impl Fn(&Response) -> bool,
) -> Response {
    let begun = Instant::now();
    loop {
        let response = client.get(path).await;
        if is_so(&response) {
            return response;
        }
        assert!(begun.elapsed() < PATIENCE, "{path}: {}", response.status());
        sleep(Duration::from_millis(20)).await;
    }
}

async fn text(response: Response) -> String {
    response.text().await.expect("a text")
}

async fn leads(client: &Client) -> bool {
    figures(client).await.sum("distributed_average_leader", &[]) > 0.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_by_answers_as_the_leader_does() {
    let folder = tempfile::tempdir().unwrap();
    let (leader, standby) = two(folder.path(), &[]).await;
    assert!(leads(&leader).await && !leads(&standby).await);
    let epoch = figures(&leader).await.sum("distributed_average_leader_epoch", &[]);
    assert_eq!(figures(&standby).await.sum("distributed_average_leader_epoch", &[]), epoch);
    let ready = text(standby.get("/readyz").await).await;
    assert!(ready.contains("stands by for ") && ready.contains(&leader.url), "{ready}");
    assert!(text(standby.get("/healthz").await).await.contains("stands by"));

    // A job with its events, its result and its page.
    let request = json!({"inputs": {"generate": {"files": 6, "count": 1000, "seed": 3}}});
    let job = standby.submit(&request).await;
    assert_eq!(standby.follow(&job).await["phase"], "done");
    assert_eq!(exact::bits(&standby.result(&job).await), exact::bits(&leader.result(&job).await));
    for path in ["/", "/jobs", &format!("/jobs/{job}"), "/api/docs", "/api/openapi.json"] {
        let (one, other) = (standby.get(path).await, leader.get(path).await);
        assert_eq!((one.status(), other.status()), (StatusCode::OK, StatusCode::OK), "{path}");
        for header in ["content-type", "content-security-policy", "etag"] {
            let values = [&one, &other].map(|it| it.headers().get(header).map(|_| ()));
            assert_eq!(values[0], values[1], "{path} {header}");
        }
        assert!(!one.headers().contains_key(PASSED));
    }
    assert_eq!(standby.get("/jobs/nobody").await.status(), 404);
    // A form, as a browser without scripts sends it, and a server function.
    let form = standby.http.post(format!("{}/app/submit", standby.url));
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let posted = form.body("").send().await.unwrap();
    let same = leader.http.post(format!("{}/app/submit", leader.url));
    let same = same.header("content-type", "application/x-www-form-urlencoded");
    let same = same.body("").send().await.unwrap();
    assert_eq!(posted.status(), same.status());
    let boundary = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.csv\"\r\n\
                    Content-Type: text/csv\r\n\r\n1,2\n\r\n--b--\r\n";
    let form = standby.http.post(format!("{}/files/upload", standby.url));
    let form = form.header("content-type", "multipart/form-data; boundary=b");
    let uploaded = form.body(boundary).send().await.unwrap();
    assert!(uploaded.status().is_success(), "{}", uploaded.status());
    // Parts of a download, and the id that the caller has given.
    let part = standby.http.get(format!("{}/api/jobs/{job}/result?format=npy", standby.url));
    let part = part.header("range", "bytes=0-9").header("x-request-id", "mine");
    let part = part.send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["x-request-id"], "mine");
    assert_eq!(part.bytes().await.unwrap().len(), 10);
    standby.stop().await;
    leader.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_streams_through_a_standby() {
    let folder = tempfile::tempdir().unwrap();
    let (leader, standby) = two(folder.path(), &[]).await;
    const PIECE: usize = 1 << 20;
    let before = standby.resident_bytes();
    let pieces = futures::stream::iter(0..50_u8)
        .map(|piece| Ok::<_, std::io::Error>(bytes::Bytes::from(vec![piece; PIECE])));
    standby.upload("in/large.bin", reqwest::Body::wrap_stream(pieces)).await;
    let grown = standby.resident_bytes().saturating_sub(before);
    println!("uploading 50 MiB through a standby took {} MiB of its memory", grown >> 20);
    assert!(grown < 25 << 20, "the standby holds {grown} bytes of it");
    let mut received = standby.get("/api/files/in/large.bin").await.bytes_stream();
    let mut position = 0;
    while let Some(chunk) = received.next().await {
        for byte in chunk.unwrap() {
            assert_eq!(usize::from(byte), position / PIECE);
            position += 1;
        }
    }
    assert_eq!(position, 50 * PIECE);
    // One that the leader refuses is refused with its words, however much follows.
    let refused = standby.http.put(format!("{}/api/files/jobs/x", standby.url));
    let refused = refused.body(vec![0; 8 << 20]).send().await;
    let refused = refused.expect("an answer");
    assert!(refused.status().is_client_error(), "{}", refused.status());
    standby.stop().await;
    leader.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_leader_is_killed_jobs_and_their_streams_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut leader, standby) = two(folder.path(), &["--slowness", "30"]).await;
    let by_hand = json!({"desired": 3});
    let set = standby.http.put(format!("{}/api/workers", standby.url)).json(&by_hand);
    assert!(set.send().await.unwrap().status().is_success());
    let inputs = json!({"generate": {"files": 40, "count": 20_000, "format": "csv", "seed": 9}});
    let job = standby.submit(&json!({"inputs": inputs, "fan_in": 2})).await;
    let path = format!("/api/jobs/{job}/events");
    let mut events = Events::open(&standby, &path, None).await;
    let last_id = loop {
        let event = events.next().await;
        assert_ne!(event.data["phase"], "done", "too fast to be interrupted");
        if event.data["progress"][0]["completed"].as_u64() >= Some(3) {
            break event.id.expect("an id");
        }
    };
    leader.kill();
    let killed = Instant::now();
    events.until_it_breaks().await;
    let answered = until(&standby, &format!("/api/jobs/{job}"), |response| {
        assert!(response.status() == 200 || response.status() == 503, "{}", response.status());
        response.status() == 200
    })
    .await;
    let found: Value = answered.json().await.unwrap();
    let taken_over = killed.elapsed();
    println!("another server led {taken_over:?} after the leader was killed");
    assert!(taken_over < TAKEN_OVER_WITHIN, "{taken_over:?}");
    assert_eq!(found["phase"], "running");
    assert!(leads(&standby).await);
    assert_eq!(standby.get_json("/api/workers").await["by_hand"], 3);
    let mut events = Events::open(&standby, &path, Some(&last_id)).await;
    let ended = loop {
        let event = events.next().await.data;
        if event["phase"] == "done" {
            break event;
        }
        assert_ne!(event["phase"], "failed", "{event}");
    };
    assert_eq!(ended["id"], job.as_str());
    let alone = tempfile::tempdir().unwrap();
    let alone = Running::start(alone.path()).await;
    let expected = alone.mean(&json!({"inputs": inputs})).await;
    assert_eq!(exact::bits(&standby.result(&job).await), exact::bits(&expected));
    alone.stop().await;
    standby.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_leader_stops_another_leads_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (leader, standby) = two(folder.path(), &[]).await;
    let took = leader.stop().await;
    let stopped = Instant::now();
    until(&standby, "/api/jobs", |response| response.status() == 200).await;
    println!("the leader ended in {took:?}, another led {:?} later", stopped.elapsed());
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
    assert!(leads(&standby).await);
    standby.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_servers_that_start_at_once_one_leads() {
    let folder = tempfile::tempdir().unwrap();
    let starting = (0..4).map(|_| Child::start(folder.path(), &[]));
    let mut servers = futures::future::join_all(starting).await;
    for round in 0..2 {
        let mut leading = Vec::new();
        for (index, server) in servers.iter().enumerate() {
            until(server, "/readyz", |response| response.status() == 200).await;
            if leads(server).await {
                leading.push(index);
            }
        }
        assert_eq!(leading.len(), 1, "round {round}: {leading:?}");
        // The others race for its place.
        servers.swap_remove(leading[0]).kill();
        let mut answered = Vec::new();
        for server in &servers {
            let job = async {
                until(server, "/api/jobs", |response| response.status() == 200).await;
                server.submit(&json!({"inputs": {"generate": {"files": 2, "count": 2}}})).await
            };
            answered.push(timeout(TAKEN_OVER_WITHIN, job).await.expect("somebody leads"));
        }
        for job in answered {
            assert_eq!(servers[0].follow(&job).await["phase"], "done");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_leads_requests_are_refused_and_pages_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let (leader, standby) = two(folder.path(), &[]).await;
    // A frozen server keeps the lock of its folder: nobody else can lead.
    freeze(leader.id());
    let asked = standby.http.get(format!("{}/", standby.url)).send();
    let asked = timeout(Duration::from_secs(2), asked).await;
    assert!(asked.is_err(), "the leader answers although it is frozen");
    assert!(!leads(&standby).await);
    thaw(leader.id());
    assert_eq!(standby.get("/").await.status(), 200);
    standby.stop().await;
    leader.stop().await;

    // Another one has the lock, and does not serve yet.
    let lock = std::fs::File::create(folder.path().join(".server.lock")).unwrap();
    lock.try_lock().unwrap();
    let waiting = Child::start(folder.path(), &[]).await;
    let refused = waiting.post("/api/jobs", &json!({})).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert!(refused.json::<Value>().await.unwrap()["detail"].as_str().unwrap().contains("leads"));
    let page = waiting.http.get(format!("{}/jobs", waiting.url)).header("accept", "text/html");
    let page = page.send().await.unwrap();
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("sha256-"));
    let page = text(page).await;
    assert!(page.contains("no server leads at the moment") && page.contains("refresh"), "{page}");
    assert_eq!(waiting.get("/healthz").await.status(), 200);
    assert_eq!(waiting.get("/readyz").await.status(), 503);
    drop(lock);
    until(&waiting, "/api/jobs", |response| response.status() == 200).await;
    waiting.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_goes_round_and_none_is_believed_that_was_not_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let (leader, standby) = two(folder.path(), &[]).await;
    for server in [&leader, &standby] {
        for value in ["1", "e30.e30", ""] {
            let request = server.http.get(format!("{}/api/jobs", server.url));
            let response = request.header(PASSED, value).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{value:?}");
        }
    }
    standby.stop().await;
    leader.stop().await;
}

/// A token file with a token for each role.
fn token_file(folder: &Path) -> (String, [String; 3]) {
    let tokens = [(); 3].map(|()| generate());
    let lines: Vec<String> = Role::ALL
        .iter()
        .zip(&tokens)
        .map(|(role, token)| line(role.word(), *role, token))
        .collect();
    let file = folder.join("tokens");
    std::fs::write(&file, lines.join("\n")).expect("a file");
    (file.to_str().expect("UTF-8").to_owned(), tokens)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_are_the_same_on_every_server_and_grow_on_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let (file, [view, submit, _]) = token_file(folder.path());
    let tokens = ["--token-file", &file];
    let proxies = ["--trusted-proxies", "127.0.0.1", "--proxy-role", "admin"];
    // The leader believes what comes from this machine, as the standby's requests do.
    let leader = Child::start(&store, &[&tokens[..], &proxies].concat()).await;
    let strict = until_it_passes_on(Child::start(&store, &tokens).await).await;
    let lax = until_it_passes_on(Child::start(&store, &["--no-auth"]).await).await;
    let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let job = json!({"inputs": {"generate": {"files": 2, "count": 2}}});
    let sent = async |server: &Child, headers: &[(&str, &str)]| {
        let mut request = http.post(format!("{}/api/jobs", server.url)).json(&job);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    };
    let bearer = |token: &str| format!("Bearer {token}");
    for server in [&leader, &strict] {
        assert_eq!(sent(server, &[]).await.status(), 401);
        assert_eq!(sent(server, &[("authorization", &bearer("da_x"))]).await.status(), 401);
        assert_eq!(sent(server, &[("authorization", &bearer(&view))]).await.status(), 403);
        assert_eq!(sent(server, &[("authorization", &bearer(&submit))]).await.status(), 201);
    }
    // Whom one server does not believe no other one believes for it: neither a name that a
    // caller gives himself, nor a server that lets everybody in.
    let eve = [("x-forwarded-user", "eve")];
    assert_eq!(sent(&leader, &eve).await.status(), 201, "the leader believes its proxy");
    assert_eq!(sent(&strict, &eve).await.status(), 401);
    assert_eq!(sent(&lax, &eve).await.status(), 401);
    assert_eq!(sent(&lax, &[]).await.status(), 401);

    // Who signs in on one server is signed in on all.
    let form = http.post(format!("{}/sign-in", strict.url));
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let signed_in = form.body(format!("token={submit}&next=/jobs")).send().await.unwrap();
    assert_eq!(signed_in.status(), StatusCode::SEE_OTHER);
    let cookie = signed_in.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert!(!cookie.is_empty());
    for server in [&leader, &strict] {
        let response = sent(server, &[(COOKIE.as_str(), &cookie)]).await;
        assert_eq!(response.status(), 201);
    }
    // A link to a job shows it through every server, and nothing once it is withdrawn.
    let mine: Value =
        sent(&strict, &[(AUTHORIZATION.as_str(), &bearer(&submit))]).await.json().await.unwrap();
    let id = mine["id"].as_str().unwrap();
    assert_eq!(mine["submitted_by"], "submit");
    let url = format!("{}/api/jobs/{id}/share", strict.url);
    let shared = http.post(&url).bearer_auth(&submit).send().await.unwrap();
    let shared: Value = shared.json().await.unwrap();
    let secret = shared["path"].as_str().unwrap().split_once('?').unwrap().1.to_owned();
    let shown = async || {
        let url = format!("{}/api/jobs/{id}?{secret}", strict.url);
        http.get(url).send().await.unwrap().status()
    };
    assert_eq!(shown().await, 200);
    assert_eq!(http.delete(&url).bearer_auth(&submit).send().await.unwrap().status(), 204);
    assert_eq!(shown().await, 401);
    for server in [strict, lax, leader] {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_trusted_proxy_says_holds_through_a_standby() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let (file, _) = token_file(folder.path());
    let tokens = ["--token-file", &file];
    let proxies = ["--trusted-proxies", "127.0.0.1"];
    // Only the standby has a proxy before it.
    let leader = Child::start(&store, &tokens).await;
    let standby = Child::start(&store, &[&tokens[..], &proxies].concat()).await;
    let standby = until_it_passes_on(standby).await;
    let job = json!({"inputs": {"generate": {"files": 2, "count": 2}}});
    let request = standby.http.post(format!("{}/api/jobs", standby.url)).json(&job);
    let response = request.header("x-forwarded-user", "ada").send().await.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.json::<Value>().await.unwrap()["submitted_by"], "ada");
    let asked = leader.http.get(format!("{}/api/jobs", leader.url));
    assert_eq!(asked.header("x-forwarded-user", "ada").send().await.unwrap().status(), 401);
    standby.stop().await;
    leader.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_with_certificates_of_their_own_reach_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let certificate = |name: &str| {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let paths = ["pem", "key"].map(|end| folder.path().join(format!("{name}.{end}")));
        std::fs::write(&paths[0], made.cert.pem()).unwrap();
        std::fs::write(&paths[1], made.signing_key.serialize_pem()).unwrap();
        paths.map(|path| path.to_str().unwrap().to_owned())
    };
    let [one, key] = certificate("one.example");
    let leader = Child::start(&store, &["--tls-certificate", &one, "--tls-key", &key]).await;
    assert!(leader.url.starts_with("https://"), "{}", leader.url);
    let standby = until_it_passes_on(Child::start(&store, &[]).await).await;
    let job = json!({"inputs": {"generate": {"files": 2, "count": 2}}});
    let job = standby.submit(&job).await;
    assert_eq!(standby.follow(&job).await["phase"], "done");
    // Somebody else at the address of the leader gets nothing: no certificate but its own
    // counts.
    let lease = store.join("server.json");
    let told = std::fs::read_to_string(&lease).unwrap();
    let mut other: Value = serde_json::from_str(&told).unwrap();
    other["certificate"] = json!("00".repeat(32));
    std::fs::write(&lease, other.to_string()).unwrap();
    until(&standby, "/api/jobs", |response| response.status() == 503).await;
    std::fs::write(&lease, told).unwrap();
    until(&standby, "/api/jobs", |response| response.status() == 200).await;
    standby.stop().await;
    leader.stop().await;
}
