//! The program `distributed-average`.

use std::process::ExitCode;

use clap::Parser;
use server::arguments::{Arguments, Command};
use server::command;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| {
        let outcome = runtime.block_on(run(arguments));
        // What still runs was begun for nobody.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Serve(arguments) => command::serve::run(arguments).await,
        Command::Mean(arguments) => command::mean::run(arguments).await,
        Command::Generate(arguments) => command::generate::run(arguments).await,
        Command::Ready(arguments) => command::ready::run(&arguments),
    }
}
