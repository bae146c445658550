//! The settings of a queue in RabbitMQ.

use std::fmt;
use std::time::Duration;

use lapin::uri::AMQPUri;

use crate::{Description, QueueError};

/// The heartbeat interval: a connection that is silent for two of them is closed.
/// With RabbitMQ's default of a minute, a worker would stay idle for two minutes.
const HEARTBEAT_SECS: u16 = 10;

/// The address of the broker, and the timeouts and limits of its clients.
#[derive(Clone)]
pub struct AmqpSettings {
    pub(super) uri: AMQPUri,
    /// The prefix of the names of all queues and exchanges, so that several
    /// installations can share a broker.
    pub prefix: String,
    /// The name of the connection on the broker's management page.
    pub connection_name: String,
    /// How long an operation is retried before [`QueueError::Unavailable`].
    pub patience: Duration,
    /// How long a worker's end that is not waiting keeps a prefetched delivery,
    /// before it returns to the queue for other workers.
    pub idle_timeout: Duration,
    /// How long a consumer may receive nothing before it is replaced by a new one.
    pub renew: Duration,
    /// How long an attempt may take before the broker delivers its assignment to
    /// another worker. Brokers before RabbitMQ 3.12 ignore this; there it is set by
    /// `consumer_timeout` in `rabbitmq.conf` (30 minutes by default).
    pub attempt_time_max: Duration,
    /// How many times a message may be delivered before it becomes a dead letter.
    pub deliveries_max: u32,
}

impl AmqpSettings {
    /// The default settings for the broker at
    /// `amqp://user:password@host:port/virtual-host`, or `amqps:` with TLS.
    ///
    /// # Errors
    ///
    /// [`QueueError::Refused`] if `url` is not such a URL.
    pub fn new(url: &str) -> Result<AmqpSettings, QueueError> {
        let mut uri: AMQPUri =
            url.parse().map_err(|reason: String| QueueError::Refused { source: reason.into() })?;
        // People who type "amqp://host/" mean the default virtual host.
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECS);
        Ok(AmqpSettings {
            uri,
            prefix: "distributed-average".to_owned(),
            connection_name: "distributed-average".to_owned(),
            patience: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(2),
            renew: Duration::from_secs(30),
            attempt_time_max: Duration::from_hours(24),
            deliveries_max: 20,
        })
    }

    /// The broker's host and port, without user and password.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.uri.authority.host, self.uri.authority.port)
    }

    /// The name and the address of the broker, without user and password.
    #[must_use]
    pub fn description(&self) -> Description {
        Description::at("RabbitMQ", self.address())
    }
}

/// Without user and password.
impl fmt::Debug for AmqpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpSettings")
            .field("address", &self.address())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_address_means_the_default_virtual_host() {
        for url in ["amqp://localhost", "amqp://localhost/", "amqp://localhost/%2f"] {
            assert_eq!(AmqpSettings::new(url).unwrap().uri.vhost, "/", "{url}");
        }
        assert_eq!(AmqpSettings::new("amqp://localhost/team").unwrap().uri.vhost, "team");
    }

    #[test]
    fn the_password_is_never_printed() {
        let settings = AmqpSettings::new("amqp://user:hunter2@broker:5673").unwrap();
        let printed = format!("{settings:?}");
        assert!(printed.contains("broker:5673"), "{printed}");
        assert!(!printed.contains("hunter2") && !printed.contains("user"), "{printed}");
        let wrong = AmqpSettings::new("http://user:hunter2@broker:port").unwrap_err();
        assert!(!format!("{wrong:?}").contains("hunter2"), "{wrong:?}");
    }

    #[test]
    fn heartbeats_are_asked_for_unless_the_url_says_how_often() {
        assert_eq!(AmqpSettings::new("amqp://h").unwrap().uri.query.heartbeat, Some(10));
        assert_eq!(AmqpSettings::new("amqp://h?heartbeat=3").unwrap().uri.query.heartbeat, Some(3));
    }
}
