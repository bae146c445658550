//! What can be set about a queue in RabbitMQ.

use std::fmt;
use std::time::Duration;

use lapin::uri::AMQPUri;

use crate::{Description, QueueError};

/// Half the time after which a silent connection counts as broken. RabbitMQ's
/// own default of a minute leaves a worker idle for two.
const HEARTBEAT_SECS: u16 = 10;

/// Where the broker is and how to behave towards it.
#[derive(Clone)]
pub struct AmqpSettings {
    pub(super) uri: AMQPUri,
    /// What the names of all queues and exchanges begin with, so that several
    /// installations can share a broker.
    pub prefix: String,
    /// How the connection is called on the broker's management page.
    pub connection_name: String,
    /// How long to go on trying before [`QueueError::Unavailable`].
    pub patience: Duration,
    /// How long a worker end keeps a delivery that came while nobody waited
    /// for one, before it goes back to the queue for others.
    pub hold: Duration,
    /// How long a consumer that gets nothing trusts that it would.
    pub renew: Duration,
    /// The longest time an attempt may take before the broker gives it to
    /// somebody else. Brokers before RabbitMQ 3.12 do not let a client say
    /// this; there `consumer_timeout` in `rabbitmq.conf` has to (30 minutes
    /// unless set).
    pub attempt_time_max: Duration,
    /// How often a message may be delivered, handed back and lost with
    /// workers together, before it is put aside as a dead letter.
    pub deliveries_max: u32,
}

impl AmqpSettings {
    /// For the broker at `amqp://user:password@host:port/virtual-host`, or
    /// `amqps:` with TLS.
    pub fn new(url: &str) -> Result<AmqpSettings, QueueError> {
        let mut uri: AMQPUri =
            url.parse().map_err(|reason: String| QueueError::Refused { source: reason.into() })?;
        // "amqp://host/" is meant as the default virtual host by everybody who types it.
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECS);
        Ok(AmqpSettings {
            uri,
            prefix: "distributed-average".to_owned(),
            connection_name: "distributed-average".to_owned(),
            patience: Duration::from_secs(60),
            hold: Duration::from_secs(2),
            renew: Duration::from_secs(30),
            attempt_time_max: Duration::from_hours(24),
            deliveries_max: 20,
        })
    }

    /// The broker's host and port: what may be shown.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.uri.authority.host, self.uri.authority.port)
    }

    /// The broker for people, without user and password.
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
