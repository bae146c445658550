//! Whole jobs on real parts: RabbitMQ, an S3 server, and servers and workers
//! that are processes of their own.

mod changes;
mod faults;
mod installation;
mod jobs;
mod kills;
mod lease;
mod lone;
mod messages;
mod metrics;
mod outages;
mod speculation;
