//! What can be wrong, where, and in which words people are told.

use std::fmt;

use crate::domain::code::{PromotionId, Serial};
use crate::domain::follow_up::FollowUpId;
use crate::domain::order::OrderId;
use crate::domain::outbox::MailId;
use crate::store::keys::Key;

/// What a difference is about. With its [`Kind`] it says which difference it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Subject {
    Promotion(PromotionId),
    /// A promotion's counter and batches.
    Batches(PromotionId),
    Code(PromotionId, Serial),
    Order(OrderId),
    /// A word by its folded form.
    Word(String),
    /// A word in a promotion's list.
    Listed(PromotionId, String),
    Mail(MailId),
    Marker(OrderId, FollowUpId),
    /// A follow-up at one version.
    Rule(FollowUpId, u64),
    Account(Account),
    Item(Key),
}

/// Something whose uses are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Account {
    /// A promotion with a budget or a limit of uses: its shards.
    Shards(PromotionId),
    /// One count, named by its key.
    Uses(Key),
}

impl Account {
    /// The promotion whose uses it counts; none for a word's.
    pub(super) fn promotion(&self) -> Option<PromotionId> {
        match self {
            Self::Shards(id) => Some(id.clone()),
            Self::Uses(key) => {
                let (id, _) = key.pk.strip_prefix("customer#")?.split_once('#')?;
                PromotionId::try_from(id.to_owned()).ok()
            }
        }
    }
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Unreadable,
    TermsMissing,
    EntryMissing,
    AutomaticPlace,
    MintedBehind,
    BatchOverlap,
    BatchGap,
    ShardIncomplete,
    ShardNegative,
    SpentAmount,
    SpentUses,
    BudgetLeft,
    UsesLeft,
    Overspent,
    Uses,
    CodeTaken,
    CodeTwice,
    CodeOrphan,
    CodeRest,
    CodeNumber,
    RecordBroken,
    HoldDue,
    WordMissing,
    WordUnlisted,
    WordsDiffer,
    WordOrphan,
    RuleVersion,
    MailMarker,
    MailCode,
    MailCodeTerms,
    MailDue,
    MailRule,
    MarkerMail,
}

impl Kind {
    /// What it is about, in a few words.
    fn title(self) -> &'static str {
        match self {
            Self::Unreadable => "An item cannot be read",
            Self::TermsMissing => "A promotion's terms are missing",
            Self::EntryMissing => "A promotion is not in the list of promotions",
            Self::AutomaticPlace => {
                "The list of promotions that apply by themselves does not agree with a promotion"
            }
            Self::MintedBehind => "Codes could be handed out twice: the counter is behind",
            Self::BatchOverlap => "Two batches hold the same codes",
            Self::BatchGap => "Codes belong to no batch",
            Self::ShardIncomplete => "A share of a limit is missing",
            Self::ShardNegative => "A share of a limit is below zero",
            Self::SpentAmount => "What a promotion gave away is not what its orders got",
            Self::SpentUses => "A promotion's uses are not those of its orders",
            Self::BudgetLeft => {
                "What is left of a budget is not the budget less what was given away"
            }
            Self::UsesLeft => "The uses left are not the limit less the uses",
            Self::Overspent => "A promotion gave away more than its limit",
            Self::Uses => "A count of uses is not that of the orders",
            Self::CodeTaken => "A code does not agree with the order that has it",
            Self::CodeTwice => "Two orders have the same code",
            Self::CodeOrphan => "A code was used by an order that left no record",
            Self::CodeRest => "A code keeps traces of an order that does not have it",
            Self::CodeNumber => "A code's item carries another number",
            Self::RecordBroken => "An order's record contradicts itself",
            Self::HoldDue => "A hold would not be ended in time",
            Self::WordMissing => "A word of a promotion cannot be used",
            Self::WordUnlisted => "A word is not in its promotion's list",
            Self::WordsDiffer => "A word's two entries differ",
            Self::WordOrphan => "A promotion lists a word of another one",
            Self::MailMarker => "An order does not know of its mail",
            Self::MailCode => "A mail's code is missing",
            Self::MailCodeTerms => "A mail and its code differ",
            Self::MailDue => "A mail is not found when it is due, or not in its list",
            Self::MailRule => "A mail's follow-up is missing",
            Self::MarkerMail => "An order's mail is missing",
            Self::RuleVersion => "A follow-up's version is missing",
        }
    }

    /// What a person does where repairing would be guessing.
    fn advice(self) -> &'static str {
        match self {
            Self::Unreadable => "restore this item from a backup",
            Self::TermsMissing => {
                "restore the promotion from a backup: without its terms none of its codes can be read"
            }
            Self::BatchOverlap => "void the codes that both batches hold and hand out new ones",
            Self::BatchGap => {
                "restore the batch from a backup; until then its codes work, but no list shows them"
            }
            Self::Overspent => {
                "nothing can be taken back; lower or end the promotion if it must not give more"
            }
            Self::CodeTwice => {
                "look at both orders in the shop and cancel the one that is not to have the code"
            }
            Self::CodeOrphan => {
                "look at this order in the shop: if it was placed, restore its record from a backup; if not, cancel it here and repair again; sums of this promotion are left alone until then"
            }
            Self::RecordBroken => {
                "compare the order with the shop's own and restore its record from a backup; sums it touches are left alone"
            }
            Self::MailCode => "give the buyer a new code; this one cannot be used",
            Self::MailRule | Self::RuleVersion => {
                "restore the follow-up from a backup; its mails cannot be written without it"
            }
            Self::MarkerMail => "restore the mail from a backup, or give the buyer a code by hand",
            Self::WordsDiffer | Self::WordMissing | Self::WordUnlisted | Self::WordOrphan => {
                "compare with the other promotion's words, then add or void the word by hand"
            }
            Self::CodeTaken
            | Self::CodeRest
            | Self::CodeNumber
            | Self::MailCodeTerms
            | Self::MailMarker => {
                "look at the order's record first: what contradicts itself repairs nothing else"
            }
            Self::SpentAmount
            | Self::SpentUses
            | Self::BudgetLeft
            | Self::UsesLeft
            | Self::Uses => {
                "repair the orders' records first, or look again while fewer orders come in"
            }
            Self::ShardIncomplete | Self::ShardNegative => "look again while fewer orders come in",
            Self::EntryMissing
            | Self::AutomaticPlace
            | Self::MintedBehind
            | Self::HoldDue
            | Self::MailDue => "run the repair again",
        }
    }
}

