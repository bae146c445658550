//! An object store that speaks S3.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ports;
use crate::process::Process;

const BUCKET: &str = "testbed";
const ACCESS_KEY: &str = "TESTBEDACCESSKEY";
const SECRET_KEY: &str = "testbed-secret-that-no-log-may-show";

/// SeaweedFS: master, volume server, filer and S3 gateway in one process.
pub struct SeaweedFs {
    program: PathBuf,
    folder: TempDir,
    /// Of master, volume server, filer and gateway, each with its second one.
    ports: [u16; 8],
    running: Option<Process>,
}

impl SeaweedFs {
    /// Starts a store with one empty bucket.
    ///
    /// # Panics
    ///
    /// If it cannot be had or does not start.
    pub async fn start() -> SeaweedFs {
        let program = find_program();
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("data")).expect("a folder for its data");
        let identities = format!(
            r#"{{"identities": [{{
                "name": "testbed",
                "credentials": [{{"accessKey": "{ACCESS_KEY}", "secretKey": "{SECRET_KEY}"}}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"]
            }}]}}"#
        );
        fs::write(folder.path().join("s3.json"), identities).expect("writing a configuration file");
        let ports = [(); 8].map(|()| ports::free());
        let mut store = SeaweedFs { program, folder, ports, running: None };
        store.start_again().await;
        store
    }

    /// Starts it on the same ports with what it held, after it was stopped or killed.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn start_again(&mut self) {
        let folder = |name: &str| self.folder.path().join(name).display().to_string();
        let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc] = self.ports;
        let mut process = Process::start(
            "weed",
            Command::new(&self.program)
                .arg("-logtostderr=true")
                .arg("server")
                .arg(format!("-dir={}", folder("data")))
                .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1"])
                .args(["-master.telemetry=false", "-master.electionTimeout=1s"])
                .args(["-master.volumeSizeLimitMB=1024", "-volume.max=0"])
                .args(["-filer", "-s3", "-s3.iam=false", "-s3.autoCreateBucket=false"])
                .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
                .arg(format!("-s3.config={}", folder("s3.json")))
                .arg(format!("-master.port={master}"))
                .arg(format!("-master.port.grpc={master_grpc}"))
                .arg(format!("-volume.port={volume}"))
                .arg(format!("-volume.port.grpc={volume_grpc}"))
                .arg(format!("-filer.port={filer}"))
                .arg(format!("-filer.port.grpc={filer_grpc}"))
                .arg(format!("-filer.localSocket={}", folder("filer.sock")))
                .arg(format!("-s3.port={s3}"))
                .arg(format!("-s3.port.grpc={s3_grpc}"))
                .arg(format!("-s3.localSocket={}", folder("s3.sock")))
                .env("HOME", self.folder.path()),
            &self.folder.path().join("weed.log"),
        );
        // A folder of the filer is a bucket (409: it is there already), and a file
        // can be written once all parts have found each other.
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

    /// Stops it in good order.
    pub async fn stop(&mut self) {
        if let Some(process) = self.running.take() {
            process.stop().await;
        }
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// The port of 127.0.0.1 that its S3 gateway listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports[6]
    }

    /// The address of its S3 gateway.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// The bucket that is there.
    #[must_use]
    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// The identity that may do everything: its access key and its secret.
    #[must_use]
    pub fn credentials(&self) -> (&'static str, &'static str) {
        (ACCESS_KEY, SECRET_KEY)
    }

    /// The standard environment that makes a program use it.
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

fn find_program() -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let set_up = cache.map(|cache| cache.join("distributed-average/seaweedfs/bin/weed"));
    let on_path = env::var_os("PATH").unwrap_or_default();
    set_up
        .into_iter()
        .chain(env::split_paths(&on_path).map(|folder| folder.join("weed")))
        .find(|path| path.exists())
        .expect("SeaweedFS is not here; scripts/setup-real-parts gets it")
}

/// Sends a request to a port of 127.0.0.1; the answer's status.
async fn request(port: u16, method: &str, path: &str, body: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1)?.parse().ok()
}
