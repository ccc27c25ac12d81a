//! The shop's life that the sample events tell, wherever the functions run that are called with them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use integration::Stack;
use okaeri::local::{ADMIN_KEY, CHECKOUT_KEY, WEBHOOK_SECRET};
use receive_order::verify::{sign_standard, sign_stripe};
use serde_json::{Value, json};
use shared::aws::Aws;
use shared::env::Env;
use shared::store::{NewApiKey, Scope, Store};

use crate::events;

/// A table that only the told functions use, so that the stack's own do not do their work.
const TABLE: &str = "told";

/// A code, a promotion and an unsubscribe token as the samples name them, where only running shows real ones.
const SAMPLE_CODE: &str = "THX9-7K3M-9QXA-2F4T";
const SAMPLE_PROMOTION: &str = "THX9";
const SAMPLE_TOKEN: &str = "UNSUBSCRIBE_TOKEN";
/// The same for a session of the console.
const SAMPLE_SESSION: &str = "SESSION";
/// Secrets and personal data in the samples.
const SECRETS: [&str; 5] = [ADMIN_KEY, CHECKOUT_KEY, WEBHOOK_SECRET, "hanako", "花子"];

/// Runs functions as Lambda does.
pub(crate) trait Host {
    /// What a function answers to an event; the test ends if it answers nothing or fails.
    async fn invoke(&mut self, function: &str, event: Value) -> Value;
}

/// All functions at work for one shop, told sample by sample.
pub(crate) struct Story<H> {
    stack: Stack,
    pub(crate) host: H,
    /// What stands in the samples, and what stands for it here; the later goes first.
    words: Vec<(&'static str, String)>,
    /// What no log may tell.
    pub(crate) secrets: Vec<String>,
    told: BTreeSet<String>,
}

/// A stack's settings with a table of its own, in which there are the two keys of the samples.
pub(crate) async fn settings_of(stack: &Stack) -> BTreeMap<String, String> {
    let mut settings = stack.running().settings().clone();
    settings.insert("TABLE_NAME".to_owned(), TABLE.to_owned());
    prepare_table(settings.clone(), stack.clock().now()).await;
    settings
}

async fn prepare_table(settings: BTreeMap<String, String>, now: DateTime<Utc>) {
    let env = Env::from_map(settings);
    let store = Store::connect(&env, &Aws::from_env(&env).unwrap()).unwrap();
    store.create_table().await.unwrap();
    for (text, scope) in [(ADMIN_KEY, Scope::Admin), (CHECKOUT_KEY, Scope::Checkout)] {
        let key = NewApiKey::given(text.to_owned(), text.to_owned(), scope, now);
        store.put_api_key(&key.stored).await.unwrap();
    }
}

impl<H: Host> Story<H> {
    /// At the beginning of a stack of its own, whose settings `host` started its functions with.
    pub(crate) fn begin(stack: Stack, host: H) -> Self {
        Self {
            stack,
            host,
            words: Vec::new(),
            secrets: SECRETS.map(str::to_owned).into(),
            told: BTreeSet::new(),
        }
    }

    /// Every sample, in the order in which a shop meets them.
    pub(crate) async fn tell_all(&mut self) {
        self.sell().await;
        self.ask("create-promotion.follow-up", 201).await;
        for webhook in ["standard", "shopify", "woocommerce", "stripe"] {
            let receipt = self.ask(&format!("receive-order.{webhook}"), 200).await;
            assert_eq!(receipt, json!({"received": true, "queued": true}));
        }
        self.thank().await;
        self.count().await;
        self.ask("landing.health", 200).await;
        let document = self.ask("docs.openapi", 200).await;
        assert_eq!(document["openapi"], "3.1.0");
        self.ask("docs.page", 200).await;
        self.ask("landing.unsubscribe", 200).await;
        self.look().await;
        assert_eq!(self.told, events::samples());
    }

    /// From now on `real` stands for `word` of the samples.
    fn learn(&mut self, word: &'static str, real: &str) {
        self.words.push((word, real.to_owned()));
    }

    /// The same for what no log may tell.
    fn learn_secret(&mut self, word: &'static str, real: &str) {
        self.learn(word, real);
        self.secrets.push(real.to_owned());
    }

    /// Calls the sample's function with it.
    async fn tell(&mut self, sample: &str) -> Value {
        self.told.insert(sample.to_owned());
        let mut text = events::sample(sample);
        for (word, real) in self.words.iter().rev() {
            text = text.replace(word, real);
        }
        let mut event = serde_json::from_str(&text).unwrap();
        refresh(&mut event, self.stack.clock().now());
        self.host.invoke(events::function_of(sample), event).await
    }

    /// The same for a request: its body, if it is answered with `status`.
    async fn ask(&mut self, sample: &str, status: u16) -> Value {
        let answer = self.tell(sample).await;
        assert_eq!(answer["statusCode"], status, "{sample}: {answer}");
        serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default()
    }

    /// Staff sign in and see a page.
    async fn look(&mut self) {
        let signed_in = self.tell("console.sign-in").await;
        assert_eq!(signed_in["statusCode"], 303, "{signed_in}");
        let cookie = signed_in["cookies"][0].as_str().unwrap();
        let value = cookie.split_once('=').unwrap().1.split_once(';').unwrap().0;
        self.learn_secret(SAMPLE_SESSION, value);
        let page = self.tell("console.page").await;
        assert_eq!(page["statusCode"], 200, "{page}");
        let body = page["body"].as_str().unwrap();
        assert!(body.contains("lang=\"ja\""), "{body}");
    }

