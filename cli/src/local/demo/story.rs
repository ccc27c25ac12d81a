//! Who buys what and when: drawn from the seed before anything is done, so that nothing that happens can change it.

use super::Size;
use super::dice::Dice;
use super::goods::{
    Article, DOMAINS, ENGLISH, FAMILIES, FOREIGN_FAMILIES, JAPANESE, JAPANESE_DOMAINS,
    SENT_FREE_FROM, SHIPPING, TEAS, WARES,
};
use super::offers::{AD_FROM, ADS, ARMS, LINKS, THANKS_FROM, WORDS};
use crate::args::Provider;

/// Times of a day, of which the last is for what becomes of orders and for staff. No mail falls due then, since all do at the time of
/// their order: so whether one is withdrawn never depends on how quick the machine is.
pub(super) const TIMES: usize = 3;
/// Times at which orders come.
const ORDER_TIMES: usize = 2;
/// Buyers whose mails never arrive or annoy, by what SES's simulator makes of them. They never order enough to be assigned to an
/// arm: what their addresses are cannot be chosen to fall into one.
const SIMULATED: [&str; 3] = ["bounce", "suppressionlist", "complaint"];

/// All that will happen.
#[derive(Debug)]
pub(super) struct Story {
    /// The last day, counted from 0: today.
    pub(super) days: usize,
    pub(super) people: Vec<Person>,
    pub(super) orders: Vec<Order>,
    /// What happens at each time of each day.
    pub(super) acts: Vec<Vec<Act>>,
}

/// A buyer.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: &'static str,
    /// What stands before the number that makes the address one of a kind.
    pub(super) local: String,
    pub(super) domain: &'static str,
    /// Where they shop.
    pub(super) provider: Provider,
    /// What they read, as `ja-JP`.
    pub(super) language: &'static str,
    pub(super) consents: bool,
    /// Which arm of the thank-you follow-up they fall into; beyond the last, the hold-out.
    pub(super) arm: usize,
    /// Whether the address is as it stands, without a number.
    pub(super) simulated: bool,
}

/// An order.
#[derive(Debug)]
pub(super) struct Order {
    /// When: the place among all times of all days.
    pub(super) slot: usize,
    pub(super) person: usize,
    pub(super) cart: Vec<(Article, u64)>,
    pub(super) code: Code,
    pub(super) fate: Fate,
}

/// What a buyer types at the checkout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Code {
    /// Nothing.
    #[default]
    None,
    /// One of the words.
    Word(usize),
    /// The next code of one of the ads.
    Ad(usize),
    /// The code of the newest thank-you mail.
    Thanks,
    /// The code of the mail for the first order.
    Welcome,
}

/// What becomes of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is paid for and kept.
    #[default]
    Kept,
    /// The checkout holds the code first.
    Confirmed,
    /// It is never paid for, and its hold lapses.
    Lapsed,
    /// Its hold still stands today.
    Held,
    /// It is cancelled a while later.
    Cancelled,
    /// One unit comes back.
    Returned,
    /// All of it comes back.
    Refunded,
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Staff switch a promotion.
    Switch(&'static str, &'static str),
    /// An order, by its place.
    Buy(usize),
    /// What becomes of it.
    Follow(usize),
    /// A buyer clicks "no more mails" in the newest one.
    Unsubscribe(usize),
    /// A buyer asks to be forgotten.
    Forget(usize),
    /// A signed webhook that cannot be read.
    Unreadable,
    /// An order that lists a code whose promotion is over, and that no checkout asked about.
    Unasked,
    /// People open a link, so many of them.
    Visit(usize, usize),
    /// Staff pause the follow-up for first orders.
    PauseWelcome,
}

impl Story {
    /// Draws it.
    pub(super) fn draw(size: &Size) -> Self {
        let mut story = Self {
            days: size.days,
            people: Vec::new(),
            orders: Vec::new(),
            acts: vec![Vec::new(); (size.days + 1) * TIMES],
        };
        while story.orders.len() < size.orders {
            let number = story.people.len();
            let mut dice = Dice::new(size.seed, &format!("person {number}"));
            story.people.push(Person::draw(&mut dice, number));
            story.draw_orders(&mut dice, number);
        }
        story.orders.truncate(size.orders);
        story.orders.sort_by_key(|order| (order.slot, order.person));
        story.draw_endings(size);
        story.try_a_paused_word();
        story.plan(size);
        story
    }

