//! The parts of pages: functions of their props, one to a file.

pub mod attempt_figures;
pub mod byte_figures;
pub mod connection_badge;
pub mod copy_link;
pub mod figure;
pub mod first_numbers;
pub mod icon;
pub mod job_actions;
pub mod job_form;
pub mod job_header;
pub mod job_row;
pub mod level_bar;
pub mod loading;
pub mod phase_badge;
pub mod phase_steps;
pub mod plan_figures;
pub mod problem_card;
pub mod progress_card;
pub mod result_card;
pub mod result_image;
pub mod result_plot;
pub mod site_header;
pub mod sum_tree;
pub mod theme_toggle;
pub mod worker_panel;
pub mod worker_tile;
