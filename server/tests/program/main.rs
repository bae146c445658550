//! The whole program: a server on a free port through HTTP and server-sent
//! events, and the command line, on the embedded parts.

mod api;
mod changes;
mod child;
mod client;
mod clock;
mod command_line;
mod damage;
mod description;
mod exact;
mod formats;
mod garbage_collection;
mod hostile_records;
mod inputs;
mod limits;
mod load;
mod logs;
mod memory;
mod metrics;
mod mixed_folders;
mod network;
mod old_store;
mod outages;
mod power_loss;
mod programs;
mod provenance;
mod readme;
mod real;
mod restart;
mod retention;
mod running;
mod several_servers;
mod small_disk;
mod stopping;
mod supervision;
mod truth;