/// A difference seen, with what confirming and repairing it need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) subject: Subject,
    pub(super) kind: Kind,
    pub(super) expected: String,
    pub(super) found: String,
    /// Orders whose records have a say in it.
    pub(super) orders: Vec<OrderId>,
}

impl Finding {
    pub(super) fn new(
        subject: Subject,
        kind: Kind,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self {
            subject,
            kind,
            expected: expected.into(),
            found: found.into(),
            orders: Vec::new(),
        }
    }

    pub(super) fn with_orders(self, orders: Vec<OrderId>) -> Self {
        Self { orders, ..self }
    }

    pub(super) fn is_the_same_as(&self, other: &Self) -> bool {
        self.kind == other.kind && self.subject == other.subject
    }

    pub(super) fn told(self, repair: Repair) -> Difference {
        let orders: Vec<String> = self.orders.iter().map(ToString::to_string).collect();
        let place = match (&self.subject, orders.is_empty()) {
            (_, true) | (Subject::Order(_) | Subject::Marker(..), _) => place(&self.subject),
            _ => {
                let word = if orders.len() > 1 { "orders" } else { "order" };
                format!("{}, {word} {}", place(&self.subject), orders.join(" and "))
            }
        };
        Difference {
            what: self.kind.title(),
            place,
            expected: self.expected,
            found: self.found,
            repair,
            advice: self.kind.advice(),
        }
    }
}

/// Whether a difference can be set right without guessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// It was.
    Done,
    /// It can be.
    Possible,
    /// It can be, but what is involved changed just then: nothing was written.
    Moved,
    /// A person has to.
    ByHand,
}

/// Something in the table that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What is wrong, in words for shop staff.
    pub what: &'static str,
    /// Which promotion, order or mail. Never a code's text, an address or a name.
    pub place: String,
    /// What should stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
    /// Whether it can be, or was, set right.
    pub repair: Repair,
    /// What a person does about it.
    advice: &'static str,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): expected {}, found {}. ",
            self.what, self.place, self.expected, self.found
        )?;
        match self.repair {
            Repair::Done => f.write_str("Repaired."),
            Repair::Possible => f.write_str("--repair sets it right."),
            Repair::Moved => f.write_str("It changed during the repair: run it again."),
            Repair::ByHand => write!(f, "By hand: {}.", self.advice),
        }
    }
}

fn place(subject: &Subject) -> String {
    match subject {
        Subject::Promotion(id) | Subject::Batches(id) | Subject::Account(Account::Shards(id)) => {
            format!("promotion {id}")
        }
        Subject::Code(id, serial) => format!("promotion {id}, code number {}", serial.get()),
        Subject::Order(order) => format!("order {order}"),
        Subject::Word(word) => format!("word {}", hinted(word)),
        Subject::Listed(id, word) => format!("promotion {id}, word {}", hinted(word)),
        Subject::Mail(id) => format!("mail {id}"),
        Subject::Marker(order, follow_up) => format!("order {order}, follow-up {follow_up}"),
        Subject::Rule(id, version) => format!("follow-up {id}, version {version}"),
        Subject::Account(Account::Uses(key)) | Subject::Item(key) => place_of_key(key),
    }
}

/// A key in words. People are named by the beginning of their keyed hash, which says nothing to whoever has no key.
fn place_of_key(key: &Key) -> String {
    let mut parts = key.pk.split('#');
    let kind = parts.next().unwrap_or_default();
    let first = parts.next().unwrap_or_default();
    let person = parts
        .next()
        .map(|hash| hash.chars().take(8).collect::<String>());
    let person = person.unwrap_or_default();
    match kind {
        "automatic" => format!("promotion {}, its place among those without a code", key.sk),
        "customer" => format!("promotion {first}, customer {person}…"),
        "word-customer" => format!("word {}, customer {person}…", hinted(first)),
        "word" => format!("word {}", hinted(first)),
        "promotion" => {
            let item = key.sk.split('#').next().unwrap_or_default();
            format!("promotion {first}, its {item}")
        }
        "shard" => format!("promotion {first}, share {person}"),
        "codes" | "thank-you" => {
            let number = key.sk.trim_start_matches('0');
            format!("promotion {first}, code number {number}")
        }
        "order" => format!("order {first}, its {}", key.sk),
        "mail" => format!("mail {first}"),
        "follow-up" | "follow-ups" => format!("{kind} {first} {}", key.sk),
        _ => format!("an item of kind {kind}"),
    }
}

/// Enough of a word to know it by, and too little to use it.
pub(super) fn hinted(word: &str) -> String {
    let start: String = word.chars().take(2).collect();
    format!("{start}… of {} symbols", word.chars().count())
}
