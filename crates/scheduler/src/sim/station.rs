//! A station that handles one message after the other, such as a broker or a server.

/// When a station is free. Messages that arrive before wait for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Station {
    free_at: u64,
}

impl Station {
    /// When a message has been handled that arrives at `at` and takes `service_us`.
    pub(super) fn pass(&mut self, at: u64, service_us: u64) -> u64 {
        self.free_at = self.free_at.max(at) + service_us;
        self.free_at
    }

    /// When the station is free.
    pub(super) fn free_at(&self) -> u64 {
        self.free_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_wait_for_each_other_and_not_for_those_of_long_ago() {
        let mut station = Station::default();
        assert_eq!(station.pass(100, 10), 110);
        assert_eq!(station.pass(100, 10), 120);
        assert_eq!(station.pass(105, 10), 130);
        assert_eq!(station.pass(500, 10), 510);
        assert_eq!(station.free_at(), 510);
    }
}
