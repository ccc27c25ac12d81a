//! What AWS charges, in one place, and what the bill of one operation is by it.
//!
//! On-demand list prices without free tiers, taxes and volume discounts, as of 2026-11-22. Nobody tells us when they change: look
//! at AWS's pricing pages before relying on a sum.

use okaeri::local::Usage;

/// Prices of a region in millionths of a millionth of a dollar.
pub(super) struct Prices {
    pub(super) region: &'static str,
    /// A write request unit of `DynamoDB`, standard table class. Source: <https://aws.amazon.com/dynamodb/pricing/on-demand/>.
    pub(super) write_unit: u64,
    /// A read request unit. Source: the same.
    pub(super) read_unit: u64,
    /// A request to an HTTP API, up to 512 KB. Source: <https://aws.amazon.com/api-gateway/pricing/>.
    pub(super) http_request: u64,
    /// An invocation of a function. Source: <https://aws.amazon.com/lambda/pricing/>.
    pub(super) invocation: u64,
    /// A second of a function with 10,000 GB, arm64. Source: the same ($0.0000133334 per GB-second).
    pub(super) ten_thousand_gb_seconds: u64,
    /// A request to a standard queue. Source: <https://aws.amazon.com/sqs/pricing/>.
    pub(super) queue_request: u64,
    /// A mail. Source: <https://aws.amazon.com/ses/pricing/>.
    pub(super) mail: u64,
}

pub(super) const AS_OF: &str = "2026-11-22";

pub(super) const REGIONS: [Prices; 2] = [
    Prices {
        region: "us-east-1",
        write_unit: 625_000,
        read_unit: 125_000,
        http_request: 1_000_000,
        invocation: 200_000,
        ten_thousand_gb_seconds: 133_334_000_000,
        queue_request: 400_000,
        mail: 100_000_000,
    },
    Prices {
        region: "ap-northeast-1",
        write_unit: 715_000,
        read_unit: 142_500,
        http_request: 1_290_000,
        invocation: 200_000,
        ten_thousand_gb_seconds: 133_334_000_000,
        queue_request: 400_000,
        mail: 100_000_000,
    },
];

/// Memory of every function, in MB. Source: `MemorySize` in `template.yaml`.
pub(super) const MEMORY_MB: u64 = 256;

/// What a call waits for, in ms, assumed on 2026-11-22: a request to the table, to a queue, to SES, and what the function itself
/// takes (a third of a millisecond of a whole core was measured; 256 MB get a seventh of one). Not measured on AWS.
const TABLE_MS: u64 = 4;
const QUEUE_MS: u64 = 8;
const MAIL_MS: u64 = 60;
const OWN_MS: u64 = 3;

/// Everything one operation is charged for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bill {
    pub(super) usage: Usage,
    pub(super) http: u64,
    pub(super) invocations: u64,
    /// Requests to queues that a function makes and waits for.
    pub(super) sends: u64,
    /// Requests to queues that Lambda makes before and after it calls a function: receive and delete.
    pub(super) polls: u64,
    pub(super) mails: u64,
}

impl Bill {
    /// How long functions run for it, in ms, as if every request waited for the one before.
    pub(super) fn lambda_ms(&self) -> u64 {
        self.invocations * OWN_MS
            + self.usage.requests * TABLE_MS
            + self.sends * QUEUE_MS
            + self.mails * MAIL_MS
    }

    /// Dollars for a thousand, in hundred-thousandths, rounded half up.
    pub(super) fn per_thousand(&self, prices: &Prices) -> u64 {
        let mb_ms = self.lambda_ms() * MEMORY_MB;
        let sum = self.usage.half_writes * prices.write_unit / 2
            + self.usage.half_reads * prices.read_unit / 2
            + self.http * prices.http_request
            + self.invocations * prices.invocation
            + mb_ms * prices.ten_thousand_gb_seconds / (10_000 * 1_000 * 1_024)
            + (self.sends + self.polls) * prices.queue_request
            + self.mails * prices.mail;
        (sum + 5_000) / 10_000
    }
}
