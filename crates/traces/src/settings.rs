//! The environment variables, which are those of every program that speaks OpenTelemetry.

use std::path::PathBuf;
use std::time::Duration;

use crate::sampling::Sampler;

/// How long sending a batch of spans may take, unless a variable says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the variables say. The exporter reads the address of the receiver, its headers and
/// the sizes of queue and batches by itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) sampler: Sampler,
    /// How long sending a batch may take.
    pub(crate) timeout: Duration,
    /// A file with the certificates of authorities that are trusted besides the machine's.
    pub(crate) certificate: Option<PathBuf>,
}

impl Settings {
    /// The settings; `None` if there is no receiver.
    ///
    /// # Errors
    ///
    /// A text that names the variable that cannot be followed.
    pub(crate) fn read(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Settings>, String> {
        // Variables that are empty count as unset.
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let of_traces = |name: &str| {
            let special = variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"));
            special.or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")))
        };
        let is_disabled = variable("OTEL_SDK_DISABLED").is_some_and(|it| it == "true");
        let exporter = variable("OTEL_TRACES_EXPORTER").unwrap_or_else(|| "otlp".to_owned());
        if is_disabled || exporter == "none" || of_traces("ENDPOINT").is_none() {
            return Ok(None);
        }
        if exporter != "otlp" {
            return Err(format!("OTEL_TRACES_EXPORTER is {exporter:?}, and only otlp is known"));
        }
        if let Some(protocol) = of_traces("PROTOCOL").filter(|it| it != "http/protobuf") {
            return Err(format!(
                "OTEL_EXPORTER_OTLP_PROTOCOL is {protocol:?}, and only http/protobuf is spoken: \
                 set it, and OTEL_EXPORTER_OTLP_ENDPOINT to the port that the receiver has for \
                 it, such as http://collector:4318"
            ));
        }
        let argument = variable("OTEL_TRACES_SAMPLER_ARG");
        let sampler = match variable("OTEL_TRACES_SAMPLER") {
            Some(name) => Sampler::named(&name, argument.as_deref())?,
            None => Sampler::default(),
        };
        let timeout = match of_traces("TIMEOUT").map(|text| text.parse()) {
            None => TIMEOUT,
            Some(Ok(millis)) => Duration::from_millis(millis),
            Some(Err(_)) => {
                return Err("OTEL_EXPORTER_OTLP_TIMEOUT is no number of milliseconds".to_owned());
            }
        };
        let certificate = of_traces("CERTIFICATE").map(PathBuf::from);
        Ok(Some(Settings { sampler, timeout, certificate }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        Settings::read(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    #[test]
    fn nothing_is_recorded_without_a_receiver() {
        for variables in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
            &[("OTEL_TRACES_SAMPLER", "always_on")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "true")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert_eq!(read(variables), Ok(None), "{variables:?}");
        }
    }

    #[test]
    fn a_receiver_is_enough_and_what_cannot_be_followed_is_named() {
        let default = Settings { sampler: Sampler::default(), timeout: TIMEOUT, certificate: None };
        assert_eq!(read(&[ENDPOINT]), Ok(Some(default.clone())));
        let special = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a/v1/traces")];
        assert_eq!(read(&special), Ok(Some(default)));
        let all = [
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
        ];
        let settings = read(&all).unwrap().unwrap();
        assert_eq!(settings.timeout, Duration::from_millis(250));
        assert_eq!(settings.certificate, Some("/ca.pem".into()));
        assert_ne!(settings.sampler, Sampler::default());
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
        ] {
            let error = read(&[ENDPOINT, (name, value)]).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }
}
