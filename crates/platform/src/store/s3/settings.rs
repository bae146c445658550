//! The location of a store, its credentials, and tuning.

use std::env;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_smithy_http_client::tls;

use crate::place::InvalidPlace;

/// The scheme of locations in S3.
pub(crate) const SCHEME: &str = "s3://";
/// The form of a store's place.
pub(crate) const FORM: &str = "s3://BUCKET/PREFIX";
/// The timeout of connecting.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// The timeout of the first byte of an answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// The timeout of a request up to the headers of its answer: enough for a part of an
/// upload at 140 kB/s.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);

/// A bucket, and the prefix of a store's keys in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    /// The bucket's name.
    pub bucket: String,
    /// Empty, or ends in `/`.
    pub prefix: String,
}

impl FromStr for S3Location {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<S3Location, InvalidPlace> {
        let invalid = || InvalidPlace::new(text, format!("expected {FORM}"));
        let rest = text.strip_prefix(SCHEME).ok_or_else(invalid)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        // Credentials come from the environment, and are rejected here.
        if bucket.is_empty()
            || bucket.contains(['@', ':'])
            || (!prefix.is_empty() && crate::store::check_key(prefix).is_err())
        {
            return Err(invalid());
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(S3Location { bucket: bucket.to_owned(), prefix })
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.prefix)
    }
}

/// Endpoint, credentials and tuning of a store. What is `None` comes from the standard
/// AWS configuration.
#[derive(Clone, Default)]
pub struct S3Access {
    /// The URL of a store other than Amazon's.
    pub endpoint: Option<String>,
    /// The access key id and the secret access key.
    pub credentials: Option<(String, String)>,
    /// Timeouts, sizes and concurrency.
    pub tuning: Tuning,
}

/// Without the credentials.
impl fmt::Debug for S3Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Access").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Timeouts, sizes and concurrency of requests.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// How long a request is retried before [`crate::StoreError::Unavailable`].
    pub retry_time_max: Duration,
    /// The largest range of one request, in bytes.
    pub range_bytes_max: usize,
    /// The most ranges of one read that are in flight.
    pub ranges_in_flight: usize,
    /// The least time before a request is hedged.
    pub hedge_after_min: Duration,
    /// The size of the first parts of an upload in bytes; S3 requires at least 5 MiB.
    pub part_bytes: usize,
    /// The most parts of one upload that are in flight.
    pub parts_in_flight: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            // Long enough for a store to restart.
            retry_time_max: Duration::from_secs(60),
            range_bytes_max: 8 << 20,
            ranges_in_flight: 4,
            hedge_after_min: Duration::from_millis(500),
            part_bytes: 8 << 20,
            parts_in_flight: 2,
        }
    }
}

/// The client, and whether the store is Amazon's.
pub(super) async fn client(access: S3Access) -> (Client, bool) {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIME_MAX)
                .read_timeout(ANSWER_TIME_MAX)
                .operation_attempt_timeout(REQUEST_TIME_MAX)
                .build(),
        );
    if let Some(endpoint) = &access.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some((key, secret)) = access.credentials {
        loader = loader.credentials_provider(Credentials::new(key, secret, None, None, "given"));
    }
    let elsewhere = access.endpoint.is_some()
        || ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].iter().any(|it| env::var_os(it).is_some());
    if elsewhere {
        // Stores other than Amazon's ignore the region; requesting one from the
        // instance metadata would only take time.
        let said = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new());
        let region = said.region().await.unwrap_or_else(|| Region::from_static("us-east-1"));
        loader = loader.region(region);
    }
    let environment = loader.load().await;
    let mut config = aws_sdk_s3::config::Builder::from(&environment);
    // An endpoint may also come from a profile.
    let elsewhere = elsewhere || environment.endpoint_url().is_some();
    if elsewhere {
        // Their buckets have no host names of their own, and not all of them support
        // Amazon's newer checksums.
        config.set_force_path_style(Some(true));
        if environment.request_checksum_calculation().is_none() {
            config = config.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        }
        if environment.response_checksum_validation().is_none() {
            config = config.response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        }
    }
    (Client::from_conf(config.build()), !elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_bucket_and_a_prefix() {
        for (text, bucket, prefix) in [
            ("s3://weather", "weather", ""),
            ("s3://weather/", "weather", ""),
            ("s3://weather/runs/1950", "weather", "runs/1950/"),
            ("s3://weather/runs/1950/", "weather", "runs/1950/"),
        ] {
            let location: S3Location = text.parse().unwrap();
            assert_eq!((location.bucket.as_str(), location.prefix.as_str()), (bucket, prefix));
        }
    }

    #[test]
    fn what_is_no_location_is_refused() {
        for text in ["", "weather", "s3:weather", "s3://", "s3:///a", "s3://b/../c", "s3://b/a//c"]
        {
            assert!(text.parse::<S3Location>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_secret_is_never_printed() {
        let credentials = Some(("AKIAKEY".to_owned(), "hunter2".to_owned()));
        let printed = format!("{:?}", S3Access { credentials, ..S3Access::default() });
        assert!(!printed.contains("hunter2") && !printed.contains("AKIAKEY"), "{printed}");
    }
}
