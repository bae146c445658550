//! The program `distributed-average`.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use program::telemetry;
use server::arguments::{Arguments, Command};
use server::command;
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = runtime(&arguments).map_err(anyhow::Error::from).and_then(|runtime| {
        let outcome = runtime.block_on(run(arguments));
        // Tasks that still run were spawned for work that is over.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => {
            telemetry::flush();
            ExitCode::SUCCESS
        }
        Err(error) => {
            telemetry::print_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// The runtime of the program.
fn runtime(arguments: &Arguments) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if let Command::Mean(arguments) = &arguments.command {
        builder.max_blocking_threads(command::mean::blocking_threads(arguments));
    }
    builder.enable_all().build()
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Serve(arguments) => command::serve::run(*arguments).await,
        Command::Mean(arguments) => command::mean::run(*arguments).await,
        Command::Generate(arguments) => command::generate::run(arguments).await,
        Command::Token(arguments) => {
            command::token::run(&arguments);
            Ok(())
        }
        Command::Ready(arguments) => command::ready::run(&arguments).await,
    }
}
