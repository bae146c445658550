//! The flags of webhooks.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use protocol::request::Webhook;

use super::limits::duration;
use crate::webhooks::{ReceiverPattern, Settings};

/// Who may be told that a job has ended.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Webhooks")]
pub struct WebhookArguments {
    /// Hosts that the webhooks of requests may lead to, without a port to the port of their
    /// scheme; and the networks of private addresses that these hosts may have, such as
    /// 10.0.0.0/8.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_ALLOW_WEBHOOK",
        value_delimiter = ',',
        value_name = "HOST[:PORT],...",
        requires = "webhook_secret_file"
    )]
    pub allow_webhook: Vec<ReceiverPattern>,
    /// URL that is told of the end of jobs whose requests name no other; its host must be one
    /// of --allow-webhook.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_WEBHOOK",
        hide_env_values = true,
        value_name = "URL",
        requires = "allow_webhook"
    )]
    pub webhook: Option<String>,
    /// File with the secret that signs messages: whsec_ and 24 to 64 random bytes as Base64.
    /// Read again for each message.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    pub webhook_secret_file: Option<PathBuf>,
    /// File with certificates in PEM of authorities that certify the receivers of webhooks,
    /// besides those that the machine trusts.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_WEBHOOK_CA",
        value_name = "FILE",
        requires = "allow_webhook"
    )]
    pub webhook_ca: Option<PathBuf>,
    /// Time after the end of a job for which its message is tried again, such as 2d, 12h or
    /// 90m.
    #[arg(
        long,
        env = "DISTRIBUTED_AVERAGE_WEBHOOK_RETRY",
        value_name = "DURATION",
        default_value = "24h",
        value_parser = duration
    )]
    pub webhook_retry: Duration,
}

impl WebhookArguments {
    /// The settings that the flags set.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            allowed: self.allow_webhook.clone(),
            default: self.webhook.clone().map(|url| Webhook { url }),
            secret_file: self.webhook_secret_file.clone(),
            ca_file: self.webhook_ca.clone(),
            retry_time: self.webhook_retry,
            ..Settings::default()
        }
    }
}
