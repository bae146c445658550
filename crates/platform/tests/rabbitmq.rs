//! The queue in RabbitMQ keeps its traits' guarantees, and loses nothing when
//! the broker goes away and comes back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use platform::queue::amqp::{AmqpServerEnd, AmqpSettings, AmqpWorkerEnd};
use platform::queue::conformance::Subject;
use platform::{ServerEnd, WorkerEnd};
use testbed::RabbitMq;

/// One installation on a broker.
struct Installation {
    settings: AmqpSettings,
}

impl Installation {
    fn new(broker: &RabbitMq, prefix: &str) -> Installation {
        let mut settings = AmqpSettings::new(&broker.url()).expect("a url");
        settings.prefix = prefix.to_owned();
        settings.patience = Duration::from_secs(60);
        Installation { settings }
    }

    async fn server(&self) -> AmqpServerEnd {
        AmqpServerEnd::connect(self.settings.clone()).await.expect("the server's end")
    }

    async fn worker(&self) -> AmqpWorkerEnd {
        AmqpWorkerEnd::connect(self.settings.clone()).await.expect("a worker's end")
    }
}

#[async_trait]
impl Subject for Installation {
    async fn server_end(&self) -> Arc<dyn ServerEnd> {
        Arc::new(self.server().await)
    }

    async fn worker_end(&self) -> Box<dyn WorkerEnd> {
        Box::new(self.worker().await)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_in_rabbitmq_conforms() {
    let broker = RabbitMq::start().await;
    platform::queue::conformance::run(&Installation::new(&broker, "conformance")).await;
}
