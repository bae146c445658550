//! What the HTTP server is told: the bundle, the allowed hosts, and its limits.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use traces::Traces;

use super::hosts::AllowedHosts;
use super::tls::Certificate;

/// What the HTTP server is told.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The folder of the browser bundle, as `cargo xtask bundle` makes it. Without it
    /// pages are served too, but are not live.
    pub site: Option<PathBuf>,
    /// The hosts that requests may name.
    pub hosts: AllowedHosts,
    /// The most that clients can take.
    pub limits: Limits,
    /// Serves TLS with this certificate; `None` for plain HTTP.
    pub certificate: Option<Certificate>,
    /// Records requests.
    pub traces: Traces,
}

/// The most that clients can take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The number of open connections. Beyond it, those that wait for a request are
    /// closed for new ones.
    pub connections: usize,
    /// The number of open event streams.
    pub event_streams: usize,
    /// The number of concurrent uploads: each holds parts of its object in memory.
    pub uploads: usize,
    /// The requests of one caller in a second; `None` for 1,000, and without limit for
    /// callers on this machine.
    pub requests_per_second: Option<NonZeroU32>,
    /// How long a client may take to send the head of a request, and how long a
    /// connection stays open without one.
    pub header_time: Duration,
    /// How long a request may take until its response begins. Uploads are exempt.
    pub request_time: Duration,
    /// How long the body of a request may stall.
    pub body_stall_time: Duration,
    /// How long a client may leave a response unread.
    pub response_stall_time: Duration,
    /// How long an upload waits for others to end.
    pub upload_wait_time: Duration,
    /// How long requests under way may take once the server stops.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 10_000,
            event_streams: 2_000,
            uploads: 4,
            requests_per_second: None,
            header_time: Duration::from_secs(30),
            // The plan of a million objects in S3 takes a thousand requests to list them.
            request_time: Duration::from_secs(300),
            body_stall_time: Duration::from_secs(30),
            // Longer than a wireless network needs to come back.
            response_stall_time: Duration::from_secs(60),
            upload_wait_time: Duration::from_secs(20),
            drain_time: Duration::from_secs(5),
        }
    }
}