    /// The orders of one person.
    fn draw_orders(&mut self, dice: &mut Dice, person: usize) {
        let Some(who) = self.people.get(person) else {
            return;
        };
        let (arm, consents, simulated) = (who.arm, who.consents, who.simulated);
        // More on later days: a shop that grows.
        let earliest = if dice.percent(30) { self.days / 2 } else { 0 };
        let mut day = if simulated {
            self.days / 3
        } else {
            dice.between(earliest, self.days)
        };
        let mailed = consents && arm < ARMS.len();
        for time in 0..4 {
            let slot = day * TIMES + dice.below(ORDER_TIMES);
            let code = self.draw_code(dice, day, time, mailed);
            let cart = if simulated {
                vec![(TEAS[0], 1)]
            } else {
                draw_cart(dice, code)
            };
            self.orders.push(Order {
                slot,
                person,
                cart,
                code,
                fate: Fate::Kept,
            });
            let comes_back = if mailed { [36, 40] } else { [16, 16] };
            let chance = comes_back.get(arm).copied().unwrap_or(16);
            if simulated || !dice.percent(chance) {
                return;
            }
            day += dice.between(4, 13);
            if day > self.days {
                return;
            }
        }
    }

    fn draw_code(&self, dice: &mut Dice, day: usize, time: usize, mailed: bool) -> Code {
        if time > 0 {
            let weights = if mailed {
                [(Code::Thanks, 6), (Code::Welcome, 2), (Code::None, 2)]
            } else {
                [(Code::Welcome, 3), (Code::Word(0), 1), (Code::None, 6)]
            };
            return dice.weighed(&weights);
        }
        dice.weighed(&[
            (Code::Word(0), 20),
            (Code::Word(1), 9),
            (Code::Word(2), 5),
            // Some still try words whose promotion is over.
            (Code::Word(3), if day < self.tiers_pause() { 12 } else { 4 }),
            (Code::Word(4), if day < self.bundle_ends() { 14 } else { 4 }),
            (Code::Ad(0), 9),
            (Code::Ad(1), 6),
            (Code::None, 30),
        ])
    }

    /// What becomes of which orders.
    fn draw_endings(&mut self, size: &Size) {
        let last = self.acts.len();
        let mut held = 0;
        for (number, order) in self.orders.iter_mut().enumerate() {
            let mut dice = Dice::new(size.seed, &format!("order {number}"));
            let has_code = order.code != Code::None;
            let late = order.slot + TIMES >= last;
            order.fate = match dice.below(100) {
                0..=3 => Fate::Cancelled,
                4..=7 if has_code => Fate::Returned,
                8..=9 => Fate::Refunded,
                10..=14 if has_code => Fate::Confirmed,
                15 if has_code && !late => Fate::Lapsed,
                _ => Fate::Kept,
            };
            if late && held < 2 && matches!(order.code, Code::Word(0 | 1)) {
                held += 1;
                order.fate = Fate::Held;
            }
        }
    }

    /// Has somebody try the word of the paused promotion, whatever was drawn: a refusal is part of what there is to see.
    fn try_a_paused_word(&mut self) {
        let paused = self.tiers_pause().saturating_mul(TIMES);
        let mut orders = self.orders.iter_mut();
        let plain = |order: &&mut Order| {
            order.slot >= paused && order.code == Code::None && order.fate == Fate::Kept
        };
        if let Some(order) = orders.find(plain) {
            order.code = Code::Word(3);
        }
    }

    /// Puts everything at its time.
    fn plan(&mut self, size: &Size) {
        let last = self.acts.len().saturating_sub(1);
        let mut acts = std::mem::take(&mut self.acts);
        let mut plan = |slot: usize, act| {
            if let Some(acts) = acts.get_mut(slot.min(last)) {
                acts.push(act);
            }
        };
        let evening = |day: usize| day * TIMES + ORDER_TIMES;
        let (days, third) = (size.days, size.days / 3);
        plan(
            evening(tiers_pause(days) - 1),
            Act::Switch("tiers", "pause"),
        );
        plan(
            evening(shipping_ends(days) - 1),
            Act::Switch("shipping", "end"),
        );
        plan(evening(days - 1), Act::PauseWelcome);
        plan(evening(days - 2), Act::Unreadable);
        plan(evening(days - 1), Act::Unasked);
        for (number, order) in self.orders.iter().enumerate() {
            plan(order.slot, Act::Buy(number));
            let day = order.slot / TIMES;
            match order.fate {
                Fate::Cancelled => plan(evening(day), Act::Follow(number)),
                Fate::Returned => plan(evening(day + 3), Act::Follow(number)),
                // Some before the mail is due, some after.
                Fate::Refunded if number % 2 == 0 => plan(evening(day + 2), Act::Follow(number)),
                Fate::Refunded => plan(evening(day + 5), Act::Follow(number)),
                Fate::Kept | Fate::Confirmed | Fate::Lapsed | Fate::Held => {}
            }
        }
        for (slot, link, count) in self.visits(size) {
            plan(slot, Act::Visit(link, count));
        }
        // A few of those who were mailed have had enough.
        let early = self
            .orders
            .iter()
            .filter(|order| order.slot < evening(third * 2));
        let mailed = early.filter(|order| {
            let person = self.people.get(order.person);
            person.is_some_and(|who| who.consents && !who.simulated)
        });
        for order in mailed.step_by(40) {
            plan(
                evening(order.slot / TIMES + 9),
                Act::Unsubscribe(order.person),
            );
        }
        if let Some(order) = self.only_order() {
            plan(evening(order.slot / TIMES + 6), Act::Forget(order.person));
        }
        self.acts = acts;
    }

