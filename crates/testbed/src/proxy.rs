//! A TCP proxy that injects network faults.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use self::recorder::{Conversation, Recorder};

pub use self::recorder::Exchange;

mod recorder;

/// The network fault that a [`Proxy`] injects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// No fault: forward all bytes.
    None,
    /// Close every connection at once.
    Refuse,
    /// Keep connections open without forwarding anything.
    Silence,
    /// Answer every HTTP request with this status instead of forwarding it.
    Answer(u16),
    /// Delay the data from the server on every n-th new connection.
    Slow {
        /// n, at least 1: 1 for every connection, 2 for every second one.
        every: u64,
        /// The delay before each chunk of up to 64 KiB.
        by: Duration,
    },
    /// Pass at most this many bytes per second in each direction of each new connection.
    Throttle {
        /// At least 100.
        bytes_per_sec: u32,
    },
    /// Close each new connection in the middle of what the server sends.
    Cut {
        /// How many bytes from the server pass before.
        after: usize,
    },
}

/// A TCP proxy in front of a server. A new disturbance applies to new connections.
/// Open connections are closed, except that [`Disturbance::Silence`] silences
/// them.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    /// Where connections go: to these in turn, past those that are not there.
    upstreams: Vec<SocketAddr>,
    disturbance: watch::Sender<Disturbance>,
    disturbed: AtomicU64,
    connections: AtomicU64,
    recorder: Recorder,
}

/// How bytes are passed on in one direction.
#[derive(Clone, Copy)]
struct Passing {
    /// The delay before each read is passed on.
    delay: Duration,
    /// How many bytes pass at all.
    most: usize,
    /// `None` for as many as there are.
    bytes_per_sec: Option<u32>,
}

/// How much is read at once.
const READ_BYTES: usize = 64 << 10;
/// How often a throttled connection passes something on, in a second.
const READS_PER_SEC: u32 = 20;

impl Proxy {
    /// Starts a proxy on a free port of 127.0.0.1, for a server on the port
    /// `upstream` of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If no port can be bound.
    pub async fn start(upstream: u16) -> Proxy {
        Proxy::before_all(&[upstream]).await
    }

    /// Starts a proxy on a free port of 127.0.0.1, for servers on these ports of 127.0.0.1.
    /// Each connection goes to the next of them that takes connections.
    ///
    /// # Panics
    ///
    /// If no port can be bound.
    pub async fn before_all(upstreams: &[u16]) -> Proxy {
        let upstreams = upstreams.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port)));
        Proxy::bind(upstreams.collect(), Recorder::new(&[])).await
    }

    /// The same, which records the HTTP requests that have one of these methods and were
    /// answered, until they are [taken](Proxy::exchanges).
    ///
    /// # Panics
    ///
    /// If no port can be bound.
    pub async fn recording(upstream: u16, methods: &'static [&'static str]) -> Proxy {
        let upstream = SocketAddr::from(([127, 0, 0, 1], upstream));
        Proxy::bind(vec![upstream], Recorder::new(methods)).await
    }

    /// Starts a proxy on a free port of 127.0.0.1, for a server at any address.
    ///
    /// # Panics
    ///
    /// If no port can be bound.
    pub async fn start_before(upstream: SocketAddr) -> Proxy {
        Proxy::bind(vec![upstream], Recorder::new(&[])).await
    }

    async fn bind(upstreams: Vec<SocketAddr>, recorder: Recorder) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let state = Arc::new(State {
            upstreams,
            disturbance: watch::Sender::new(Disturbance::None),
            disturbed: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            recorder,
        });
        let accepting = tokio::spawn(accept(listener, state.clone()));
        Proxy { port, state, accepting }
    }

    /// The port of the proxy.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The HTTP URL of the proxy.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sets the fault to inject.
    pub fn disturb(&self, disturbance: Disturbance) {
        self.state.disturbance.send_replace(disturbance);
    }

    /// Number of faults injected: connections closed, refused, silenced or delayed,
    /// and requests answered.
    #[must_use]
    pub fn disturbed(&self) -> u64 {
        self.state.disturbed.load(Ordering::SeqCst)
    }

    /// The recorded requests since the last call, in the order of their answers.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.state.recorder.take()
    }

    /// Number of connections accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.disturb(Disturbance::Refuse);
    }
}

