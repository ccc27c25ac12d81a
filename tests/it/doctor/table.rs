//! The table's items, read and written past all rules, as a faulty program or a wrong hand would.

use integration::Stack;
use serde_json::{Value, json};

/// The engine behind a stack.
pub(crate) struct Table {
    url: String,
    name: String,
    http: reqwest::Client,
}

impl Table {
    pub(crate) fn of(stack: &Stack) -> Self {
        let running = stack.running();
        Self {
            url: running.dynamodb_url().to_owned(),
            name: running.settings()["TABLE_NAME"].clone(),
            http: reqwest::Client::new(),
        }
    }

    /// A table behind any engine.
    pub(crate) fn at(url: &str, name: &str) -> Self {
        Self {
            url: url.to_owned(),
            name: name.to_owned(),
            http: reqwest::Client::new(),
        }
    }

    async fn call(&self, operation: &str, mut body: Value) -> Value {
        body["TableName"] = json!(self.name);
        let request = self.http.post(&self.url).body(body.to_string());
        let request = request
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=local/20261122/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
            )
            .header("x-amz-date", "20261122T000000Z");
        let answer = request.send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{}",
            answer.text().await.unwrap()
        );
        answer.json().await.unwrap()
    }

    /// All items, by key, but for the statistics, which follow what a test writes.
    pub(crate) async fn items(&self) -> Vec<Value> {
        let mut items = self.all_items().await;
        items.retain(|item| {
            !matches!(sk(item), "counted" | "buyer" | "book")
                && !pk(item).starts_with("stats#")
                && !pk(item).starts_with("results#")
        });
        items
    }

    /// All items, by key.
    pub(crate) async fn all_items(&self) -> Vec<Value> {
        let mut items = Vec::new();
        let mut start = Value::Null;
        loop {
            let mut body = json!({"ConsistentRead": true});
            if !start.is_null() {
                body["ExclusiveStartKey"] = start;
            }
            let page = self.call("Scan", body).await;
            items.extend(page["Items"].as_array().unwrap().iter().cloned());
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                items.sort_by_key(|item| (pk(item).to_owned(), sk(item).to_owned()));
                return items;
            }
        }
    }

    pub(crate) async fn put(&self, item: &Value) {
        self.call("PutItem", json!({"Item": item})).await;
    }

    pub(crate) async fn delete(&self, item: &Value) {
        let key = json!({"pk": item["pk"], "sk": item["sk"]});
        self.call("DeleteItem", json!({"Key": key})).await;
    }

    /// Makes the table hold these items and no others.
    pub(crate) async fn restore(&self, items: &[Value]) {
        for item in self.items().await {
            if !items.contains(&item) {
                self.delete(&item).await;
            }
        }
        let stand = self.items().await;
        for item in items.iter().filter(|item| !stand.contains(item)) {
            self.put(item).await;
        }
    }
}

pub(crate) fn pk(item: &Value) -> &str {
    item["pk"]["S"].as_str().unwrap()
}

pub(crate) fn sk(item: &Value) -> &str {
    item["sk"]["S"].as_str().unwrap()
}

/// The attribute as a text; empty if it is not there.
pub(crate) fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name]["S"].as_str().unwrap_or_default()
}

/// The attribute as a number; 0 if it is not there.
pub(crate) fn number(item: &Value, name: &str) -> i64 {
    item[name]["N"]
        .as_str()
        .map_or(0, |number| number.parse().unwrap())
}

pub(crate) fn set_number(item: &mut Value, name: &str, number: i64) {
    item[name] = json!({"N": number.to_string()});
}

pub(crate) fn set_text(item: &mut Value, name: &str, text: &str) {
    item[name] = json!({"S": text});
}

pub(crate) fn remove(item: &mut Value, name: &str) {
    item.as_object_mut().unwrap().remove(name);
}
