//! The table's stream, as `tally` hears of it.

use aws_lambda_events::event::dynamodb::Event;
use serde_json::{Value, json};

/// An event of items that were just written, in DynamoDB's JSON, each with its keys.
pub fn stream_event(items: &[Value]) -> Event {
    let records = items.iter().enumerate().map(|(index, item)| {
        json!({
            "eventID": index.to_string(), "eventName": "MODIFY", "awsRegion": "ap-northeast-1",
            "dynamodb": {
                "Keys": {"pk": item["pk"], "sk": item["sk"]}, "NewImage": item,
                "SequenceNumber": format!("{index:021}"), "SizeBytes": 1,
            },
        })
    });
    serde_json::from_value(json!({"Records": records.collect::<Vec<_>>()})).expect("an event")
}
