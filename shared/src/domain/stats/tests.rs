use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// An order's life: what its record says at each version.
fn life(order: &str, person: u8, minute: u32, end: u8) -> Vec<Redemption> {
    let record = |version: u64, status: &str, held: bool, returned: u64| -> Redemption {
        let returns = if returned > 0 {
            json!([{"return_id": "r", "lines": [], "discount": returned, "returned_at": "2026-11-25T00:00:00Z"}])
        } else {
            json!([])
        };
        let mut value = json!({
            "order_id": order, "status": status, "version": version, "returns": returns,
            "redeemed": {
                "fingerprint": "", "written_by": "",
                // Around midnight in Tokyo.
                "redeemed_at": format!("2026-11-22T14:{minute:02}:00Z"),
                "people": [format!("{person:032x}")],
                "codes": [{"promotion_id": "THX9", "code": {"word": "HANAKO10"}, "discount": 396, "returned": returned}],
                "priced": {"currency": "JPY", "subtotal": 3960, "discount": 396, "shipping_discount": 0, "total": 3564, "lines": []},
            },
        });
        if held {
            value["held_until"] = json!("2026-11-22T16:00:00Z");
        }
        serde_json::from_value(value).unwrap()
    };
    match end {
        0 => vec![record(1, "redeemed", false, 0)],
        1 => vec![
            record(1, "held", true, 0),
            record(2, "redeemed", false, 0),
            record(3, "redeemed", false, 40),
        ],
        2 => vec![
            record(1, "redeemed", false, 0),
            record(2, "cancelled", false, 0),
        ],
        3 => vec![record(1, "held", true, 0), record(2, "cancelled", true, 0)],
        _ => vec![
            record(1, "held", true, 0),
            record(2, "lapsed", true, 0),
            record(3, "redeemed", false, 0),
        ],
    }
}

/// The table, as far as counting needs it.
#[derive(Default)]
struct Table {
    known: Known,
    rows: BTreeMap<Row, Figures>,
    arms: BTreeMap<ArmRow, ArmFigures>,
}

impl Table {
    fn count(&mut self, records: &[Redemption]) {
        let channel = Channel::try_from("influencer/hanako".to_owned()).unwrap();
        let standings: Vec<Standing> = records
            .iter()
            .map(|record| {
                let origin = Origin {
                    channel: Some(channel.clone()),
                    arm: Some(arm()),
                };
                Standing::of_redemption(record, chrono_tz::Asia::Tokyo, &[origin])
            })
            .collect();
        let plan = Plan::new(&standings, &self.known, Recount::Newer);
        self.known.counted.extend(plan.counted);
        self.known.buyers.extend(plan.buyers);
        for (row, figures) in plan.rows {
            *self.rows.entry(row).or_default() += figures;
        }
        for (row, figures) in plan.arms {
            *self.arms.entry(row).or_default() += figures;
        }
        self.rows.retain(|_, figures| !figures.is_zero());
        self.arms.retain(|_, figures| !figures.is_zero());
    }
}

fn arm() -> ArmRow {
    ArmRow {
        follow_up_id: "fu_y4hohjnflmkp4iva".to_owned().try_into().unwrap(),
        experiment: 1,
        arm: "B".to_owned(),
    }
}

#[test]
fn a_life_counts_on_the_day_of_the_shop_and_a_cancelled_order_leaves_no_revenue() {
    let mut table = Table::default();
    for record in life("1", 1, 0, 1).iter().chain(&life("2", 1, 1, 2)) {
        table.count(std::slice::from_ref(record));
    }
    let day = "2026-11-22".parse().unwrap();
    let (row, figures) = table
        .rows
        .iter()
        .find(|(row, _)| row.place.is_some())
        .unwrap();
    assert_eq!(row.place.as_ref().unwrap().day, day);
    let expected = Figures {
        redemptions: 2,
        cancelled: 1,
        returned: 1,
        returned_discount: 40,
        buyers: 1,
        revenue: 3564,
        discount: 396,
        ..Figures::default()
    };
    assert_eq!(*figures, expected);
    let spent = table
        .rows
        .iter()
        .find(|(row, _)| row.place.is_none())
        .unwrap()
        .1;
    assert_eq!((spent.spent_amount, spent.spent_uses), (396, 1));
    // Of the arm whose codes they are: the order that stands, without what came back.
    let thanked = ArmFigures {
        redeemed: 1,
        discount: 396 - 40,
        ..ArmFigures::default()
    };
    assert_eq!(table.arms, BTreeMap::from([(arm(), thanked)]));
}

