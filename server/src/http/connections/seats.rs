//! The places of open connections.
//!
//! A connection either waits for a request or is busy with one. When all places are
//! taken, the connection that has waited longest makes room for a new one: so clients
//! that open connections and send nothing cannot keep others out. Where none waits, a
//! few more are let in, which are told to come back later.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// How many connections are let in although all places are taken.
const CROWD_MAX: usize = 64;

/// The places of open connections.
#[derive(Debug)]
pub(super) struct Seats {
    places: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    connections: usize,
    /// The number of the next wait.
    next: u64,
    /// The connections that wait for a request, the longest first; the tokens close
    /// them.
    waiting: BTreeMap<u64, CancellationToken>,
}

impl Taken {
    fn wait(&mut self, closed: &CancellationToken) -> u64 {
        let wait = self.next;
        self.next += 1;
        self.waiting.insert(wait, closed.clone());
        wait
    }

    fn close_longest_waiting(&mut self) -> bool {
        let Some((_, closed)) = self.waiting.pop_first() else {
            return false;
        };
        closed.cancel();
        self.connections -= 1;
        true
    }
}

impl Seats {
    /// Places for so many connections.
    pub(super) fn new(places: usize) -> Seats {
        Seats { places, taken: Mutex::default() }
    }

    /// A place for a new connection, which waits for its first request; `None` if it
    /// has to be closed at once.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat> {
        let mut taken = self.lock();
        let is_full = taken.connections >= self.places;
        let is_crowded = is_full && !taken.close_longest_waiting();
        if taken.connections >= self.places + CROWD_MAX {
            return None;
        }
        taken.connections += 1;
        let closed = CancellationToken::new();
        let wait = Mutex::new(Some(taken.wait(&closed)));
        Some(Seat { seats: self.clone(), is_crowded, closed, wait })
    }

    /// Closes the connection that has waited longest, if any waits.
    pub(super) fn make_room(&self) {
        self.lock().close_longest_waiting();
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // What it guards stays whole even if somebody panicked while holding it.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    is_crowded: bool,
    closed: CancellationToken,
    /// The number of its wait; `None` while it is busy.
    wait: Mutex<Option<u64>>,
}

impl Seat {
    /// Whether the connection was let in although all places were taken.
    pub(super) fn is_crowded(&self) -> bool {
        self.is_crowded
    }

    /// Waits until the connection has to make room.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Begins a request. The connection waits again once the value is dropped.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        let mut taken = self.seats.lock();
        if let Some(wait) = self.number().take() {
            taken.waiting.remove(&wait);
        }
        Busy(self.clone())
    }

    /// The number of its wait. Taken only after the lock of the seats.
    fn number(&self) -> MutexGuard<'_, Option<u64>> {
        self.wait.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        if let Some(wait) = self.number().take() {
            taken.waiting.remove(&wait);
        }
        // One that had to make room is not counted any more.
        if !self.closed.is_cancelled() {
            taken.connections -= 1;
        }
    }
}

/// A connection that is busy with a request, until dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Seat>);

impl Drop for Busy {
    fn drop(&mut self) {
        let Busy(seat) = self;
        let mut taken = seat.seats.lock();
        if !seat.closed.is_cancelled() {
            *seat.number() = Some(taken.wait(&seat.closed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(places: usize) -> Arc<Seats> {
        Arc::new(Seats::new(places))
    }

    fn take(seats: &Arc<Seats>) -> Arc<Seat> {
        Arc::new(seats.take().expect("a place"))
    }

    fn is_closed(seat: &Seat) -> bool {
        seat.closed.is_cancelled()
    }

    #[test]
    fn the_longest_waiting_connection_makes_room() {
        let seats = seats(2);
        let (first, second) = (take(&seats), take(&seats));
        let busy = first.busy();
        let third = take(&seats);
        assert!(!is_closed(&first) && is_closed(&second), "a busy connection stays");
        drop(busy);
        let fourth = take(&seats);
        assert!(is_closed(&third) && !is_closed(&first), "it has waited for less long");
        assert!(!fourth.is_crowded());
    }

    #[test]
    fn where_all_are_busy_a_few_more_are_let_in() {
        let seats = seats(1);
        let first = take(&seats);
        let _busy = first.busy();
        let mut crowd = Vec::new();
        while crowd.len() < CROWD_MAX {
            let seat = take(&seats);
            assert!(seat.is_crowded());
            let busy = seat.busy();
            crowd.push((seat, busy));
        }
        assert!(seats.take().is_none());
        crowd.pop();
        assert!(seats.take().is_some_and(|seat| seat.is_crowded()));
    }

    #[test]
    fn every_place_is_given_back_once() {
        let seats = seats(3);
        for _ in 0..100 {
            let all: Vec<_> = (0..9).map(|_| take(&seats)).collect();
            let busy: Vec<_> = all.iter().map(Seat::busy).collect();
            drop(all);
            drop(busy);
        }
        let taken = seats.lock();
        assert_eq!((taken.connections, taken.waiting.len()), (0, 0));
    }
}
