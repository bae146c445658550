//! What callers may not read, and rights that were withdrawn.

use std::time::Duration;

use futures::StreamExt;
use protocol::Role;
use reqwest::header::COOKIE;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::super::client::PATIENCE;
use super::access::{Restricted, pair};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reads_the_secrets_of_the_program() {
    let server = Restricted::start().await;
    let job = server.job().await;
    let shared = server.as_role(Role::Submit, "POST", &format!("/api/jobs/{job}/share")).await;
    assert_eq!(shared.status(), StatusCode::OK);
    let share = format!("jobs/{job}/share.json");
    for key in ["session.key", &share, &format!("jobs/{job}/request.json"), "index", "server.json"]
    {
        for (role, method) in [(Role::View, "GET"), (Role::Admin, "GET"), (Role::View, "HEAD")] {
            let response = server.as_role(role, method, &format!("/api/files/{key}")).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{method} {key} as {role}");
        }
    }
    for key in ["session.key", &share] {
        for inputs in [json!({"objects": [key]}), json!({"prefix": key})] {
            let request = json!({"inputs": inputs, "raw": "f64"});
            let planning = server.request("POST", "/api/plan").bearer_auth(&server.tokens[2]);
            let response = planning.json(&request).send().await.unwrap();
            let status = response.status();
            let problem: Value = response.json().await.unwrap();
            assert!(status.is_client_error(), "{request}: {status} {problem}");
            assert!(!problem.to_string().contains("secret"), "{problem}");
        }
    }
    // What a job has computed is read by whoever may view jobs.
    let mean = format!("/api/files/jobs/{job}/result/mean.npy");
    assert_eq!(server.as_role(Role::View, "GET", &mean).await.status(), StatusCode::OK);
    let inputs = json!({"inputs": {"prefix": format!("jobs/{job}/inputs/")}});
    let planning = server.request("POST", "/api/plan").bearer_auth(&server.tokens[1]);
    assert_eq!(planning.json(&inputs).send().await.unwrap().status(), StatusCode::OK);
    server.running.stop().await;
}

/// Waits for the end of a stream.
async fn ended(stream: Response) {
    let mut pieces = stream.bytes_stream();
    let end = async { while let Some(Ok(_)) = pieces.next().await {} };
    timeout(PATIENCE, end).await.expect("the stream ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_the_token_session_or_link_that_opened_it() {
    let server = Restricted::start().await;
    let job = server.job().await;
    let by_token = server.as_role(Role::View, "GET", "/api/events").await;
    let (cookie, _) = server.sign_in(&server.tokens[0], "/").await;
    let by_session = server.request("GET", "/api/events").header(COOKIE, pair(&cookie.unwrap()));
    let by_session = by_session.send().await.unwrap();
    let sharing = format!("/api/jobs/{job}/share");
    let shared: Value = server.as_role(Role::Submit, "POST", &sharing).await.json().await.unwrap();
    let path = shared["path"].as_str().unwrap();
    let (_, query) = path.split_once('?').unwrap();
    let by_link = server.request("GET", &format!("/api/jobs/{job}/events?{query}"));
    let by_link = by_link.send().await.unwrap();
    let stays = server.as_role(Role::Admin, "GET", "/api/events").await;
    for stream in [&by_token, &by_session, &by_link, &stays] {
        assert_eq!(stream.status(), StatusCode::OK);
    }
    let withdrawn = server.as_role(Role::Submit, "DELETE", &sharing).await;
    assert_eq!(withdrawn.status(), StatusCode::NO_CONTENT);
    ended(by_link).await;
    let file = server.token_file();
    let lines = std::fs::read_to_string(&file).unwrap();
    let left: Vec<&str> = lines.lines().skip(1).collect();
    std::fs::write(&file, left.join("\n")).unwrap();
    ended(by_token).await;
    ended(by_session).await;
    let mut stays = stays.bytes_stream();
    let rest = async { while let Some(Ok(_)) = stays.next().await {} };
    // The others have ended in this time.
    assert!(timeout(Duration::from_secs(3), rest).await.is_err(), "it goes on");
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_a_link_leaves_streams_to_those_who_have_signed_in() {
    let server = Restricted::start_with(&["--max-event-streams", "4"]).await;
    let job = server.job().await;
    let sharing = format!("/api/jobs/{job}/share");
    let shared: Value = server.as_role(Role::Submit, "POST", &sharing).await.json().await.unwrap();
    let (_, query) = shared["path"].as_str().unwrap().split_once('?').unwrap();
    let path = format!("/api/jobs/{job}/events?{query}");
    let first = server.request("GET", &path).send().await.unwrap();
    let second = server.request("GET", &path).send().await.unwrap();
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 503));
    let mut open = vec![first];
    for _ in 0..3 {
        open.push(server.as_role(Role::View, "GET", "/api/events").await);
        assert_eq!(open.last().unwrap().status(), StatusCode::OK);
    }
    server.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_withdrawn_whatever_else_is_wrong_with_the_file() {
    let server = Restricted::start().await;
    let file = server.token_file();
    let lines = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let may = async |role: Role| {
        let response = server.as_role(role, "GET", "/api/jobs").await;
        response.status() == StatusCode::OK
    };
    let until = async |role: Role, expected: bool| {
        let is_so = async {
            while may(role).await != expected {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, is_so).await.unwrap_or_else(|_| panic!("{role}: not {expected}"));
    };
    // The last line is an admin's; a word too many is in the second.
    std::fs::write(&file, format!("{} again\n{}\n", lines[1], lines[2])).unwrap();
    until(Role::View, false).await;
    assert!(!may(Role::Submit).await && may(Role::Admin).await);
    std::fs::write(&file, "# nobody\n").unwrap();
    until(Role::Admin, false).await;
    std::fs::write(&file, lines.join("\n")).unwrap();
    until(Role::View, true).await;
    std::fs::remove_file(&file).unwrap();
    until(Role::View, false).await;
    assert!(!may(Role::Admin).await);
    std::fs::write(&file, lines.join("\n")).unwrap();
    until(Role::Admin, true).await;
    server.running.stop().await;
}
