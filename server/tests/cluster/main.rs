//! The worker pool and the manifests on a real cluster: the one that
//! `KUBECONFIG` names. `scripts/test-cluster` runs these tests, and starts a
//! cluster for them if there is none.
//!
//! `manifests` and `pool` need the API server and its controllers only; `jobs`
//! and `broker_nodes` need nodes and the program's image, `outages` also
//! `scripts/cluster`.

mod broker_nodes;
#[path = "../program/client.rs"]
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod client;
mod cluster;
#[path = "../program/exact.rs"]
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod exact;
mod installation;
mod jobs;
mod manifests;
mod outages;
mod pool;
