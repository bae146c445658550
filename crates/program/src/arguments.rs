//! The flags that both programs take, and how the places on a command line are read.

use std::ffi::OsStr;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, Command};
use platform::InputPlace;
use platform::backends::input_forms;
use platform::place::InvalidPlace;

/// What the server and its workers have to know alike.
#[derive(Args, Clone, Debug)]
pub struct SharedArguments {
    /// What the names of queues begin with, so that several installations can
    /// share a broker.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_QUEUE_PREFIX", default_value = "distributed-average")]
    pub queue_prefix: String,
    /// Where inputs may lie besides the store, several separated by commas.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_ALLOW_INPUTS",
        value_delimiter = ',',
        value_parser = PlaceParser::<InputPlace>::default(),
        value_name = input_forms()
    )]
    pub allow_inputs: Vec<InputPlace>,
    /// How many objects a worker reads at the same time, at most.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_OPEN_OBJECTS", default_value_t = 5,
        value_parser = positive)]
    pub max_open_objects: usize,
    /// How many bytes a worker asks of the store at a time, for one object.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_RANGE_BYTES", default_value_t = 8 << 20,
        value_parser = positive)]
    pub range_bytes: usize,
    /// Work so many times slower than possible, for tests and demonstrations;
    /// the dashboard shows it.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_SLOWNESS", default_value_t = 1.0,
        value_parser = slowness)]
    pub slowness: f64,
}

/// Reads a place of type `T` from a command line. Errors say what is wrong and
/// do not repeat the text as clap's own would, since it may hold a password.
pub struct PlaceParser<T>(PhantomData<fn() -> T>);

impl<T> Default for PlaceParser<T> {
    fn default() -> Self {
        PlaceParser(PhantomData)
    }
}

impl<T> Clone for PlaceParser<T> {
    fn clone(&self) -> Self {
        PlaceParser::default()
    }
}

impl<T: FromStr<Err = InvalidPlace> + Clone + Send + Sync + 'static> TypedValueParser
    for PlaceParser<T>
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let refuse = |reason: &dyn fmt::Display| {
            let name = argument.map_or_else(|| "a place".to_owned(), ToString::to_string);
            let message = format!("invalid value for '{name}': {reason}");
            clap::Error::raw(ErrorKind::ValueValidation, message).format(&mut command.clone())
        };
        let text = value.to_str().ok_or_else(|| refuse(&"it is not UTF-8"))?;
        text.parse().map_err(|invalid: InvalidPlace| refuse(&invalid))
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("it is a number from 1".to_owned()),
    }
}

fn slowness(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(slowness) if (1.0..=1000.0).contains(&slowness) => Ok(slowness),
        _ => Err("slowness is a number from 1 to 1000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use platform::QueuePlace;

    use super::*;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[arg(long, value_parser = PlaceParser::<QueuePlace>::default())]
        queue: QueuePlace,
        #[command(flatten)]
        shared: SharedArguments,
    }

    #[test]
    fn places_are_read_from_a_command_line() {
        let inputs = "--allow-inputs=s3://b/runs,file:///data";
        let arguments = Arguments::parse_from(["program", "--queue=embedded", inputs]);
        assert!(!arguments.queue.is_shared());
        let prefixes: Vec<_> =
            arguments.shared.allow_inputs.iter().map(InputPlace::prefix).collect();
        assert_eq!(prefixes, ["s3://b/runs/", "file:///data/"]);
    }

    #[test]
    fn a_wrong_place_is_told_with_its_flag_and_without_its_password() {
        for queue in ["http://u:hunter2@host", "amqp://u:hunter2@host:port"] {
            let error = Arguments::try_parse_from(["program", "--queue", queue]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ValueValidation);
            let told = error.render().to_string();
            assert!(told.contains("--queue") && told.contains("***@host"), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
