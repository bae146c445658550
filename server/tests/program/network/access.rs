//! Who may do what on a server with tokens.

use std::net::SocketAddr;
use std::path::PathBuf;

use protocol::Role;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, COOKIE, HeaderValue, LOCATION, SET_COOKIE, WWW_AUTHENTICATE,
};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use server::access::tokens::{generate, line};
use tokio::time::timeout;

use super::super::client::PATIENCE;
use super::Running;
use super::cross_site::calls;

/// A server with a token for each role.
pub(super) struct Restricted {
    pub(super) running: Running,
    /// A client that does not follow redirects.
    http: reqwest::Client,
    /// The tokens of view, submit and admin.
    pub(super) tokens: [String; 3],
    folder: tempfile::TempDir,
}

impl Restricted {
    pub(super) async fn start() -> Restricted {
        Restricted::start_with(&[]).await
    }

    pub(super) async fn start_with(further: &[&str]) -> Restricted {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tokens = [(); 3].map(|()| generate());
        let lines: Vec<String> = Role::ALL
            .iter()
            .zip(&tokens)
            .map(|(role, token)| line(role.word(), *role, token))
            .collect();
        let file = folder.path().join("tokens");
        std::fs::write(&file, lines.join("\n")).expect("a file");
        let flags = [&["--token-file", file.to_str().expect("a text")], further].concat();
        let running = Running::start_with(&folder.path().join("store"), &flags).await;
        let http = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client");
        Restricted { running, http, tokens, folder }
    }

    /// The file of the tokens: a line for each role.
    pub(super) fn token_file(&self) -> PathBuf {
        self.folder.path().join("tokens")
    }

