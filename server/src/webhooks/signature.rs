//! The signature of messages, as Standard Webhooks describes it: HMAC-SHA-256 of the id, the
//! time and the body.

use std::path::Path;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use protocol::Timestamp;
use sha2::Sha256;

/// How a secret begins.
const PREFIX: &str = "whsec_";
/// The shortest key in bytes, by the specification …
const KEY_BYTES_MIN: usize = 24;
/// … and the longest.
const KEY_BYTES_MAX: usize = 64;

/// The key that signs messages.
pub(super) struct Secret(Vec<u8>);

impl Secret {
    /// Reads the secret from its file: `whsec_`, and 24 to 64 random bytes as Base64.
    pub(super) fn read(file: &Path) -> anyhow::Result<Secret> {
        let reading = || format!("reading the secret of webhooks in {}", file.display());
        let text = std::fs::read_to_string(file).with_context(reading)?;
        Secret::parse(&text).with_context(reading)
    }

    fn parse(text: &str) -> anyhow::Result<Secret> {
        let key = text.trim().strip_prefix(PREFIX).and_then(|key| STANDARD.decode(key).ok());
        let key = key.unwrap_or_default();
        ensure!(
            (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()),
            "it is not {PREFIX} with {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes as Base64; make one \
             with: printf '{PREFIX}%s\\n' \"$(head -c 32 /dev/urandom | base64)\""
        );
        Ok(Secret(key))
    }

    /// The header `webhook-signature` of a message.
    pub(super) fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(format!("{id}.{}.", seconds(at)).as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// A time as the header `webhook-timestamp` tells it.
pub(super) const fn seconds(at: Timestamp) -> u64 {
    at.as_millis() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the reference implementations.
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let at = Timestamp::from_millis(1_614_265_330_999);
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, b"{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for wrong in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA", "whsec_é"] {
            let error = Secret::parse(wrong).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("whsec_"), "{error}");
            assert!(!error.contains("MfKQ"), "{error}");
        }
    }
}
