//! The components of islands: functions of their props, one per file.

pub mod attempt_figures;
pub mod byte_figures;
pub mod connection_badge;
pub mod figure;
pub mod icon;
pub mod job_row;
pub mod job_tabs;
pub mod level_bar;
pub mod phase_badge;
pub mod phase_steps;
pub mod plan_figures;
pub mod problem_card;
pub mod progress_card;
pub mod sum_tree;
pub mod whole_bar;
pub mod worker_panel;
pub mod worker_tile;
