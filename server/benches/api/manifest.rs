//! A manifest of a million different names.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::Outcome;
use super::server::Server;

/// How many names of one folder; and how many of one file, which has limits in file systems.
const IN_FOLDER: u64 = 1000;
const OF_FILE: u64 = 30_000;
/// The numbers of a file.
const NUMBERS: u64 = 8;

/// Plans and averages so many files that a manifest lists, in the server's `store`.
///
/// # Errors
///
/// If the job fails.
pub(crate) async fn measure(server: &Server, store: &Path, names: u64) -> Outcome<()> {
    let manifest = files(store, names)?;
    println!("{names} names of different files, a manifest of {} MiB:", manifest.len() >> 20);
    let put = server.http.put(server.url("/api/files/names.txt")).body(manifest);
    put.send().await?.error_for_status()?;
    let before = server.resident_bytes()?;
    let inputs = json!({"manifest": "names.txt"});

    server.forget_peak()?;
    let begun = Instant::now();
    let request = server.http.post(server.url("/api/plan")).json(&json!({"inputs": inputs}));
    let plan: Value = request.send().await?.error_for_status()?.json().await?;
    if plan["inputs"]["objects"] != names {
        return Err(format!("planned for {} objects", plan["inputs"]["objects"]).into());
    }
    told("planned", begun, server, before, names)?;

    server.forget_peak()?;
    let begun = Instant::now();
    let job = server.submit(&json!({"inputs": inputs})).await?;
    server.done(&job).await?;
    told("averaged", begun, server, before, names)
}

fn told(what: &str, begun: Instant, server: &Server, before: u64, names: u64) -> Outcome<()> {
    let (took, peak) = (begun.elapsed().as_secs_f64(), server.peak_bytes()?);
    println!(
        "  {what} within {took:.1} s, server {} MiB at its peak ({} MiB before), {:.0} bytes a name",
        peak >> 20,
        before >> 20,
        peak.saturating_sub(before) as f64 / names as f64
    );
    Ok(())
}

/// Makes the files, most of them further names of others; returns the text of the manifest.
fn files(store: &Path, names: u64) -> io::Result<String> {
    let mut text = String::new();
    let mut first = None;
    for name in 0..names {
        let folder = store.join(format!("many/{:04}", name / IN_FOLDER));
        if name % IN_FOLDER == 0 {
            std::fs::create_dir_all(&folder)?;
        }
        let path = folder.join(format!("{name:07}.npy"));
        match &first {
            Some(first) if name % OF_FILE != 0 => std::fs::hard_link(first, &path)?,
            _ => {
                let numbers =
                    (0..NUMBERS).flat_map(|number| ((name + number) as f64).to_le_bytes());
                let file = [super::transfers::head(NUMBERS), numbers.collect()].concat();
                std::fs::write(&path, file)?;
                first = Some(path);
            }
        }
        // Writing to a text cannot fail.
        let _ = writeln!(text, "many/{:04}/{name:07}.npy", name / IN_FOLDER);
    }
    Ok(text)
}