    /// An order of somebody of whom nothing else is heard: what is told of a person at the moment they are forgotten may count or not.
    fn only_order(&self) -> Option<&Order> {
        self.orders.iter().find(|order| {
            let orders = self.orders.iter();
            let theirs = orders.filter(|other| other.person == order.person);
            let person = self.people.get(order.person);
            let thanked = person.is_some_and(|who| who.consents && !who.simulated);
            thanked && order.fate == Fate::Kept && theirs.count() == 1
        })
    }

    /// Which link is opened when, and by how many: more where its code is used.
    fn visits(&self, size: &Size) -> Vec<(usize, usize, usize)> {
        let slots =
            (0..=size.days).flat_map(|day| (0..ORDER_TIMES).map(move |time| day * TIMES + time));
        let mut visits = Vec::new();
        for slot in slots {
            for (number, link) in LINKS.iter().enumerate() {
                let mut dice = Dice::new(size.seed, &format!("visits {slot} {number}"));
                let here = self.orders.iter().filter(|order| order.slot == slot);
                let uses = here.filter(|order| channel(order.code) == Some(link.channel));
                let come: usize = uses.map(|_| dice.between(1, 4)).sum();
                let count = come + dice.below(2);
                if count > 0 {
                    visits.push((slot, number, count));
                }
            }
        }
        visits
    }

    /// The day on which the promotion of many steps is paused.
    fn tiers_pause(&self) -> usize {
        tiers_pause(self.days)
    }

    /// The first day on which the promotion of sets is over.
    pub(super) fn bundle_ends(&self) -> usize {
        self.days * 6 / 10
    }

    /// The first day on which sending is free.
    pub(super) fn shipping_starts(&self) -> usize {
        self.days * 2 / 3
    }

    /// Whether sending is free at that time.
    pub(super) fn ships_free(&self, slot: usize) -> bool {
        let day = slot / TIMES;
        (self.shipping_starts()..shipping_ends(self.days)).contains(&day)
    }

    /// How many orders use a code from an ad for good.
    pub(super) fn uses_of_ads(&self) -> u64 {
        let uses = self
            .orders
            .iter()
            .filter(|order| matches!(order.code, Code::Ad(_)));
        let kept = uses.filter(|order| !matches!(order.fate, Fate::Cancelled | Fate::Lapsed));
        kept.map(|_| 1).sum()
    }

    /// How many codes of an ad are handed out.
    pub(super) fn codes_of_ad(&self, ad: usize) -> usize {
        self.orders
            .iter()
            .filter(|order| order.code == Code::Ad(ad))
            .count()
    }

    /// A budget of which about two thirds will be spent, in yen.
    pub(super) fn budget_of_influencers(&self) -> u64 {
        let of_influencer = |order: &&Order| matches!(order.code, Code::Word(0..=2));
        let orders = self.orders.iter().filter(of_influencer);
        let tenth: u64 = orders.map(|order| (order.subtotal() / 10).min(2_000)).sum();
        (tenth * 3 / 2).div_ceil(10_000).max(1) * 10_000
    }
}

fn tiers_pause(days: usize) -> usize {
    days * 8 / 10
}

fn shipping_ends(days: usize) -> usize {
    days * 9 / 10
}

impl Order {
    /// What the lines come to, in yen.
    pub(super) fn subtotal(&self) -> u64 {
        let lines = self.cart.iter();
        lines.map(|((_, price), quantity)| price * quantity).sum()
    }

    /// What sending costs, in yen.
    pub(super) fn shipping(&self) -> u64 {
        if self.subtotal() < SENT_FREE_FROM {
            SHIPPING
        } else {
            0
        }
    }