impl State {
    fn count(&self) {
        self.disturbed.fetch_add(1, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let number = state.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let state = state.clone();
        tokio::spawn(async move {
            // Connection errors are expected here.
            let _ = serve(client, number, &state).await;
        });
    }
}

async fn serve(mut client: TcpStream, number: u64, state: &State) -> io::Result<()> {
    let mut changes = state.disturbance.subscribe();
    let disturbance = *changes.borrow_and_update();
    let mut passing = Passing { delay: Duration::ZERO, most: usize::MAX, bytes_per_sec: None };
    match disturbance {
        Disturbance::Refuse => {
            state.count();
            return Ok(());
        }
        Disturbance::Silence => {
            state.count();
            return silence(&mut changes).await;
        }
        Disturbance::Answer(status) => {
            tokio::select! {
                outcome = answer(&mut client, status, state) => return outcome,
                _ = changes.changed() => return Ok(()),
            }
        }
        Disturbance::Slow { every, by } if number.is_multiple_of(every) => {
            state.count();
            passing.delay = by;
        }
        Disturbance::Cut { after } => passing.most = after,
        Disturbance::Throttle { bytes_per_sec } => {
            state.count();
            passing.bytes_per_sec = Some(bytes_per_sec);
        }
        Disturbance::Slow { .. } | Disturbance::None => {}
    }
    // What clients send is throttled too, and neither delayed nor cut.
    let upwards = Passing { delay: Duration::ZERO, most: usize::MAX, ..passing };
    let conversation = state.recorder.conversation();
    let mut upstreams = state.upstreams.clone();
    let first = usize::try_from(number).unwrap_or_default() % upstreams.len();
    upstreams.rotate_left(first);
    // Of several addresses, the first that can be connected to.
    let server = TcpStream::connect(&upstreams[..]).await?;
    let (mut from_client, mut to_client) = client.split();
    let (from_server, to_server) = server.into_split();
    let (mut from_server, mut to_server) = (from_server, to_server);
    tokio::select! {
        outcome = relay(&mut from_client, &mut to_server, upwards, Direction::Up(&conversation)) => {
            outcome.map(drop)
        }
        outcome = relay(&mut from_server, &mut to_client, passing, Direction::Down(&conversation)) => {
            if outcome? == 0 {
                state.count();
            }
            Ok(())
        }
        _ = changes.changed() => {
            state.count();
            if *changes.borrow_and_update() == Disturbance::Silence {
                return silence(&mut changes).await;
            }
            Ok(())
        }
    }
}

/// Keeps the connection open until the disturbance changes.
async fn silence(changes: &mut watch::Receiver<Disturbance>) -> io::Result<()> {
    let _ = changes.changed().await;
    Ok(())
}

/// Which way bytes go, and what is noted of them.
enum Direction<'a> {
    Up(&'a Conversation<'a>),
    Down(&'a Conversation<'a>),
}

/// Passes bytes on; returns how many more could pass at the end.
async fn relay(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    passing: Passing,
    direction: Direction<'_>,
) -> io::Result<usize> {
    let Passing { delay, mut most, bytes_per_sec } = passing;
    let at_once = bytes_per_sec.map_or(READ_BYTES, |bytes| {
        usize::try_from(bytes / READS_PER_SEC).unwrap_or(READ_BYTES).clamp(1, READ_BYTES)
    });
    let mut buffer = vec![0; at_once];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            to.shutdown().await?;
            return Ok(most);
        }
        if !delay.is_zero() {
            sleep(delay).await;
        }
        if bytes_per_sec.is_some() {
            sleep(Duration::from_secs(1) / READS_PER_SEC).await;
        }
        let passed = &buffer[..length.min(most)];
        if let Direction::Up(conversation) = direction {
            conversation.sent(passed);
        }
        to.write_all(passed).await?;
        if let Direction::Down(conversation) = direction {
            conversation.received(passed);
        }
        most -= passed.len();
        if most == 0 {
            return Ok(0);
        }
    }
}

/// Reads requests with their bodies and answers each with the same status.
async fn answer(client: &mut TcpStream, status: u16, state: &State) -> io::Result<()> {
    let mut received = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if client.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&received[..head]).to_ascii_lowercase();
        let header = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim_start_matches(':').trim().to_owned())
        };
        if header("expect").is_some() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let body: usize = header("content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
        while received.len() < head + body {
            if client.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        }
        received.drain(..head + body);
        state.count();
        let response = format!("HTTP/1.1 {status} Disturbed\r\nContent-Length: 0\r\n\r\n");
        client.write_all(response.as_bytes()).await?;
    }
}
