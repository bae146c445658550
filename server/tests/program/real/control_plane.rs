//! The benchmark of the control plane, for some seconds, so that it goes on to work.

#[path = "../../../benches/control_plane/bare.rs"]
mod bare;
#[path = "../../../benches/control_plane/ends.rs"]
mod ends;
#[path = "../../../benches/control_plane/engine.rs"]
mod engine;

use testbed::RabbitMq;

use self::engine::Server;

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_control_plane_is_measured_beside_bare_messages() {
    let broker = RabbitMq::start().await;
    let bare = bare::tasks_per_sec(&broker, 2, 200).await.unwrap();
    let server = Server::start(&broker, "bench", 4, 2_200).await.unwrap();
    let done = server.throughput(4, 2_000).await.unwrap();
    println!("bare {bare:.0}, {done:?}");
    assert!(bare > 10.0 && done.tasks_per_sec > 10.0, "tasks a second: bare {bare}, {done:?}");
    assert!(done.server_cores > 0.0 && done.server_bytes > 1 << 20, "{done:?}");
    let paced = server.latency(4, 100.0, 150).await.unwrap();
    println!("{paced:?}");
    assert!(paced.server_cores > 0.0, "{paced:?}");
    // Each of them is found, and none took no time; the server shows whole milliseconds.
    assert_eq!((paced.first_ms.len(), paced.took_ms.len()), (15, 135));
    let mut all = paced.first_ms.iter().chain(&paced.took_ms);
    assert!(all.all(|took_ms| *took_ms > -2.0), "{paced:?}");
    assert!(paced.took_ms[paced.took_ms.len() / 2] > 0.0, "{paced:?}");
}