    pub(super) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().expect("a method");
        self.http.request(method, format!("{}{path}", self.running.url))
    }

    /// Sends a request with the token of a role.
    pub(super) async fn as_role(&self, role: Role, method: &str, path: &str) -> Response {
        let token = &self.tokens[role as usize];
        self.request(method, path).bearer_auth(token).send().await.expect("an answer")
    }

    /// Submits a job with the token of the role that may, and waits for its end.
    pub(super) async fn job(&self) -> String {
        self.job_of(Role::Submit).await
    }

    /// Submits a job with the token of a role, and waits for its end.
    async fn job_of(&self, role: Role) -> String {
        let request = json!({"inputs": {"generate":
            {"files": 3, "count": 5, "format": "csv", "seed": 1}}});
        let submitting = self.request("POST", "/api/jobs");
        let submitting = submitting.bearer_auth(&self.tokens[role as usize]);
        let job: Value =
            submitting.json(&request).send().await.expect("an answer").json().await.expect("JSON");
        let id = job["id"].as_str().expect("an id").to_owned();
        assert_eq!(job["submitted_by"], role.word());
        let path = format!("/api/jobs/{id}");
        let is_done = async {
            loop {
                let job: Value =
                    self.as_role(Role::View, "GET", &path).await.json().await.expect("JSON");
                if job["phase"] == "done" {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, is_done).await.expect("the job is done");
        id
    }

    /// Signs in by the form; returns the cookie.
    pub(super) async fn sign_in(&self, token: &str, next: &str) -> (Option<String>, String) {
        let form = [("token", token), ("next", next)];
        let body = urlencoded(&form);
        let request = self.request("POST", "/sign-in").body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let headers = response.headers();
        let cookie =
            headers.get(SET_COOKIE).map(|cookie| cookie.to_str().expect("a text").to_owned());
        (cookie, headers[LOCATION].to_str().expect("a text").to_owned())
    }
}

fn urlencoded(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| {
        let value: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        format!("{name}={value}")
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// The pair of a `Set-Cookie`, as the browser sends it back.
pub(super) fn pair(cookie: &str) -> HeaderValue {
    assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    cookie.split(';').next().expect("a pair").parse().expect("a header")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_only_probes_the_sign_in_and_the_bundle_answer() {
    let server = Restricted::start().await;
    let job = server.job().await;
    let described = server.as_role(Role::View, "GET", "/api/openapi.json").await;
    let calls = calls(&described.json().await.unwrap(), &job);
    assert!(calls.len() > 25, "{} calls", calls.len());
    for call in &calls {
        let is_open = ["/healthz", "/readyz"].contains(&call.path.as_str());
        for token in [None, Some("Bearer da_wrong"), Some("Basic YTpi")] {
            let mut request = server.request(&call.method, &call.path);
            if let Some(token) = token {
                request = request.header(AUTHORIZATION, token);
            }
            let response = request.send().await.unwrap();
            let name = format!("{} {} with {token:?}", call.method, call.path);
            if is_open {
                assert_eq!(response.status(), StatusCode::OK, "{name}");
            } else {
                assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}");
                assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer", "{name}");
                let problem: Value = response.json().await.unwrap();
                assert_eq!(problem["type"], "unauthenticated", "{name}");
            }
        }
    }
    for path in ["/", "/jobs", &format!("/jobs/{job}"), &format!("/jobs/{job}?share=wrong")] {
        let page = server.request("GET", path).header(ACCEPT, "text/html").send().await.unwrap();
        assert_eq!(page.status(), StatusCode::SEE_OTHER, "{path}");
        let location = page.headers()[LOCATION].to_str().unwrap();
        assert!(location.starts_with("/sign-in?next=%2F"), "{location}");
    }
    let page = server.request("GET", "/sign-in").header(ACCEPT, "text/html").send().await.unwrap();
    let text = page.text().await.unwrap();
    assert!(text.contains(r#"name="token""#) && !text.contains(&job), "{text}");
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_may_do_what_it_is_for_and_nothing_more() {
    let server = Restricted::start().await;
    let job = server.job().await;
    let described = server.as_role(Role::View, "GET", "/api/openapi.json").await;
    let calls = calls(&described.json().await.unwrap(), &job);
    let admins = [
        "PUT /api/workers",
        "DELETE /api/files/a/1",
        "POST /app/delete-files",
        "POST /app/workers",
    ];
    for call in &calls {
        let name = format!("{} {}", call.method, call.path);
        let needed = match call.method.as_str() {
            "GET" if call.path.ends_with("/share") => Role::Submit,
            "GET" => Role::View,
            _ if admins.contains(&name.as_str()) => Role::Admin,
            _ => Role::Submit,
        };
        for role in Role::ALL.into_iter().filter(|role| *role < needed) {
            let response = server.as_role(role, &call.method, &call.path).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name} as {role}");
            let problem: Value = response.json().await.unwrap();
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(needed.word()) && detail.contains(role.word()), "{detail}");
        }
        // Streams of all jobs never end, so only whether they begin is looked at.
        let response = server.as_role(needed, &call.method, &call.path).await;
        let status = response.status();
        assert!(![401, 403].contains(&status.as_u16()), "{name} as {needed}: {status}");
    }
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_deleted_by_who_submitted_it_or_an_admin_only() {
    let server = Restricted::start().await;
    let [own, another, third] = [server.job().await, server.job().await, server.job().await];
    let others = server.job_of(Role::Admin).await;
    let delete = async |role: Role, job: &str| {
        server.as_role(role, "DELETE", &format!("/api/jobs/{job}?purge=true")).await
    };
    let refused = delete(Role::Submit, &others).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let problem: Value = refused.json().await.unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("submitted by admin") && detail.contains("role submit"), "{detail}");
    assert_eq!(delete(Role::View, &own).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(delete(Role::Submit, &own).await.status(), StatusCode::NO_CONTENT);

    // The forms of the pages: of one job, and of those that are ticked.
    let post = async |role: Role, path: &str, body: String| {
        let request = server.request("POST", path).bearer_auth(&server.tokens[role as usize]);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.header(ACCEPT, "text/html").body(body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FOUND, "{path}");
        response.headers()[LOCATION].to_str().unwrap().to_owned()
    };
    let is_there = async |job: &str| {
        server.as_role(Role::View, "GET", &format!("/api/jobs/{job}")).await.status().is_success()
    };
    let location = post(Role::Submit, "/app/delete", format!("id={others}")).await;
    assert!(location.contains("refused="), "{location}");
    let ticked = format!("jobs={another},{others}&status=all");
    let location = post(Role::Submit, "/app/delete-jobs", ticked).await;
    assert!(location.starts_with("/jobs?refused="), "{location}");
    assert!(is_there(&others).await && !is_there(&another).await);
    let page = server.as_role(Role::Submit, "GET", &location).await.text().await.unwrap();
    assert!(page.contains("not deleted") && page.contains("submitted by admin"), "{page}");

    // The pages offer what their reader may do.
    let asked = format!("/jobs/selected?action=delete&job={third}&job={others}");
    let page = async |role: Role, path: &str| {
        server.as_role(role, "GET", path).await.text().await.unwrap()
    };
    let by_owner = page(Role::Submit, &asked).await;
    assert!(by_owner.contains("deleting it needs the role admin"), "{by_owner}");
    assert!(by_owner.contains("Delete 1\u{a0}job permanently"), "{by_owner}");
    assert!(!page(Role::View, &asked).await.contains("permanently"));
    assert!(page(Role::Submit, &format!("/jobs/{third}")).await.contains("Delete permanently"));
    assert!(!page(Role::Submit, &format!("/jobs/{others}")).await.contains("Delete permanently"));
    let list = page(Role::View, "/jobs").await;
    assert!(list.contains("needs a token with the role submit"), "{list}");
    let location = post(Role::Admin, "/app/delete-jobs", format!("jobs={third},{others}")).await;
    assert_eq!(location, "/jobs");
    assert!(!is_there(&others).await && !is_there(&third).await);
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_signs_in_once_and_out_again() {
    let server = Restricted::start().await;
    let job = server.job().await;
    let (none, location) = server.sign_in("da_wrong", "/jobs").await;
    assert_eq!((none, location.as_str()), (None, "/sign-in?unknown&next=%2Fjobs"));
    let (_, location) = server.sign_in(&server.tokens[0], "//evil.example").await;
    assert_eq!(location, "/", "the page of another server is none to go to");

    let (cookie, location) = server.sign_in(&server.tokens[0], &format!("/jobs/{job}")).await;
    assert_eq!(location, format!("/jobs/{job}"));
    let session = pair(&cookie.unwrap());
    let open = async |path: &str| {
        server.request("GET", path).header(COOKIE, &session).send().await.unwrap()
    };
    let page = open(&location).await.text().await.unwrap();
    assert!(page.contains("Sign out") && page.contains("Submitted by"), "{page}");
    for absent in ["Run again", "Delete permanently", ">Share<"] {
        assert!(!page.contains(absent), "a viewer is not offered {absent:?}");
    }
    let home = open("/").await.text().await.unwrap();
    assert!(!home.contains("Start job") && home.contains("role submit"), "{home}");
    assert_eq!(open(&format!("/api/jobs/{job}/events")).await.status(), StatusCode::OK);

    let out = server.request("POST", "/sign-out").header(COOKIE, &session).send().await.unwrap();
    let cookie = out.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("-session=; Path=/; Max-Age=0;"), "{cookie}");
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_shows_its_job_to_anybody_until_it_is_withdrawn() {
    let server = Restricted::start().await;
    let [job, other] = [server.job().await, server.job().await];
    let sharing = format!("/api/jobs/{job}/share");
    let shared = server.as_role(Role::Submit, "POST", &sharing).await;
    let shared: Value = shared.json().await.unwrap();
    assert_eq!(shared["shared_by"], "submit");
    let path = shared["path"].as_str().unwrap();
    let again: Value = server.as_role(Role::Submit, "GET", &sharing).await.json().await.unwrap();
    assert_eq!(again["path"], path, "there is one link");

    // A browser follows it, and then loads what the page needs.
    let followed = server.request("GET", path).header(ACCEPT, "text/html").send().await.unwrap();
    assert_eq!(followed.status(), StatusCode::SEE_OTHER);
    assert_eq!(followed.headers()[LOCATION], format!("/jobs/{job}").as_str());
    let cookie = pair(followed.headers()[SET_COOKIE].to_str().unwrap());
    let secret = path.split_once("share=").unwrap().1;
    let read = async |path: &str, by_cookie: bool| {
        let request = match by_cookie {
            true => server.request("GET", path).header(COOKIE, &cookie),
            false => server.request(
                "GET",
                &format!("{path}{}share={secret}", if path.contains('?') { '&' } else { '?' }),
            ),
        };
        request.send().await.unwrap().status()
    };
    for path in ["", "/events", "/result?format=npy", "/tasks"] {
        for by_cookie in [true, false] {
            let status = read(&format!("/api/jobs/{job}{path}"), by_cookie).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            let status = read(&format!("/api/jobs/{other}{path}"), by_cookie).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "of the other job: {path}");
        }
    }
    let page = server.request("GET", &format!("/jobs/{job}")).header(COOKIE, &cookie);
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Result") && page.contains("Sign in"), "{page}");
    assert!(!page.contains("Run again") && !page.contains(secret), "{page}");
    for path in ["/api/jobs", "/api/events", "/api/files", "/metrics", "/app/overview", &sharing] {
        for by_cookie in [true, false] {
            assert_eq!(read(path, by_cookie).await, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    for (method, path) in
        [("DELETE", format!("/api/jobs/{job}")), ("POST", format!("/api/jobs/{job}/rerun"))]
    {
        let response = server.request(method, &path).header(COOKIE, &cookie).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
    }

    let withdrawn = server.as_role(Role::Submit, "DELETE", &sharing).await;
    assert_eq!(withdrawn.status(), StatusCode::NO_CONTENT);
    for by_cookie in [true, false] {
        let status = read(&format!("/api/jobs/{job}"), by_cookie).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_of_a_proxy_counts_from_its_address_only() {
    let folder = tempfile::tempdir().unwrap();
    let start = async |proxies: &str, store: &str| {
        let flags = ["--trusted-proxies", proxies, "--no-auth"];
        Running::start_with(&folder.path().join(store), &flags).await
    };
    let request = json!({"inputs": {"generate": {"files": 1, "count": 1}}});
    for (proxies, expected) in [("127.0.0.0/8", json!("ada")), ("10.0.0.0/8", Value::Null)] {
        let running = start(proxies, proxies.split('.').next().unwrap()).await;
        let submitting = running.http.post(format!("{}/api/jobs", running.url));
        let submitting = submitting.header("x-forwarded-user", "ada").json(&request);
        let job: Value = submitting.send().await.unwrap().json().await.unwrap();
        assert_eq!(job["submitted_by"], expected, "{proxies}");
        running.stop().await;
    }
}

#[test]
fn an_address_that_others_can_reach_needs_tokens_or_a_word() {
    let address: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let program = env!("CARGO_BIN_EXE_distributed-average");
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(program)
        .args(["serve", "--listen", &address.to_string(), "--store"])
        .arg(folder.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("--no-auth"), "{error}");
    assert!(output.stdout.is_empty(), "nothing was served");
}
