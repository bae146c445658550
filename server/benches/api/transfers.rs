//! Gigabytes that come and go.

use std::time::Instant;

use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::json;

use super::Outcome;
use super::server::Server;

/// How much is sent at a time.
const CHUNK: usize = 64 << 10;
/// The key of the object.
const KEY: &str = "large.npy";

/// Uploads an array, downloads it, averages it, and downloads the result.
///
/// # Errors
///
/// If one of them fails, or has another length.
pub(crate) async fn measure(server: &Server, bytes: u64) -> Outcome<()> {
    let numbers = bytes / 8;
    let head = head(numbers);
    let length = head.len() as u64 + numbers * 8;
    println!("an array of {} MiB:", length >> 20);
    let idle = server.resident_bytes()?;
    let zeros = Bytes::from(vec![0_u8; CHUNK]);
    let body = stream::iter(0..(numbers * 8).div_ceil(CHUNK as u64)).map(move |number| {
        let left = numbers * 8 - number * CHUNK as u64;
        Ok::<_, std::io::Error>(zeros.slice(..usize::try_from(left).unwrap_or(CHUNK).min(CHUNK)))
    });
    let body = stream::once(async { Ok(Bytes::from(head)) }).chain(body);
    server.forget_peak()?;
    let begun = Instant::now();
    let request = server.http.put(server.url(&format!("/api/files/{KEY}")));
    request.body(reqwest::Body::wrap_stream(body)).send().await?.error_for_status()?;
    told("up", length, begun, server, idle)?;

    server.forget_peak()?;
    let begun = Instant::now();
    let read = download(server, &format!("/api/files/{KEY}")).await?;
    if read != length {
        return Err(format!("{read} of {length} bytes were read").into());
    }
    told("down", read, begun, server, idle)?;

    let job = server.submit(&json!({"inputs": {"objects": [KEY]}})).await?;
    server.done(&job).await?;
    server.forget_peak()?;
    let begun = Instant::now();
    let read = download(server, &format!("/api/jobs/{job}/result?format=npy")).await?;
    if read < numbers * 8 {
        return Err(format!("{read} bytes of {numbers} numbers were read").into());
    }
    told("its mean down", read, begun, server, idle)
}

/// The head of an array of so many numbers, as NumPy writes it.
pub(crate) fn head(numbers: u64) -> Vec<u8> {
    let mut text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({numbers},), }}");
    let length = (10 + text.len() + 1).next_multiple_of(64) - 10;
    text.push_str(&" ".repeat(length - text.len() - 1));
    text.push('\n');
    let mut head = b"\x93NUMPY\x01\x00".to_vec();
    head.extend(u16::try_from(length).unwrap_or_default().to_le_bytes());
    head.extend(text.into_bytes());
    head
}

async fn download(server: &Server, path: &str) -> Outcome<u64> {
    let answer = server.http.get(server.url(path)).send().await?.error_for_status()?;
    let mut chunks = answer.bytes_stream();
    let mut read = 0;
    while let Some(chunk) = chunks.next().await {
        read += chunk?.len() as u64;
    }
    Ok(read)
}

fn told(what: &str, bytes: u64, begun: Instant, server: &Server, idle: u64) -> Outcome<()> {
    let rate = bytes as f64 / begun.elapsed().as_secs_f64() / f64::from(1 << 20);
    let peak = server.peak_bytes()?;
    println!(
        "  {what}: {rate:.0} MiB a second, server {} MiB at its peak ({} MiB before)",
        peak >> 20,
        idle >> 20
    );
    Ok(())
}
