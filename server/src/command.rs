//! The subcommands.

pub mod generate;
pub mod mean;
pub mod ready;
pub mod serve;
pub mod token;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How many times a second a progress bar is redrawn.
const DRAW_HZ: u8 = 10;

/// The default number of workers: that of the processors.
fn default_workers() -> u32 {
    std::thread::available_parallelism()
        .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

/// A progress bar on standard error, if that is a terminal.
fn progress_bar(length: u64, template: &str) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAW_HZ);
    let bar = ProgressBar::with_draw_target(Some(length), target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    bar.enable_steady_tick(Duration::from_millis(1000 / u64::from(DRAW_HZ)));
    bar
}