    /// A promotion, its codes, and one of them used.
    async fn sell(&mut self) {
        let promotion = self.ask("create-promotion.create", 201).await;
        assert_eq!(promotion["status"], "active");
        self.learn(SAMPLE_PROMOTION, promotion["id"].as_str().unwrap());
        let link = self.ask("create-promotion.link", 201).await;
        assert_eq!(link["slug"], "hanako");
        self.ask("landing.link", 200).await;
        let batch = self.ask("create-promotion.mint", 201).await;
        assert_eq!(batch["count"], 1000);
        let codes = self.ask("create-promotion.list-codes", 200).await;
        assert_eq!(codes["codes"].as_array().unwrap().len(), 10);
        self.learn_secret(SAMPLE_CODE, codes["codes"][0]["code"].as_str().unwrap());
        let quote = self.ask("redeem-code.quote", 200).await;
        assert_eq!(quote["discount"], 396, "{quote}");
        let redeemed = self.ask("redeem-code.redeem", 201).await;
        assert_eq!(redeemed["discount"], 396);
        assert_eq!(self.ask("redeem-code.redeem", 200).await, redeemed);
    }

    /// A stream's batch counts once, and the sums are read through the function that answers.
    async fn count(&mut self) {
        let done = json!({"batchItemFailures": []});
        assert_eq!(self.tell("tally.batch").await, done);
        assert_eq!(self.tell("tally.batch").await, done);
        let stats = self.ask("create-promotion.stats", 200).await;
        let comparison = self.ask("create-promotion.comparison", 200).await;
        assert_eq!(comparison["promotion_id"], stats["promotion_id"]);
        let totals = &stats["totals"];
        let names = [
            "redemptions",
            "revenue",
            "discount",
            "buyers",
            "mails",
            "visits",
        ];
        let figures = names.map(|name| totals[name].clone());
        assert_eq!(figures, [1, 3564, 396, 1, 1, 1], "{stats}");
    }

    /// An order earns one mail, however often it is told, and a poison message fails alone.
    async fn thank(&mut self) {
        let done = json!({"batchItemFailures": []});
        assert_eq!(self.tell("order-completed.order").await, done);
        let batch = self.tell("order-completed.batch").await;
        let poison = json!([{"itemIdentifier": "3f6f9a52-1d0c-4e0b-9a77-5b8f3f0f7a11"}]);
        assert_eq!(batch["batchItemFailures"], poison);
        let report = self.tell("send-mail.schedule").await;
        assert_eq!(
            (&report["claimed"], &report["sent"]),
            (&json!(1), &json!(1)),
            "{report}"
        );
        assert_eq!(self.tell("order-completed.order").await, done);
        assert_eq!(self.tell("send-mail.schedule").await["claimed"], 0);
        assert_eq!(self.tell("order-completed.cancelled").await, done);
        assert_eq!(self.tell("lapse-holds.schedule").await["lapsed"], 0);
        assert_eq!(self.tell("watch.schedule").await["news"], json!([]));
        // Its mails are other mails than this story's, which SES may report long after they are gone.
        assert_eq!(self.tell("mail-feedback.batch").await, done);

        let inbox = self.stack.inbox().await;
        assert_eq!(inbox.len(), 1, "{inbox:?}");
        assert_eq!(inbox[0]["to"], json!(["hanako@example.jp"]));
        let link = inbox[0]["headers"]["List-Unsubscribe"].as_str().unwrap();
        let (_, token) = link.trim_end_matches('>').rsplit_once("/u/").unwrap();
        self.learn_secret(SAMPLE_TOKEN, token);
        let mut words = inbox[0]["text"].as_str().unwrap().split_whitespace();
        let code =
            words.find(|word| word.len() == SAMPLE_CODE.len() && word.matches('-').count() == 3);
        self.secrets.push(code.unwrap().to_owned());
    }
}

/// Renews what goes stale in a file: signed times, and times of arrival, which become three days ago, when mails now due were
/// earned.
fn refresh(event: &mut Value, now: DateTime<Utc>) {
    if let Some(id) = event.pointer("/headers/webhook-id") {
        let (id, body) = (id.as_str().unwrap(), event["body"].as_str().unwrap());
        let signature = sign_standard(WEBHOOK_SECRET, id, now.timestamp(), body.as_bytes());
        event["headers"]["webhook-signature"] = json!(signature.unwrap());
        event["headers"]["webhook-timestamp"] = json!(now.timestamp().to_string());
    }
    if event.pointer("/headers/stripe-signature").is_some() {
        let body = event["body"].as_str().unwrap();
        let signature = sign_stripe(WEBHOOK_SECRET, now.timestamp(), body.as_bytes());
        event["headers"]["stripe-signature"] = json!(signature.unwrap());
    }
    let records = event.get_mut("Records").and_then(Value::as_array_mut);
    for record in records.into_iter().flatten() {
        let sent = now - TimeDelta::days(3);
        record["attributes"]["SentTimestamp"] = json!(sent.timestamp_millis().to_string());
    }
}
