//! Plays the story: at each time of each day, what falls due, what came by mail, and what people do then.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use shared::domain::follow_up::FollowUp;
use shared::domain::identity::Email;
use shared::domain::order::OrderEventKind;

use super::ledger::{Buyer, Completed, Ledger, Mailed, Sale, SoldLine, Visit};
use super::oddities::{send_unasked, send_unreadable};
use super::offers::{self, ADS, LINKS, THANKS, WORDS};
use super::shop::{Shop, text};
use super::story::{Act, Code, Fate, Order, Person, Story, TIMES, channel};
use super::{Calendar, DemoError, Progress};
use crate::args::Provider;
use crate::local::inbox::Mail;
use crate::orders::sample::{Line, Sale as Told};

/// Addresses tried until one falls into the arm that the story asks for. The rarest is one of five: this many miss it once in 10^19.
const ADDRESSES: usize = 200;
/// What opens links: a telephone's browser, and a program that says that it is one.
const BROWSER: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
const ROBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
/// Longest a hold may be, and how long one is that is confirmed or lapses, in seconds.
const A_DAY: u32 = 86_400;
const AN_HOUR: u32 = 3_600;

/// The demo under way.
pub(super) struct Play {
    story: Story,
    calendar: Calendar,
    shop: Shop,
    ledger: Ledger,
    /// The address of each person.
    addresses: Vec<String>,
    /// Codes of ads that were not handed out yet.
    tickets: [Vec<String>; ADS.len()],
    mailboxes: HashMap<String, Mailbox>,
}

/// What a buyer was mailed.
#[derive(Default)]
struct Mailbox {
    /// Codes not used yet, with their promotion's id, oldest first.
    codes: Vec<(String, String)>,
    unsubscribe: Option<String>,
}

/// A code as a buyer types it.
struct Typed {
    text: String,
    promotion_id: String,
    channel: String,
}

impl Play {
    pub(super) fn new(story: Story, calendar: Calendar, shop: Shop) -> Self {
        Self {
            story,
            calendar,
            shop,
            ledger: Ledger::default(),
            addresses: Vec::new(),
            tickets: [Vec::new(), Vec::new()],
            mailboxes: HashMap::new(),
        }
    }

    pub(super) async fn run(mut self, progress: &Progress) -> Result<Ledger, DemoError> {
        self.set_up().await?;
        let all = self.story.orders.len();
        let times = std::mem::take(&mut self.story.acts);
        for (slot, acts) in times.iter().enumerate() {
            let (day, time) = (slot / TIMES, slot % TIMES);
            self.shop
                .wait_until(self.calendar.before(day, time))
                .await?;
            self.fetch_mail()?;
            self.shop.let_pass_until(self.calendar.at(day, time));
            Box::pin(self.act(acts)).await?;
            progress(self.ledger.sales.len(), all);
        }
        self.shop.wait_until_now().await?;
        self.fetch_mail()?;
        Ok(self.ledger)
    }

    /// Makes the promotions, codes and follow-ups, and finds everybody an address.
    async fn set_up(&mut self) -> Result<(), DemoError> {
        let calendar = self.calendar;
        for (name, terms) in offers::promotions(&self.story, |day| calendar.day(day)) {
            let made = self.shop.staff("POST /v1/promotions", &terms).await?;
            let id = text(&made, "id")?.to_owned();
            self.ledger.promotions.insert(name, id);
        }
        for word in &WORDS {
            let limits = word.redemptions.map(|most| json!({"redemptions": most}));
            let mut body = json!({"code": word.text, "channel": word.channel});
            if let (Some(limits), Some(body)) = (limits, body.as_object_mut()) {
                body.insert("limits".to_owned(), limits);
            }
            let call = format!(
                "POST /v1/promotions/{}/codes",
                self.promotion(word.promotion)
            );
            self.shop.staff(&call, &body).await?;
        }
        for ad in 0..ADS.len() {
            self.print_tickets(ad).await?;
        }
        for link in &LINKS {
            let body = json!({
                "slug": link.slug, "promotion_id": self.promotion(link.promotion), "code": link.word, "channel": link.channel, "cost": link.cost,
            });
            self.shop.staff("POST /v1/links", &body).await?;
        }
        let mut thanks = None;
        for (name, terms) in offers::follow_ups(|name| self.promotion(name)) {
            let made = self.shop.staff("POST /v1/follow-ups", &terms).await?;
            let id = text(&made, "id")?.to_owned();
            self.ledger.follow_ups.insert(name, id);
            thanks = thanks.or(Some(made));
        }
        let thanks = thanks.and_then(|made| serde_json::from_value::<FollowUp>(made).ok());
        let thanks = thanks.ok_or(DemoError::Lacks("a follow-up"))?;
        self.find_addresses(&thanks)
    }

