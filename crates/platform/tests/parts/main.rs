//! Every implementation keeps its trait's guarantees, the real ones also when
//! what they stand on goes away and comes back.

mod embedded;
mod rabbitmq;
mod seaweedfs;
