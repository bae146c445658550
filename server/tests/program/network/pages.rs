//! What pages let browsers do, and whose words they show.

use std::collections::BTreeSet;

use serde_json::json;

use super::Running;

/// The nonce in a content security policy.
fn nonce(policy: &str) -> &str {
    let (_, rest) = policy.split_once("'nonce-").unwrap_or_else(|| panic!("no nonce: {policy}"));
    rest.split('\'').next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_run_only_the_scripts_that_the_server_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let job = running.submit(&json!({"inputs": {"generate": {"files": 2, "count": 3}}})).await;
    running.follow(&job).await;
    let mut nonces = BTreeSet::new();
    let job = format!("/jobs/{job}");
    let paths = ["/", "/", "/?plan=shown", "/jobs", &job, "/jobs/none", "/nothing/here"];
    for path in paths {
        let page = running.get(path).await;
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {part} is not in {policy}");
        }
        let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src"));
        let scripts = scripts.expect("a policy for scripts");
        for open in ["unsafe-inline", "'unsafe-eval'", "http:", "https:", "data:", "*"] {
            assert!(!scripts.contains(open), "{path}: {scripts}");
        }
        let nonce = nonce(&policy).to_owned();
        let text = page.text().await.unwrap();
        let tags: Vec<&str> = text.split("<script").skip(1).collect();
        assert!(!tags.is_empty(), "{path}: at least the script before the first paint");
        for tag in tags {
            let tag = tag.split('>').next().unwrap_or_default();
            assert!(tag.contains(&format!("nonce=\"{nonce}\"")), "{path}: {tag}");
        }
        for inline in [" onclick=", " onload=", " onerror=", "javascript:", "<style"] {
            assert!(!text.contains(inline), "{path}: {inline}");
        }
        assert!(nonce.len() >= 22 && nonces.insert(nonce), "{path}: each response has its own");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_says_what_it_may_be_used_for() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    running.upload("page.html", "<script>alert(1)</script>").await;
    for path in
        ["/", "/api/files/page.html", "/api/jobs", "/api/nothing", "/healthz", "/app/overview"]
    {
        let answer = running.get(path).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert!(header("permissions-policy").contains("camera=()"), "{path}");
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        if path != "/" {
            assert!(header("content-security-policy").contains("default-src 'none'"), "{path}");
            assert!(!header("content-security-policy").contains("script-src"), "{path}");
        }
    }
    let refused = running.http.get(&running.url).header("host", "evil.example").send().await;
    assert_eq!(refused.unwrap().headers()["x-content-type-options"], "nosniff");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_or_not_understood_is_no_fault_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    std::fs::create_dir_all(site.join("pkg")).unwrap();
    std::fs::write(site.join("pkg/a.js"), "1").unwrap();
    std::fs::write(site.join("hash.txt"), "js: 1\nwasm: 2\ncss: 3\n").unwrap();
    let store = folder.path().join("store");
    let running =
        Running::start_changed(&store, &[], |settings| settings.site = Some(site.clone())).await;
    // The name may be that of the next version's file.
    for (path, status, is_kept) in [("/pkg/a.js", 200, true), ("/pkg/b.js", 404, false)] {
        let answer = running.get(path).await;
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers().contains_key("cache-control"), is_kept, "{path}");
    }
    for path in ["/app/job", "/app/job?id=a&id=b", "/app/history-news"] {
        let answer = running.get(path).await;
        assert_eq!(answer.status(), 400, "{path}: {}", answer.text().await.unwrap());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_puts_no_words_into_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let job = running.submit(&json!({"inputs": {"generate": {"files": 2, "count": 3}}})).await;
    let forged = "Call+0800+for+help";
    // As the framework passes on the errors of its forms: base64 of `{"detail": …}`.
    let problem =
        json!({"type": "conflict", "title": "t", "status": 409, "detail": "Call 0800 for help"});
    let error = base64(problem.to_string().as_bytes());
    let mut queries = vec![format!("refused=files&why={forged}&remedy={forged}")];
    for function in ["submit", "workers", "cancel", "delete", "rerun", "resume"] {
        queries.push(format!("__path=%2Fapp%2F{function}&__err={error}"));
    }
    for path in ["/".to_owned(), format!("/jobs/{job}"), "/jobs".to_owned()] {
        for query in &queries {
            let text = running.get(&format!("{path}?{query}")).await.text().await.unwrap();
            assert!(!text.contains("0800"), "{path}?{query}");
        }
    }
    running.stop().await;
}

/// Base64 with padding, for addresses.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let group = |bytes: &[u8]| {
        let bits =
            (0..3).fold(0, |bits, at| bits << 8 | usize::from(bytes.get(at).copied().unwrap_or(0)));
        let letter = |at: usize| char::from(LETTERS[bits >> (18 - 6 * at) & 63]);
        (0..4).map(|at| if at <= bytes.len() { letter(at) } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_that_is_refused_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let job = running.submit(&json!({"inputs": {"generate": {"files": 2, "count": 3}}})).await;
    running.follow(&job).await;
    let id = format!("id={job}");
    for (function, body, why) in [
        ("workers", "desired=many", "must be a whole number"),
        ("workers", "desired=1000", "at most 32 workers are allowed"),
        ("cancel", &id, "the job is already done"),
        ("submit", "form%5Bfiles%5D=forty", "“forty” is not one"),
    ] {
        let form = running.http.post(format!("{}/app/{function}", running.url));
        let form = form.header("accept", "text/html").body(body.to_owned());
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        // The redirect is followed.
        let page = form.send().await.unwrap();
        assert_eq!(page.status(), 200, "{function}");
        let query = page.url().query().unwrap_or_default().to_owned();
        assert!(query.contains("refused=") && !query.contains("__err"), "{query}");
        let text = page.text().await.unwrap();
        assert!(text.contains(why), "{function}: {why} is not in {text}");
    }
    running.stop().await;
}