    /// Mints the codes of an ad, with a few that nobody will use.
    async fn print_tickets(&mut self, ad: usize) -> Result<(), DemoError> {
        let count = self.story.codes_of_ad(ad);
        let path = format!("/v1/promotions/{}/codes", self.promotion("ads"));
        let body = json!({"count": count + count / 2 + 20, "channel": ADS.get(ad)});
        let batch = self.shop.staff(&format!("POST {path}"), &body).await?;
        let call = format!("GET {path}?limit=20000&batch={}", text(&batch, "batch_id")?);
        let page = self.shop.staff(&call, &Value::Null).await?;
        let codes = page.get("codes").and_then(Value::as_array);
        let codes = codes.ok_or(DemoError::Lacks("codes"))?.iter().rev();
        if let Some(tickets) = self.tickets.get_mut(ad) {
            *tickets = codes
                .filter_map(|code| Some(code.get("code")?.as_str()?.to_owned()))
                .collect();
        }
        Ok(())
    }

    fn find_addresses(&mut self, thanks: &FollowUp) -> Result<(), DemoError> {
        let people = self.story.people.len();
        for (number, person) in self.story.people.iter().enumerate() {
            let wanted = person.arm();
            let tried = (0..ADDRESSES).map(|attempt| person.address(number, people, attempt));
            let falls_right = |address: &String| {
                wanted.is_none() || self.arm_of(thanks, address).as_deref() == wanted
            };
            let found = tried.into_iter().find(falls_right);
            let address = found.ok_or(DemoError::Lacks("an address for each arm"))?;
            let buyer = Buyer {
                arm: wanted.unwrap_or_default().to_owned(),
                consents: person.consents,
            };
            self.ledger.buyers.insert(address.clone(), buyer);
            self.addresses.push(address);
        }
        Ok(())
    }

    /// The arm into which an address falls.
    fn arm_of(&self, follow_up: &FollowUp, address: &str) -> Option<String> {
        let person = self
            .shop
            .identity
            .person(&Email::try_from(address.to_owned()).ok()?);
        let draw = self
            .shop
            .identity
            .draw(&person, &follow_up.experiment_name());
        Some(follow_up.terms.arm(draw)?.name().to_owned())
    }

    fn promotion(&self, name: &str) -> &str {
        self.ledger.promotions.get(name).map_or("", String::as_str)
    }

    fn address(&self, person: usize) -> &str {
        self.addresses.get(person).map_or("", String::as_str)
    }

    /// Puts what came by mail into its reader's mailbox.
    fn fetch_mail(&mut self) -> Result<(), DemoError> {
        for mail in self.shop.new_mails()? {
            let Some(email) = mail.to.first() else {
                continue;
            };
            let mailbox = self.mailboxes.entry(email.clone()).or_default();
            let link = mail.headers.get("List-Unsubscribe");
            mailbox.unsubscribe = link.map(|link| link.trim_matches(['<', '>']).to_owned());
            let Some((promotion_id, code)) = code_in(&mail, self.ledger.promotions.values()) else {
                continue;
            };
            // A reminder is the second mail with the same code.
            let reminder = self.ledger.mails.iter().any(|known| known.code == code);
            if !reminder {
                mailbox.codes.push((promotion_id.clone(), code.clone()));
            }
            let (email, at) = (email.clone(), mail.sent_at);
            self.ledger.mails.push(Mailed {
                email,
                promotion_id,
                code,
                at,
                reminder,
            });
        }
        Ok(())
    }

