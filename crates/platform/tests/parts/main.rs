//! Every implementation passes its conformance suite, the real ones also during
//! outages of their servers.

mod embedded;
mod rabbitmq;
mod rabbitmq_users;
mod seaweedfs;
