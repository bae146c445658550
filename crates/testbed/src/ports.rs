//! Allocation of free ports.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// The first port of the pool. The pool is below the ephemeral ports, so that no
/// outgoing connection occupies the port of a stopped server.
const FIRST: u16 = 20_000;
/// Number of ports in the pool.
const COUNT: u16 = 12_000;

/// Offset of the next port to try.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// Returns a port of 127.0.0.1 without a listener. Concurrent test processes start
/// at different offsets.
pub(crate) fn free() -> u16 {
    let spread = u16::try_from(std::process::id() % 1000).unwrap_or(0) * 12;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (spread.wrapping_add(step)) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port of 127.0.0.1 is free");
}