    /// What happens at one time.
    async fn act(&mut self, acts: &[Act]) -> Result<(), DemoError> {
        // Staff first, then orders, then what becomes of earlier ones.
        for act in acts {
            match act {
                Act::Switch(promotion, switch) => {
                    let call =
                        format!("POST /v1/promotions/{}/{switch}", self.promotion(promotion));
                    self.shop.staff(&call, &Value::Null).await?;
                }
                Act::PauseWelcome => {
                    let id = self
                        .ledger
                        .follow_ups
                        .get("welcome")
                        .map_or("", String::as_str);
                    let call = format!("POST /v1/follow-ups/{id}/pause");
                    self.shop.staff(&call, &Value::Null).await?;
                }
                _ => {}
            }
        }
        self.open_links(acts).await?;
        self.sell(acts).await?;
        for act in acts {
            match *act {
                Act::Follow(number) => self.follow(number).await?,
                Act::Unsubscribe(person) => {
                    let mailbox = self.mailboxes.get(self.address(person));
                    if let Some(url) = mailbox.and_then(|mailbox| mailbox.unsubscribe.as_deref()) {
                        self.shop.unsubscribe(url).await?;
                    }
                }
                Act::Forget(person) => {
                    let body = json!({"email": self.address(person)});
                    self.shop.staff("POST /v1/customers/forget", &body).await?;
                    let email = self.address(person).to_owned();
                    self.ledger.forgotten.insert(email, self.shop.now());
                }
                Act::Unreadable => send_unreadable(&self.shop).await?,
                Act::Unasked => {
                    let order = send_unasked(&self.shop).await?;
                    self.ledger.unasked.push(order);
                }
                Act::Switch(..) | Act::PauseWelcome | Act::Visit(..) | Act::Buy(_) => {}
            }
        }
        Ok(())
    }

    /// People open links; once a day a search engine does too, which is nobody.
    async fn open_links(&mut self, acts: &[Act]) -> Result<(), DemoError> {
        for act in acts {
            let Act::Visit(number, count) = *act else {
                continue;
            };
            let Some(link) = LINKS.get(number) else {
                continue;
            };
            let at = self.shop.now();
            let this = &*self;
            let visits = (0..count).map(|_| this.shop.visit(link.slug, BROWSER));
            stream::iter(visits)
                .buffer_unordered(4)
                .try_collect::<()>()
                .await?;
            if number == 0 {
                self.shop.visit(link.slug, ROBOT).await?;
            }
            self.ledger.visits.push(Visit {
                slug: link.slug.to_owned(),
                promotion_id: self.promotion(link.promotion).to_owned(),
                channel: link.channel.to_owned(),
                at,
                count: u64::try_from(count).unwrap_or_default(),
            });
        }
        Ok(())
    }

    /// The orders of one time. Those under one promotion come one after the other, so that it is always the same one for which a
    /// budget no longer suffices.
    async fn sell(&mut self, acts: &[Act]) -> Result<(), DemoError> {
        let mut queues: BTreeMap<String, Vec<(usize, Option<Typed>)>> = BTreeMap::new();
        for act in acts {
            if let Act::Buy(number) = act {
                let typed = self.typed(*number);
                let queue = typed.as_ref().map(|typed| typed.promotion_id.clone());
                queues
                    .entry(queue.unwrap_or_default())
                    .or_default()
                    .push((*number, typed));
            }
        }
        let this = &*self;
        let queues = queues.into_values().map(|queue| async move {
            let mut sales = Vec::with_capacity(queue.len());
            for (number, typed) in queue {
                sales.push((number, Box::pin(this.buy(number, typed)).await?));
            }
            Ok::<_, DemoError>(sales)
        });
        let sales: Vec<_> = stream::iter(queues)
            .buffer_unordered(8)
            .try_collect()
            .await?;
        let mut sales: Vec<(usize, Sale)> = sales.into_iter().flatten().collect();
        sales.sort_by_key(|(number, _)| *number);
        self.ledger
            .sales
            .extend(sales.into_iter().map(|(_, sale)| sale));
        Ok(())
    }

