//! The flags of the HTTP server.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use crate::http::hosts::{AllowedHosts, HostPattern};
use crate::http::settings::{Limits, Settings};
use crate::http::tls::Certificate;

/// The flags of the HTTP server, besides its address.
#[derive(Args, Clone, Debug)]
pub struct HttpArguments {
    /// Names under which browsers and programs may reach the server, besides its
    /// addresses and localhost; *.example.com allows all names below example.com.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_ALLOW_HOSTS",
        value_delimiter = ',',
        value_name = "HOST,..."
    )]
    pub allow_hosts: Vec<HostPattern>,
    /// File with the server's certificate in PEM, followed by those that certify it;
    /// the server then speaks HTTPS. Read again when it changes.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_TLS_CERTIFICATE",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_certificate: Option<PathBuf>,
    /// File with the private key of --tls-certificate in PEM.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_TLS_KEY",
        value_name = "FILE",
        requires = "tls_certificate"
    )]
    pub tls_key: Option<PathBuf>,
    /// Maximum number of open connections; at most half of the files that the process
    /// may have open. Beyond it, idle connections are closed for new ones.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_CONNECTIONS", default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// Maximum number of concurrent event streams, one for each open page.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_EVENT_STREAMS", default_value_t = 2_000)]
    pub max_event_streams: u32,
    /// Maximum number of concurrent uploads; each takes 24 MiB of memory with S3.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_UPLOADS", default_value_t = 4,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub max_uploads: u32,
    /// Maximum number of requests per second from one address, after a burst of
    /// five seconds' worth [default: 1000; unlimited for loopback addresses].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_REQUESTS_PER_SECOND")]
    pub max_requests_per_second: Option<NonZeroU32>,
}

impl HttpArguments {
    /// The settings for a process that may have so many files open; `site` is the
    /// folder of the browser bundle.
    ///
    /// # Errors
    ///
    /// If the certificate cannot be read.
    pub fn settings(&self, site: Option<PathBuf>, open_files: u64) -> anyhow::Result<Settings> {
        let certificate = match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => Some(Certificate::read(certificate, key)?),
            _ => None,
        };
        // The rest is for the store, the queue and the workers.
        let connections = usize::try_from(open_files / 2).unwrap_or(usize::MAX);
        let limits = Limits {
            connections: connections.min(self.max_connections as usize),
            event_streams: self.max_event_streams as usize,
            uploads: self.max_uploads as usize,
            requests_per_second: self.max_requests_per_second,
            ..Limits::default()
        };
        let hosts = AllowedHosts::new(self.allow_hosts.clone());
        Ok(Settings { site, hosts, limits, certificate, ..Settings::default() })
    }
}
