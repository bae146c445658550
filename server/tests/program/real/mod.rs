//! Whole jobs on real parts: RabbitMQ, an S3 server, and servers and workers
//! that are processes of their own.

mod broker_nodes;
mod changes;
mod control_plane;
mod faults;
mod formats;
mod installation;
mod jobs;
mod kills;
mod lease;
mod messages;
mod metrics;
mod outages;
mod outputs;
mod speculation;
mod standby;
mod traces;