    /// What the buyer of an order types: a code they have by then.
    fn typed(&mut self, number: usize) -> Option<Typed> {
        let order = self.story.orders.get(number)?;
        let address = self.addresses.get(order.person)?;
        let (text, promotion_id) = match order.code {
            Code::None => return None,
            Code::Word(word) => {
                let word = WORDS.get(word)?;
                (
                    word.text.to_owned(),
                    self.promotion(word.promotion).to_owned(),
                )
            }
            Code::Ad(ad) => (
                self.tickets.get_mut(ad)?.pop()?,
                self.promotion("ads").to_owned(),
            ),
            Code::Thanks | Code::Welcome => {
                let promotions: &[&str] = if order.code == Code::Thanks {
                    &THANKS
                } else {
                    &["welcome"]
                };
                let ids: Vec<&String> = promotions
                    .iter()
                    .filter_map(|name| self.ledger.promotions.get(name))
                    .collect();
                let codes = &mut self.mailboxes.get_mut(address)?.codes;
                let newest = codes.iter().rposition(|(id, _)| ids.contains(&id))?;
                let (id, code) = codes.remove(newest);
                (code, id)
            }
        };
        let arm = THANKS
            .iter()
            .zip(offers::ARMS)
            .chain([(&"welcome", "300yen-1day")]);
        let mailed = arm
            .into_iter()
            .find(|(name, _)| self.promotion(name) == promotion_id);
        let channel = channel(order.code).map(str::to_owned);
        let channel = channel.or(mailed.map(|(_, arm)| format!("thank-you/{arm}")))?;
        Some(Typed {
            text,
            promotion_id,
            channel,
        })
    }

    /// One order, from the checkout to the shop's webhook.
    async fn buy(&self, number: usize, typed: Option<Typed>) -> Result<Sale, DemoError> {
        let lacks = DemoError::Lacks("an order's buyer");
        let Some((order, person)) = self.order(number) else {
            return Err(lacks);
        };
        let mut sale = Sale {
            order_id: Order::id(number, person.provider),
            email: self.address(order.person).to_owned(),
            channels: BTreeMap::new(),
            redemption: None,
            refused: None,
            completed: None,
            undone: false,
        };
        let codes = self.check_out(order, typed, &mut sale).await?;
        if matches!(order.fate, Fate::Lapsed | Fate::Held) && sale.redemption.is_some() {
            return Ok(sale);
        }
        let total = sale
            .redemption
            .as_ref()
            .and_then(|answer| answer.get("total")?.as_u64());
        let total = total.unwrap_or(order.subtotal() + order.shipping());
        let at = self
            .tell(
                &sale,
                (order, person),
                (total, codes),
                OrderEventKind::Completed,
            )
            .await?;
        let lines = order
            .cart
            .iter()
            .map(|((sku, unit_price), quantity)| SoldLine {
                sku: (*sku).to_owned(),
                quantity: *quantity,
                unit_price: *unit_price,
            });
        let lines = match person.provider {
            // It names no lines in what it sends.
            Provider::Stripe => Vec::new(),
            Provider::Standard | Provider::Shopify | Provider::Woocommerce => lines.collect(),
        };
        sale.completed = Some(Completed { at, total, lines });
        Ok(sale)
    }

    fn order(&self, number: usize) -> Option<(&Order, &Person)> {
        let order = self.story.orders.get(number)?;
        Some((order, self.story.people.get(order.person)?))
    }

    /// Asks for the codes; refused, the buyer goes on without. Answers what the order lists.
    async fn check_out(
        &self,
        order: &Order,
        typed: Option<Typed>,
        sale: &mut Sale,
    ) -> Result<Vec<String>, DemoError> {
        let call = format!("PUT /v1/redemptions/{}", sale.order_id);
        let lines: Vec<Value> = order.cart.iter().map(|((sku, price), quantity)| json!({"sku": sku, "quantity": quantity, "unit_price": price})).collect();
        let mut body = json!({
            "customer": {"email": sale.email},
            "cart": {"currency": "JPY", "shipping": order.shipping(), "lines": lines},
        });
        let held = match order.fate {
            Fate::Confirmed | Fate::Lapsed => Some(AN_HOUR),
            Fate::Held => Some(A_DAY),
            Fate::Kept | Fate::Cancelled | Fate::Returned | Fate::Refunded => None,
        };
        if let Some(typed) = typed {
            set(&mut body, "codes", json!([typed.text]));
            if let Some(seconds) = held {
                set(&mut body, "hold_seconds", json!(seconds));
            }
            let answer = self.shop.checkout(&call, &body).await?;
            if answer.status == 422 {
                let reason = answer
                    .body
                    .pointer("/codes/0/reason")
                    .and_then(Value::as_str);
                sale.refused = Some(reason.unwrap_or("refused").to_owned());
            } else {
                sale.redemption = Some(answer.good(&call)?);
                sale.channels.insert(typed.promotion_id, typed.channel);
                if order.fate == Fate::Confirmed {
                    self.then(sale, "confirm", &Value::Null).await?;
                }
                return Ok(vec![typed.text]);
            }
        }
        if self.story.ships_free(order.slot) {
            set(&mut body, "codes", json!([]));
            if let Some(body) = body.as_object_mut() {
                body.remove("hold_seconds");
            }
            let answer = self.shop.checkout(&call, &body).await?;
            sale.redemption = Some(answer.good(&call)?);
        }
        Ok(Vec::new())
    }

