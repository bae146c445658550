//! An S3-compatible object store.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ports;
use crate::process::Process;
use crate::programs;

const BUCKET: &str = "testbed";
const ACCESS_KEY: &str = "TESTBEDACCESSKEY";
const SECRET_KEY: &str = "testbed-secret-that-no-log-may-show";

/// SeaweedFS: master, volume server, filer and S3 gateway in one process.
pub struct SeaweedFs {
    program: PathBuf,
    directory: TempDir,
    /// HTTP and gRPC ports of the master, volume server, filer and S3 gateway.
    ports: [u16; 8],
    running: Option<Process>,
}

impl SeaweedFs {
    /// Starts a store with one empty bucket.
    ///
    /// # Panics
    ///
    /// If SeaweedFS is not installed or does not start.
    pub async fn start() -> SeaweedFs {
        let program = programs::find("weed", "seaweedfs/bin/weed");
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join("data")).expect("a data directory");
        let identities = format!(
            r#"{{"identities": [{{
                "name": "testbed",
                "credentials": [{{"accessKey": "{ACCESS_KEY}", "secretKey": "{SECRET_KEY}"}}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"]
            }}]}}"#
        );
        fs::write(directory.path().join("s3.json"), identities)
            .expect("writing a configuration file");
        let ports = [(); 8].map(|()| ports::free());
        let mut store = SeaweedFs { program, directory, ports, running: None };
        store.start_again().await;
        store
    }

    /// Restarts a stopped or killed store on the same ports with the same data.
    ///
    /// # Panics
    ///
    /// If the store does not start.
    pub async fn start_again(&mut self) {
        let directory = |name: &str| self.directory.path().join(name).display().to_string();
        let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc] = self.ports;
        let mut process = Process::start(
            "weed",
            Command::new(&self.program)
                .arg("-logtostderr=true")
                .arg("server")
                .arg(format!("-dir={}", directory("data")))
                .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1"])
                .args(["-master.telemetry=false", "-master.electionTimeout=1s"])
                .args(["-master.volumeSizeLimitMB=1024", "-volume.max=0"])
                .args(["-filer", "-s3", "-s3.iam=false", "-s3.autoCreateBucket=false"])
                .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
                .arg(format!("-s3.config={}", directory("s3.json")))
                .arg(format!("-master.port={master}"))
                .arg(format!("-master.port.grpc={master_grpc}"))
                .arg(format!("-volume.port={volume}"))
                .arg(format!("-volume.port.grpc={volume_grpc}"))
                .arg(format!("-filer.port={filer}"))
                .arg(format!("-filer.port.grpc={filer_grpc}"))
                .arg(format!("-filer.localSocket={}", directory("filer.sock")))
                .arg(format!("-s3.port={s3}"))
                .arg(format!("-s3.port.grpc={s3_grpc}"))
                .arg(format!("-s3.localSocket={}", directory("s3.sock")))
                .env("HOME", self.directory.path()),
            &self.directory.path().join("weed.log"),
        );
        // A directory of the filer is a bucket (409: it exists already). A file can
        // be written once all components are connected.
        let bucket = format!("/buckets/{BUCKET}/");
        process
            .wait_until(async || {
                matches!(request(filer, "POST", &bucket, "").await, Some(201 | 409))
                    && request(filer, "PUT", "/ready", "ready").await == Some(201)
                    && request(s3, "GET", "/healthz", "").await == Some(200)
            })
            .await;
        self.running = Some(process);
    }

    /// Stops the store gracefully.
    pub async fn stop(&mut self) {
        if let Some(process) = self.running.take() {
            process.stop().await;
        }
    }

    /// Kills the store.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Stops the process, as SIGSTOP does, until it is [thawed](SeaweedFs::thaw). Its
    /// connections stay open.
    pub fn freeze(&self) {
        if let Some(process) = &self.running {
            process.freeze();
        }
    }

    /// Continues a store that was frozen.
    pub fn thaw(&self) {
        if let Some(process) = &self.running {
            process.thaw();
        }
    }

    /// Has every write to its disk fail, as if the disk were full, until the store is
    /// stopped and started again.
    pub fn fill_disk(&self) {
        if let Some(process) = &self.running {
            process.limit_files(0);
        }
    }

    /// The port of the S3 gateway on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports[6]
    }

    /// The URL of the filer, which shows and changes objects below `/buckets/` without S3.
    #[must_use]
    pub fn filer(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[4])
    }

    /// The URL of the S3 gateway.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// The name of the bucket.
    #[must_use]
    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// The access key id and secret access key of an identity with all permissions.
    #[must_use]
    pub fn credentials(&self) -> (&'static str, &'static str) {
        (ACCESS_KEY, SECRET_KEY)
    }

    /// The standard `AWS_*` environment variables for clients of the store.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT_URL", self.endpoint()),
        ]
    }
}

/// Sends an HTTP request to a port of 127.0.0.1 and returns the status; `None` if
/// there is no response.
async fn request(port: u16, method: &str, path: &str, body: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.ok()?;
    let response = String::from_utf8_lossy(&response);
    response.split(' ').nth(1)?.parse().ok()
}
