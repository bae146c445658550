//! Messages to the receivers of webhooks.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use protocol::delivery::DeliveryState;

/// The label of a figure.
type Label = [(&'static str, &'static str); 1];

/// Counts of messages. Clones share them.
#[derive(Clone, Debug)]
pub struct WebhookMetrics {
    attempts: Family<Label, Counter>,
    deliveries: Family<Label, Counter>,
    pending: Gauge,
}

impl WebhookMetrics {
    /// Counts that `registry` exports.
    pub fn new(registry: &mut Registry) -> WebhookMetrics {
        let metrics = WebhookMetrics {
            attempts: Family::default(),
            deliveries: Family::default(),
            pending: Gauge::default(),
        };
        let help = "Attempts to deliver a message to the receiver of a webhook, by outcome";
        registry.register("webhook_attempts", help, metrics.attempts.clone());
        let help = "Messages to receivers of webhooks that were delivered, or abandoned";
        registry.register("webhook_deliveries", help, metrics.deliveries.clone());
        let help = "Messages to receivers of webhooks that wait for their first or next \
                    attempt, at most 1000";
        registry.register("webhooks_pending", help, metrics.pending.clone());
        // A rate needs a first value.
        for outcome in ["ok", "failed"] {
            drop(metrics.attempts.get_or_create(&[("outcome", outcome)]));
        }
        for outcome in ["delivered", "abandoned"] {
            drop(metrics.deliveries.get_or_create(&[("outcome", outcome)]));
        }
        metrics
    }

    /// Counts an attempt, after which its message is in this state.
    pub(crate) fn tried(&self, state: DeliveryState) {
        let (attempt, delivery) = match state {
            DeliveryState::Delivered => ("ok", Some("delivered")),
            DeliveryState::Pending => ("failed", None),
            DeliveryState::Abandoned => ("failed", Some("abandoned")),
        };
        self.attempts.get_or_create(&[("outcome", attempt)]).inc();
        if let Some(delivery) = delivery {
            self.deliveries.get_or_create(&[("outcome", delivery)]).inc();
        }
    }

    /// So many messages wait for an attempt.
    pub(crate) fn wait(&self, messages: usize) {
        self.pending.set(i64::try_from(messages).unwrap_or(i64::MAX));
    }
}