    /// A further call about an order's redemption.
    async fn then(&self, sale: &mut Sale, what: &str, body: &Value) -> Result<(), DemoError> {
        let call = format!("POST /v1/redemptions/{}/{what}", sale.order_id);
        let answer = self.shop.checkout(&call, body).await?;
        sale.redemption = Some(answer.good(&call)?);
        Ok(())
    }

    /// Tells of an order, as its shop does; answers when.
    async fn tell(
        &self,
        sale: &Sale,
        (order, person): (&Order, &Person),
        (total, codes): (u64, Vec<String>),
        happened: OrderEventKind,
    ) -> Result<DateTime<Utc>, DemoError> {
        let lines = order.cart.iter().map(|((sku, unit_price), quantity)| Line {
            sku,
            quantity: *quantity,
            unit_price: *unit_price,
        });
        let now = self.shop.now();
        let told = Told {
            order_id: &sale.order_id,
            happened,
            email: &sale.email,
            name: person.name,
            language: person.language,
            consents: person.consents,
            total,
            lines: lines.collect(),
            codes,
        };
        self.shop
            .webhook(told.webhook(person.provider, now)?)
            .await?;
        Ok(now)
    }

    /// What becomes of an order later.
    async fn follow(&mut self, number: usize) -> Result<(), DemoError> {
        let Some((order, person)) = self.order(number) else {
            return Ok(());
        };
        let Some(mut sale) = self.ledger.sales.get(number).cloned() else {
            return Ok(());
        };
        let total = sale
            .completed
            .as_ref()
            .map_or(0, |completed| completed.total);
        let whole = |&(_, quantity): &(_, u64)| quantity;
        let lines: Vec<u64> = match order.fate {
            Fate::Returned => vec![1],
            Fate::Refunded => order.cart.iter().map(whole).collect(),
            Fate::Kept | Fate::Confirmed | Fate::Lapsed | Fate::Held | Fate::Cancelled => {
                Vec::new()
            }
        };
        if sale.redemption.is_some() {
            if lines.is_empty() {
                self.then(&mut sale, "cancel", &Value::Null).await?;
            } else {
                let lines = lines
                    .iter()
                    .enumerate()
                    .map(|(line, quantity)| json!({"line": line, "quantity": quantity}));
                let body = json!({"return_id": format!("R-{}", sale.order_id), "lines": lines.collect::<Vec<_>>()});
                self.then(&mut sale, "returns", &body).await?;
            }
        }
        let happened = match order.fate {
            Fate::Cancelled => Some(OrderEventKind::Cancelled),
            Fate::Refunded => Some(OrderEventKind::Refunded),
            _ => None,
        };
        if let Some(happened) = happened {
            self.tell(&sale, (order, person), (total, Vec::new()), happened)
                .await?;
            sale.undone = true;
        }
        if let Some(known) = self.ledger.sales.get_mut(number) {
            *known = sale;
        }
        Ok(())
    }
}

fn set(body: &mut Value, field: &str, value: Value) {
    if let Some(body) = body.as_object_mut() {
        body.insert(field.to_owned(), value);
    }
}

/// The code in a mail, and whose it is: the first line that begins with a promotion's id and a hyphen.
fn code_in<'a>(
    mail: &Mail,
    promotions: impl IntoIterator<Item = &'a String>,
) -> Option<(String, String)> {
    let promotions: Vec<&String> = promotions.into_iter().collect();
    mail.text.lines().map(str::trim).find_map(|line| {
        let (id, _) = line.split_once('-')?;
        let id = promotions.iter().find(|known| known.as_str() == id)?;
        Some(((*id).clone(), line.to_owned()))
    })
}
