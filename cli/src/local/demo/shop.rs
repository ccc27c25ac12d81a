//! The made-up shop's servers: its checkout, its webhooks, its staff's calls, and its buyers' mailboxes, over HTTP.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, header};
use chrono::{DateTime, TimeDelta, Utc};
use http_body_util::BodyExt as _;
use serde_json::Value;
use shared::aws::Aws;
use shared::clock::Clock;
use shared::domain::identity::IdentityKey;
use shared::env::Env;

use super::DemoError;
use crate::CliError;
use crate::client::Pooled;
use crate::local::control::Control;
use crate::local::inbox::{Inbox, Mail};
use crate::local::{ADMIN_KEY, CHECKOUT_KEY, Running};
use crate::orders::sample::Webhook;

/// How often a call is made again that the stack was too busy for.
const TRIES: usize = 20;

/// Calls the stack.
pub(super) struct Shop {
    url: String,
    client: Pooled,
    clock: Clock,
    control: Arc<Control>,
    inbox: Arc<Inbox>,
    /// How far the inbox was read.
    read: u64,
    /// Under which key buyers fall into arms.
    pub(super) identity: IdentityKey,
}

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Shop {
    pub(super) async fn new(stack: &Running) -> Result<Self, DemoError> {
        let env = Env::from_map(stack.settings.clone());
        let identity = shared::secrets::fetch_identity_key(&env, &Aws::from_env(&env)?).await?;
        Ok(Self {
            url: stack.url.clone(),
            client: Pooled::new(false)?,
            clock: stack.clock.clone(),
            control: Arc::clone(&stack.control),
            inbox: Arc::clone(&stack.inbox),
            read: 0,
            identity,
        })
    }

    /// The stack's time.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Moves the clock to `at`, unless that is past, with all that falls due until then.
    pub(super) async fn wait_until(&self, at: DateTime<Utc>) -> Result<(), DemoError> {
        let by = at - self.now();
        Box::pin(self.control.leap_by(by.max(TimeDelta::zero())))
            .await
            .map_err(DemoError::Clock)
    }

    /// Moves the clock on to `at`, where nothing waits to be done.
    pub(super) fn let_pass_until(&self, at: DateTime<Utc>) {
        self.clock.advance((at - self.now()).max(TimeDelta::zero()));
    }

    /// Moves the clock to the machine's.
    pub(super) async fn wait_until_now(&self) -> Result<(), DemoError> {
        Box::pin(self.control.move_by(-self.clock.offset()))
            .await
            .map_err(DemoError::Clock)
    }

    /// The mails that came since the last look.
    pub(super) fn new_mails(&mut self) -> Result<Vec<Mail>, DemoError> {
        let (mails, read) = self.inbox.accepted_since(self.read)?;
        self.read = read;
        Ok(mails.into_iter().map(|accepted| accepted.mail).collect())
    }

    /// A call of the shop's staff, which must be answered with success.
    pub(super) async fn staff(&self, call: &str, body: &Value) -> Result<Value, DemoError> {
        let answer = self.call(ADMIN_KEY, call, body).await?;
        answer.good(call)
    }

    /// A call of the checkout.
    pub(super) async fn checkout(&self, call: &str, body: &Value) -> Result<Answer, DemoError> {
        self.call(CHECKOUT_KEY, call, body).await
    }

    async fn call(&self, key: &str, call: &str, body: &Value) -> Result<Answer, DemoError> {
        let (method, path) = call.split_once(' ').unwrap_or(("GET", call));
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut tries = 0;
        loop {
            let request = Request::builder()
                .method(method)
                .uri(format!("{}{path}", self.url))
                .header(header::AUTHORIZATION, format!("Bearer {key}"))
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(text.clone()));
            let answer = self.send(request.map_err(told)?).await?;
            tries += 1;
            // Whoever has no answer asks again: nothing here counts twice.
            if answer.status != 503 || tries == TRIES {
                return Ok(answer);
            }
        }
    }

    /// Sends a webhook, which must be taken.
    pub(super) async fn webhook(&self, webhook: Webhook) -> Result<(), DemoError> {
        let answer = self.send(webhook.build(&self.url)?).await?;
        answer.good("POST /v1/webhooks").map(drop)
    }

    /// Opens a link.
    pub(super) async fn visit(&self, slug: &str, agent: &str) -> Result<(), DemoError> {
        let request = Request::get(format!("{}/l/{slug}", self.url))
            .header(header::USER_AGENT, agent)
            .body(Body::empty());
        let answer = self.send(request.map_err(told)?).await?;
        answer.good("GET /l").map(drop)
    }

    /// The one click that ends all mails to a buyer.
    pub(super) async fn unsubscribe(&self, url: &str) -> Result<(), DemoError> {
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from("List-Unsubscribe=One-Click"));
        let answer = self.send(request.map_err(told)?).await?;
        answer.good("POST /u").map(drop)
    }

    async fn send(&self, request: Request<Body>) -> Result<Answer, DemoError> {
        let answer = self.client.send(request).await;
        let answer = answer.map_err(|unanswered| CliError::Told(unanswered.text))?;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.map_err(told)?.to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, body })
    }
}

impl Answer {
    /// The body of a success.
    pub(super) fn good(self, call: &str) -> Result<Value, DemoError> {
        match self.status {
            200..=299 => Ok(self.body),
            status => Err(DemoError::Answered {
                call: call.to_owned(),
                status,
                answer: self.body.to_string(),
            }),
        }
    }
}

fn told(error: impl std::fmt::Display) -> CliError {
    CliError::Told(error.to_string())
}

/// A text of an answer.
pub(super) fn text<'a>(answer: &'a Value, field: &'static str) -> Result<&'a str, DemoError> {
    let text = answer.get(field).and_then(Value::as_str);
    text.ok_or(DemoError::Lacks(field))
}
