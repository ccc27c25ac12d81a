//! Telling `tally` all over again what was written, in disorder and through faults; and setting its sums right from the ledger.

use integration::faults::{FaultProxy, mix};
use integration::{Stack, stream_event};
use serde_json::Value;
use shared::store::Store;

use crate::doctor::table::{Table, pk, sk};

/// Tells the stack's tally of items as if they had just been written, in small batches, in an order of its own and through faults,
/// until all is counted.
pub(crate) async fn replay(stack: &Stack, items: &[Value], seed: u64) {
    let proxy = FaultProxy::start(stack.running().dynamodb_url()).await;
    proxy.plan(mix(seed, 2));
    let env = stack.env_through(&proxy.url);
    let tally = tally::State::load(&env, stack.clock().clone())
        .await
        .unwrap();
    let mut items = items.to_vec();
    if seed.is_multiple_of(2) {
        items.reverse();
    }
    let turn = usize::try_from(seed % 5).unwrap() * items.len() / 5;
    items.rotate_left(turn);
    for batch in items.chunks(9) {
        loop {
            let answer = tally::handle(&tally, stream_event(batch)).await.unwrap();
            if answer.batch_item_failures.is_empty() {
                break;
            }
        }
    }
}

/// Loses all that was counted.
pub(crate) async fn lose_sums(table: &Table) {
    for item in table.all_items().await {
        if is_counted(&item) {
            table.delete(&item).await;
        }
    }
}

/// Whether an item is a sum, or says what was added to one.
fn is_counted(item: &Value) -> bool {
    matches!(sk(item), "counted" | "buyer" | "book")
        || sk(item).starts_with("counted#")
        || ["stats#", "results#", "sales#"]
            .iter()
            .any(|sums| pk(item).starts_with(sums))
}

/// Has the statistics set right from the ledger: how much of them was not.
pub(crate) async fn rebuild(stack: &Stack, store: &Store) -> usize {
    let rebuilt = store.rebuild_stats(chrono_tz::Asia::Tokyo, stack.clock().now());
    let rebuilt = rebuilt.await.unwrap();
    assert_eq!(rebuilt.open, 0);
    rebuilt.recounted + rebuilt.repaired
}
