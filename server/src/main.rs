//! The program `distributed-average`.

use std::process::ExitCode;

use clap::Parser;
use server::arguments::{Arguments, Command};
use server::command;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Serve(arguments) => command::serve::run(arguments).await,
        Command::Mean(arguments) => command::mean::run(arguments).await,
        Command::Generate(arguments) => command::generate::run(arguments).await,
        Command::Ready(arguments) => command::ready::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
