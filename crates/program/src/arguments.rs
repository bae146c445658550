//! The flags that both programs take, and the parser of places.

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

use crate::telemetry::LogFormat;

/// The flags that server and worker share, and must be set alike.
#[derive(Args, Clone, Debug)]
pub struct SharedArguments {
    /// Prefix of the names of queues, so that several installations can share a
    /// broker.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_QUEUE_PREFIX", default_value = "distributed-average")]
    pub queue_prefix: String,
    /// Places besides the store that inputs may be read from, separated by commas.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_ALLOW_INPUTS",
        value_delimiter = ',',
        value_parser = PlaceParser::<InputPlace>::default(),
        value_name = input_forms()
    )]
    pub allow_inputs: Vec<InputPlace>,
    /// Maximum number of objects that a worker has open at the same time.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_OPEN_OBJECTS", default_value_t = 5,
        value_parser = positive)]
    pub max_open_objects: usize,
    /// Size in bytes of one read from an object.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_RANGE_BYTES", default_value_t = 8 << 20,
        value_parser = positive)]
    pub range_bytes: usize,
    /// Slow each worker down by this factor, from 1 to 1000, for tests and
    /// demonstrations; the dashboard shows it.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_SLOWNESS", default_value_t = 1.0,
        value_parser = slowness)]
    pub slowness: f64,
    /// Form of the log, which goes to standard error.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// Parses a place of type `T`. Unlike clap's own errors, its errors do not repeat
/// the text, which may hold a password.
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
        _ => Err("expected a whole number from 1".to_owned()),
    }
}

fn slowness(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(slowness) if (1.0..=1000.0).contains(&slowness) => Ok(slowness),
        _ => Err("expected a number from 1 to 1000".to_owned()),
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
    fn an_invalid_place_is_reported_with_its_flag_and_without_its_password() {
        for queue in ["http://u:hunter2@host", "amqp://u:hunter2@host:port"] {
            let error = Arguments::try_parse_from(["program", "--queue", queue]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ValueValidation);
            let told = error.render().to_string();
            assert!(told.contains("--queue") && told.contains("***@host"), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