#[test]
fn an_order_with_two_codes_of_one_arm_is_one_order() {
    let mut record = life("1", 1, 0, 0).remove(0);
    let redeemed = record.redeemed.as_mut().unwrap();
    redeemed.codes.push(redeemed.codes[0].clone());
    let origin = Origin {
        channel: None,
        arm: Some(arm()),
    };
    let zone = chrono_tz::Asia::Tokyo;
    let standing = Standing::of_redemption(&record, zone, &[origin.clone(), origin]);
    assert_eq!(standing.arms.len(), 1);
    let figures = standing.arms[0].figures;
    assert_eq!((figures.redeemed, figures.discount), (1, 2 * 396));
}

#[test]
fn after_midnight_of_the_shop_it_is_the_next_day() {
    let mut late = life("1", 1, 0, 0);
    late[0].redeemed.as_mut().unwrap().redeemed_at = "2026-11-22T15:00:00Z".parse().unwrap();
    let mut table = Table::default();
    table.count(&late);
    let row = table.rows.keys().find(|row| row.place.is_some()).unwrap();
    assert_eq!(
        row.place.as_ref().unwrap().day,
        "2026-11-23".parse().unwrap()
    );
}

#[test]
fn a_mail_counts_once_it_was_sent_and_no_more_once_ses_refused_it() {
    let mail = |state: &str| -> OutboxMail {
        serde_json::from_value(json!({
            "id": "a".repeat(26), "state": state, "follow_up_id": "fu_y4hohjnflmkp4iva", "follow_up_version": 1,
            "variant": "B", "order_id": "1", "person": "0".repeat(32), "promotion_id": "THX9", "serial": 3,
            "code_expires_at": "2026-12-25T00:00:00Z", "due_at": "2026-11-25T00:00:00Z",
            "created_at": "2026-11-22T00:00:00Z", "mailed_at": "2026-11-25T00:00:10Z",
        }))
        .unwrap()
    };
    let zone = chrono_tz::Asia::Tokyo;
    assert_eq!(Standing::of_mail(&mail("due"), zone, Some(arm())), None);
    let sent = Standing::of_mail(&mail("sent"), zone, None).unwrap();
    assert_eq!(sent.shares[0].figures.mails, 1);
    let channel = sent.shares[0].row.place.as_ref().unwrap().channel.clone();
    assert_eq!(channel.unwrap().as_str(), "thank-you/b");
    let failed = Standing::of_mail(&mail("failed"), zone, Some(arm())).unwrap();
    assert!(failed.version > sent.version && failed.shares.is_empty());
    assert!(sent.arms.is_empty() && failed.arms.is_empty());

    // What is heard of it later adds to its arm, and each version stands for those before it.
    let heard = |marks: &[&str]| {
        let mut mail = mail("sent");
        let at = Some(mail.created_at);
        for mark in marks {
            match *mark {
                "delivered" => mail.delivered_at = at,
                _ => mail.bounced_at = at,
            }
        }
        let standing = Standing::of_mail(&mail, zone, Some(arm())).unwrap();
        let figures = standing.arms[0].figures;
        assert_eq!(figures.mailed, 1);
        (standing.version, figures.delivered, figures.bounced)
    };
    assert_eq!(heard(&[]), (1, 0, 0));
    assert_eq!(heard(&["delivered"]), (2, 1, 0));
    assert_eq!(heard(&["bounced"]), (2, 0, 1));
    assert_eq!(heard(&["delivered", "bounced"]), (3, 0, 1));
}

proptest! {
    /// However often, in whatever order and in whatever batches versions are told, the sums are those of the last ones.
    #[test]
    fn sums_are_those_of_the_last_versions_in_whatever_order_and_however_often_they_are_told(
        orders in proptest::collection::vec((0_u8..4, 0_u32..60, 0_u8..5), 1..8),
        told in proptest::collection::vec((0_usize..8, 0_usize..3, 1_usize..4), 0..60),
    ) {
        let lives: Vec<_> = orders.iter().enumerate()
            .map(|(index, (person, minute, end))| life(&index.to_string(), *person, *minute, *end))
            .collect();
        let mut told_table = Table::default();
        for (order, version, repeat) in told {
            let versions = &lives[order % lives.len()];
            for _ in 0..repeat {
                told_table.count(&versions[version % versions.len()..][..1]);
            }
        }
        let last: Vec<Redemption> = lives.iter().map(|versions| versions.last().unwrap().clone()).collect();
        told_table.count(&last);
        let mut fold = Table::default();
        for record in &last {
            fold.count(std::slice::from_ref(record));
        }
        prop_assert_eq!(told_table.rows, fold.rows);
        prop_assert_eq!(told_table.arms, fold.arms);
    }
}
