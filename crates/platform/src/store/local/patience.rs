//! Waits for a free file descriptor.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// How long an operation waits for a descriptor. Whoever holds one returns it within
/// seconds, unless something else of the process leaks them.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause after the first failure, which doubles …
const PAUSE: Duration = Duration::from_millis(5);
/// … up to this one.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Opens a file or a folder, and waits while the process or the machine has no free
/// descriptor. Blocks the thread meanwhile.
pub(super) fn opening<T>(open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    opening_within(PATIENCE, open)
}

fn opening_within<T>(patience: Duration, mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let deadline = Instant::now() + patience;
    let mut pause = PAUSE;
    loop {
        match open() {
            Err(error) if lacks_descriptors(&error) && Instant::now() < deadline => {}
            opened => return opened,
        }
        thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Whether an error says that all descriptors are in use.
fn lacks_descriptors(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exhausted() -> io::Error {
        io::Error::from_raw_os_error(Errno::MFILE.raw_os_error())
    }

    #[test]
    fn a_lack_of_descriptors_is_waited_for() {
        let mut tries = 0;
        let opened = opening(|| {
            tries += 1;
            if tries < 4 { Err(exhausted()) } else { Ok(tries) }
        });
        assert_eq!(opened.unwrap(), 4);
    }

    #[test]
    fn other_errors_and_a_lack_that_lasts_are_returned() {
        let mut tries = 0;
        let missing = opening(|| -> io::Result<()> {
            tries += 1;
            Err(io::ErrorKind::NotFound.into())
        });
        assert_eq!((missing.unwrap_err().kind(), tries), (io::ErrorKind::NotFound, 1));
        let lasting = opening_within(Duration::ZERO, || -> io::Result<()> { Err(exhausted()) });
        assert!(lacks_descriptors(&lasting.unwrap_err()));
    }
}
