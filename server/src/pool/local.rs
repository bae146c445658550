//! Workers that a pool runs itself, as tasks or as child processes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::WorkerId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Workers that a pool runs itself, each as a future. The name of a worker is a
/// prefix and the lowest free number.
pub(super) struct LocalWorkers {
    prefix: String,
    running: Arc<Mutex<BTreeMap<u32, Member>>>,
    tasks: TaskTracker,
}

/// A worker of the pool, with the tokens that stop it.
#[derive(Clone)]
pub(super) struct Member {
    /// The name of the worker.
    pub(super) id: WorkerId,
    /// Cancelled when the pool stops: the worker must stop now.
    pub(super) stop: CancellationToken,
    /// Cancelled when the worker has been told to drain: it is not restarted once
    /// it has ended.
    pub(super) drained: CancellationToken,
}

impl LocalWorkers {
    /// No workers yet. The names of workers begin with `prefix`.
    pub(super) fn new(prefix: impl Into<String>) -> LocalWorkers {
        let (prefix, running) = (prefix.into(), Arc::default());
        LocalWorkers { prefix, running, tasks: TaskTracker::new() }
    }

    /// Starts workers until there are `desired`, not counting those told to drain.
    /// `run` runs one of them to its end.
    pub(super) fn ensure<F>(&self, desired: u32, run: impl Fn(Member) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut running = lock(&self.running);
        let kept = running.values().filter(|member| !member.drained.is_cancelled()).count();
        let missing = (desired as usize).saturating_sub(kept);
        let free: Vec<u32> =
            (1..).filter(|number| !running.contains_key(number)).take(missing).collect();
        for number in free {
            let member = Member {
                id: WorkerId::from(format!("{}{number}", self.prefix)),
                stop: CancellationToken::new(),
                drained: CancellationToken::new(),
            };
            let (worker, all) = (run(member.clone()), self.running.clone());
            self.tasks.spawn(async move {
                worker.await;
                lock(&all).remove(&number);
            });
            running.insert(number, member);
        }
    }

    /// Notes that a worker has been told to drain.
    pub(super) fn drained(&self, worker: &WorkerId) {
        for member in lock(&self.running).values().filter(|member| member.id == *worker) {
            member.drained.cancel();
        }
    }

    /// Stops all workers, and waits until they have ended.
    pub(super) async fn stop(&self) {
        for member in lock(&self.running).values() {
            member.stop.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The map stays whole even if somebody panicked while holding it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the workers that run.
    fn names(workers: &LocalWorkers) -> Vec<String> {
        lock(&workers.running).values().map(|member| member.id.to_string()).collect()
    }

    async fn until_stopped(member: Member) {
        member.stop.cancelled().await;
    }

    #[tokio::test]
    async fn as_many_are_kept_as_are_asked_for_and_none_is_stopped() {
        let workers = LocalWorkers::new("w-");
        workers.ensure(2, until_stopped);
        workers.ensure(2, until_stopped);
        assert_eq!(names(&workers), ["w-1", "w-2"]);
        workers.ensure(1, until_stopped);
        assert_eq!(names(&workers), ["w-1", "w-2"], "fewer only once they are drained");
        workers.drained(&WorkerId::from("w-1"));
        workers.ensure(2, until_stopped);
        assert_eq!(names(&workers), ["w-1", "w-2", "w-3"], "a drained one does not count");
        workers.stop().await;
        assert!(names(&workers).is_empty());
    }
}
