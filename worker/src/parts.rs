//! Which queue and stores a command line names: with the server's `parts` the
//! only place that names implementations.

use std::sync::Arc;

use anyhow::{Context, bail};
use platform::queue::amqp::{AmqpSettings, AmqpWorkerEnd};
use platform::store::local::LocalStore;
use platform::store::s3::{S3Location, S3Store};
use platform::{InputStores, ObjectStore, WorkerEnd};

/// The store that a text names: a directory or `s3://bucket/prefix`.
pub async fn store(location: &str) -> anyhow::Result<Arc<dyn ObjectStore>> {
    if location.starts_with("s3://") {
        return Ok(Arc::new(S3Store::open(&location.parse::<S3Location>()?).await));
    }
    if location.contains("://") {
        bail!("the store {location:?} is not known: it is a directory or s3://bucket/prefix");
    }
    let store =
        LocalStore::open(location).with_context(|| format!("opening the store in {location}"))?;
    Ok(Arc::new(store))
}

/// The stores that inputs may lie in: the program's own and those allowed.
pub async fn inputs(own: Arc<dyn ObjectStore>, allowed: &[String]) -> anyhow::Result<InputStores> {
    let mut inputs = InputStores::new(own);
    for location in allowed {
        let mut name = location.clone();
        if !name.ends_with('/') {
            name.push('/');
        }
        inputs = if let Some(folder) = name.strip_prefix("file://") {
            let folder = folder.to_owned();
            inputs.with(name, Arc::new(LocalStore::read_only(folder)))
        } else if name.starts_with("s3://") {
            let store = S3Store::open(&name.parse::<S3Location>()?).await;
            inputs.with(name, Arc::new(store))
        } else {
            bail!("inputs in {location:?}: allowed is file:///DIR or s3://BUCKET/PREFIX");
        };
    }
    Ok(inputs)
}

/// The settings of a queue in RabbitMQ.
pub fn amqp(url: &str, prefix: &str, name: &str) -> anyhow::Result<AmqpSettings> {
    if !url.starts_with("amqp://") && !url.starts_with("amqps://") {
        // The text itself may hold a password.
        bail!("the queue is not known: it begins with amqp:// or amqps://");
    }
    let mut settings = AmqpSettings::new(url).context("reading the queue's address")?;
    prefix.clone_into(&mut settings.prefix);
    name.clone_into(&mut settings.connection_name);
    Ok(settings)
}

/// A worker's end of a queue in RabbitMQ.
pub async fn worker_end(settings: AmqpSettings) -> anyhow::Result<Box<dyn WorkerEnd>> {
    let address = settings.address();
    let end = AmqpWorkerEnd::connect(settings)
        .await
        .with_context(|| format!("connecting to the queue at {address}"))?;
    Ok(Box::new(end))
}