    /// The number it has in its shop: the place among all orders, from 10,001.
    pub(super) fn id(number: usize, provider: Provider) -> String {
        let number = number + 10_001;
        match provider {
            Provider::Standard => format!("OT-{number}"),
            Provider::Shopify | Provider::Woocommerce | Provider::Stripe => number.to_string(),
        }
    }
}

impl Person {
    fn draw(dice: &mut Dice, number: usize) -> Self {
        let arm = dice.weighed(&[(0, 53), (1, 27), (2, 20)]);
        // Early, so that each is there however few orders there are.
        if let Some(local) = number.checked_sub(2).and_then(|place| SIMULATED.get(place)) {
            return Self {
                name: "ゆき",
                local: (*local).to_owned(),
                domain: "simulator.amazonses.com",
                provider: Provider::Standard,
                language: "ja-JP",
                consents: true,
                arm: ARMS.len(),
                simulated: true,
            };
        }
        let foreign = dice.percent(18);
        let (names, families, domains): (&[_], &[_], &[_]) = if foreign {
            (&ENGLISH, &FOREIGN_FAMILIES, &DOMAINS)
        } else {
            (&JAPANESE, &FAMILIES, &JAPANESE_DOMAINS)
        };
        let (name, spelt) = dice.one_of(names);
        // Japanese telephone companies gave out addresses with two dots in a row, which SES refuses.
        let dots = if number % 97 == 6 { ".." } else { "." };
        let local = format!("{spelt}{dots}{}", dice.one_of(families));
        Self {
            name,
            local,
            domain: dice.weighed(domains),
            provider: dice
                .weighed(&[
                    (Sold(0), 5),
                    (Sold(1), 3),
                    (Sold(2), if foreign { 0 } else { 2 }),
                ])
                .provider(),
            language: if foreign { "en-US" } else { "ja-JP" },
            consents: dice.percent(84),
            arm,
            simulated: false,
        }
    }

    /// The address that is tried as the `attempt`th, of so many people the `number`th; no two are alike.
    pub(super) fn address(&self, number: usize, people: usize, attempt: usize) -> String {
        if self.simulated {
            return format!("{}@{}", self.local, self.domain);
        }
        format!(
            "{}{}@{}",
            self.local,
            number + 1 + attempt * people,
            self.domain
        )
    }

    /// The arm of the thank-you follow-up that the address must fall into; none if that does not matter.
    pub(super) fn arm(&self) -> Option<&'static str> {
        let arm = ARMS.get(self.arm).copied();
        (!self.simulated).then_some(arm.unwrap_or(shared::domain::follow_up::HOLDOUT))
    }
}

/// Where something is sold.
#[derive(Clone, Copy, Debug, Default)]
struct Sold(u8);

impl Sold {
    fn provider(self) -> Provider {
        match self.0 {
            0 => Provider::Standard,
            1 => Provider::Shopify,
            _ => Provider::Woocommerce,
        }
    }
}

/// A cart that the code is good for.
fn draw_cart(dice: &mut Dice, code: Code) -> Vec<(Article, u64)> {
    let from = match code {
        Code::Thanks | Code::Welcome => THANKS_FROM,
        Code::Ad(_) => AD_FROM,
        Code::Word(3) => 5_000,
        Code::Word(_) | Code::None => 0,
    };
    let mut cart: Vec<(Article, u64)> = Vec::new();
    let mut add =
        |article: Article, quantity| match cart.iter_mut().find(|(known, _)| *known == article) {
            Some((_, count)) => *count += quantity,
            None => cart.push((article, quantity)),
        };
    if code == Code::Word(4) {
        add(dice.one_of(&TEAS), 2);
        add(dice.one_of(&TEAS), 1);
    }
    let mut sum = 0;
    let mut wanted: u8 = dice.weighed(&[(1, 4), (2, 4), (3, 2)]);
    while wanted > 0 || sum < from {
        let article = if dice.percent(70) {
            dice.one_of(&TEAS)
        } else {
            dice.one_of(&WARES)
        };
        let quantity = dice.weighed(&[(1, 6), (2, 3), (3, 1)]);
        add(article, quantity);
        sum += article.1 * quantity;
        wanted = wanted.saturating_sub(1);
    }
    cart
}

/// Where a code that a buyer types had been handed out, if the demo handed it out itself.
pub(super) fn channel(code: Code) -> Option<&'static str> {
    match code {
        Code::Word(word) => WORDS.get(word).map(|word| word.channel),
        Code::Ad(ad) => ADS.get(ad).copied(),
        Code::None | Code::Thanks | Code::Welcome => None,
    }
}
