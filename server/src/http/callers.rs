//! How many requests a second each caller may send.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use protocol::problem::{Problem, ProblemKind};
use tokio::time::Instant;

use super::guard::is_probe;
use super::problem_response::ProblemResponse;

/// The requests of one caller in a second where the command line does not say: far
/// above what pages and scripts need. Many users may share an address behind a proxy.
const DEFAULT_RATE: NonZeroU32 = NonZeroU32::new(1000).expect("it is not zero");
/// How many seconds' requests may come at once.
const BURST_SECS: u32 = 5;
/// The most callers that are remembered; beyond it all begin anew.
const CALLERS_MAX: usize = 1 << 16;

/// The address that a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller(pub(super) IpAddr);

/// The name of who has sent a request, in the extensions of its response.
#[derive(Clone, Debug)]
pub(super) struct CallerName(pub(super) String);

/// What each caller has sent, as the generic cell rate algorithm counts it: for each
/// the time at which its requests so far would have come at the allowed rate.
#[derive(Debug)]
pub(super) struct Callers {
    interval: Duration,
    /// Whether callers on this machine are counted too.
    counts_loopback: bool,
    due: Mutex<HashMap<IpAddr, Instant>>,
}

impl Callers {
    /// At most `rate` requests a second of each caller; `None` for [`DEFAULT_RATE`],
    /// and any number from this machine.
    pub(super) fn new(rate: Option<NonZeroU32>) -> Callers {
        Callers {
            interval: Duration::from_secs(1) / rate.unwrap_or(DEFAULT_RATE).get(),
            counts_loopback: rate.is_some(),
            due: Mutex::default(),
        }
    }

    /// Counts a request, or returns how long its caller has to wait before it may send
    /// the next one.
    fn admit(&self, caller: IpAddr, now: Instant) -> Result<(), Duration> {
        if caller.to_canonical().is_loopback() && !self.counts_loopback {
            return Ok(());
        }
        let ahead_max = Duration::from_secs(BURST_SECS.into());
        // The map stays whole even if somebody panicked while holding it.
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() >= CALLERS_MAX {
            due.retain(|_, due| *due > now);
            if due.len() >= CALLERS_MAX {
                due.clear();
            }
        }
        let due = due.entry(network(caller)).or_insert(now);
        let next = (*due).max(now) + self.interval;
        let ahead = next.duration_since(now);
        if ahead > ahead_max {
            return Err(ahead.saturating_sub(ahead_max));
        }
        *due = next;
        Ok(())
    }
}

/// Passes a request on, or refuses it because its caller sends too many. Probes are
/// always answered.
pub(super) async fn admit(
    State(callers): State<Arc<Callers>>,
    request: Request,
    next: Next,
) -> Response {
    let caller = request.extensions().get::<Caller>().copied();
    let wait = match caller {
        Some(Caller(address)) if !is_probe(request.uri().path()) => {
            callers.admit(address, Instant::now()).err()
        }
        _ => None,
    };
    let Some(wait) = wait else {
        return next.run(request).await;
    };
    let problem =
        Problem::new(ProblemKind::TooManyRequests, "this address sends too many requests").remedy(
            "wait, and send fewer; --max-requests-per-second sets how many the server takes",
        );
    ProblemResponse::from(problem).retry_after(wait).into_response()
}

/// The address, or for IPv6 the network, that a caller is known by: whoever has one
/// address of IPv6 usually has all of its /64.
fn network(caller: IpAddr) -> IpAddr {
    match caller.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_is_taken_and_then_the_rate() {
        let callers = Callers::new(NonZeroU32::new(10));
        let mut now = Instant::now();
        let caller = address("192.0.2.1");
        for request in 0..50 {
            assert!(callers.admit(caller, now).is_ok(), "{request}");
        }
        let wait = callers.admit(caller, now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        callers.admit(address("192.0.2.2"), now).expect("another caller is not affected");
        now += wait;
        callers.admit(caller, now).unwrap();
        assert!(callers.admit(caller, now).is_err(), "refused requests do not count");
        now += Duration::from_secs(3600);
        let burst = (0..100).take_while(|_| callers.admit(caller, now).is_ok()).count();
        assert_eq!(burst, 50, "idle time is not saved up");
    }

    #[test]
    fn this_machine_is_counted_only_if_a_rate_is_given() {
        let now = Instant::now();
        let admitted = |rate, caller| {
            let callers = Callers::new(rate);
            (0..10_000).take_while(|_| callers.admit(address(caller), now).is_ok()).count()
        };
        for caller in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(admitted(None, caller), 10_000, "{caller}");
            assert_eq!(admitted(NonZeroU32::new(2), caller), 10, "{caller}");
        }
        assert_eq!(admitted(None, "192.0.2.1"), 5_000);
    }

    #[test]
    fn a_network_of_ipv6_is_one_caller_and_memory_is_bounded() {
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff:1")));
        assert_ne!(network(address("2001:db8::1")), network(address("2001:db8:0:1::1")));
        let callers = Callers::new(None);
        let now = Instant::now();
        for caller in 0..100_000 {
            callers.admit(std::net::Ipv4Addr::from_bits(0xc000_0000 + caller).into(), now).unwrap();
        }
        assert!(callers.due.lock().unwrap().len() <= CALLERS_MAX);
    }
}
