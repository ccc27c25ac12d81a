//! Every built-in mail: both kinds in both languages, for each kind of offer, to all sorts of readers from all sorts of
//! shops. The example `mail` writes them into files, to be looked at.

use std::error::Error;

use shared::domain::code::{CodeKey, PromotionId, SealedCode, Serial};
use shared::domain::follow_up::Sender;
use shared::domain::order::OrderId;
use shared::mailer::template::reminders;
use shared::mailer::{MailInput, Offer, Reason, RenderedMail, render};

/// Offers by name: promotion terms without their name.
pub(crate) const OFFERS: [(&str, &str); 7] = [
    (
        "percent",
        r#""currency":"JPY","benefit":{"type":"percent_off","percent":10,"max_discount":3000},"products":{"include":["x"]},"minimum":{"subtotal":3000,"quantity":2}"#,
    ),
    (
        "yen",
        r#""currency":"JPY","combinability":"unrestricted","benefit":{"type":"amount_off","amount":500}"#,
    ),
    (
        "dollars",
        r#""currency":"USD","benefit":{"type":"amount_off","amount":123456789},"minimum":{"subtotal":9876543210}"#,
    ),
    (
        "shipping",
        r#""currency":"JPY","benefit":{"type":"free_shipping"},"minimum":{"subtotal":5000}"#,
    ),
    (
        "tiers",
        r#""currency":"JPY","benefit":{"type":"tiered_percent_off","tiers":[{"min_subtotal":5000,"percent":5},{"min_subtotal":9000,"percent":12.75}]}"#,
    ),
    (
        "sets",
        r#""currency":"JPY","benefit":{"type":"buy_x_get_y","buy":2,"get":1,"percent":100},"products":{"exclude":["x"]}"#,
    ),
    (
        "part-sets",
        r#""currency":"JPY","benefit":{"type":"buy_x_get_y","buy":12,"get":10,"percent":33.33},"minimum":{"quantity":22}"#,
    ),
];

/// Who reads a mail, and from whom it comes.
#[derive(Clone, Copy)]
pub(crate) struct Situation {
    name: &'static str,
    customer: Option<&'static str>,
    shop: &'static str,
    bound: bool,
    expires_at: &'static str,
}

/// A buyer who gave a name.
pub(crate) const NAMED: Situation = Situation {
    name: "named",
    customer: Some("花子"),
    shop: "はなこ商店",
    bound: false,
    expires_at: "2026-12-25T15:00:00Z",
};

const SITUATIONS: [Situation; 12] = [
    NAMED,
    Situation {
        name: "nameless",
        customer: None,
        ..NAMED
    },
    Situation {
        name: "bound",
        bound: true,
        ..NAMED
    },
    Situation {
        name: "tomorrow",
        expires_at: "2026-11-23T15:00:00Z",
        ..NAMED
    },
    Situation {
        name: "long",
        customer: Some(
            "寿限無寿限無五劫の擦り切れ海砂利水魚の水行末雲来末風来末食う寝る処に住む処",
        ),
        shop: "お茶とお菓子と暮らしの道具を全国の窯元や農家からまっすぐお届けする専門店はなこ商店オンラインストア東京本店",
        bound: true,
        ..NAMED
    },
    Situation {
        name: "unbroken",
        customer: Some("Wolfeschlegelsteinhausenbergerdorffwelch"),
        shop: "TheTeaAndConfectioneryAndHouseholdGoodsCompanyOfGreaterTokyoAndSurroundings",
        ..NAMED
    },
    Situation {
        name: "markup",
        customer: Some("<b>花子</b>"),
        shop: "<b>Tea</b> & \"Co\"",
        ..NAMED
    },
    Situation {
        name: "variable",
        customer: Some("{{ code }}{% x %}"),
        shop: "{{ code }}",
        ..NAMED
    },
    Situation {
        name: "lines",
        customer: Some("花子\r\nBcc: a\nb"),
        shop: "はなこ\r\nBcc: a",
        ..NAMED
    },
    Situation {
        name: "turned",
        customer: Some("\u{202e}花子\u{2066}"),
        shop: "\u{202e}はなこ商店",
        ..NAMED
    },
    Situation {
        name: "link",
        customer: Some("http://evil.example"),
        ..NAMED
    },
    Situation {
        name: "emoji",
        customer: Some("花子🌸"),
        shop: "🍵はなこ商店🍡",
        ..NAMED
    },
];

/// One built-in mail to one reader.
#[derive(Clone)]
pub(crate) struct Case {
    /// `<thank-you|reminder>-<ja|en>-<offer>-<situation>`.
    pub(crate) name: String,
    pub(crate) language: &'static str,
    pub(crate) customer: Option<&'static str>,
    pub(crate) shop: &'static str,
    pub(crate) mail: RenderedMail,
}

/// The code of all of them.
pub(crate) fn code() -> Result<SealedCode, Box<dyn Error>> {
    let promotion = PromotionId::try_from("THX9".to_owned())?;
    let key = CodeKey::derive(&[7; 32], &[9; 16], promotion, 1);
    Ok(key.seal(Serial::try_from(Serial::BATCH_END)?))
}

/// The legal sender of all of them.
pub(crate) fn sender() -> Sender {
    Sender {
        name: "株式会社はなこ商店".to_owned(),
        address: "〒100-0001 東京都千代田区千代田1-1".to_owned(),
        contact: "help@shop.example".to_owned(),
    }
}

/// The way out of all of them, as long as real ones.
pub(crate) const UNSUBSCRIBE: &str = "https://promo.shop.example/u/u1.MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI.1S-YKsNnNUGnefi0aalrFMzwSHO4_R-iXPvzSpx55KI";
/// Where all of them lead.
pub(crate) const SHOP_URL: &str = "https://shop.example/";

/// All of them.
pub(crate) fn all() -> Result<Vec<Case>, Box<dyn Error>> {
    let mut cases = Vec::new();
    for reminder in [false, true] {
        for language in ["ja", "en"] {
            for offer in OFFERS {
                for situation in SITUATIONS {
                    cases.push(case(reminder, language, offer, situation)?);
                }
            }
        }
    }
    Ok(cases)
}

/// One of them.
pub(crate) fn case(
    reminder: bool,
    language: &'static str,
    (offer_name, terms): (&str, &str),
    situation: Situation,
) -> Result<Case, Box<dyn Error>> {
    let terms = serde_json::from_str(&format!(r#"{{"name":"x",{terms}}}"#))?;
    let templates = reminder.then(reminders);
    let mail = render(&MailInput {
        locale: Some(language),
        templates: templates.as_ref(),
        code: &code()?,
        offer: &Offer::of(&terms),
        bound: situation.bound,
        code_expires_at: situation.expires_at.parse()?,
        zone: chrono_tz::Asia::Tokyo,
        customer_name: situation.customer,
        order_id: &OrderId::try_from("1001".to_owned())?,
        shop_name: situation.shop,
        shop_url: SHOP_URL,
        unsubscribe_url: UNSUBSCRIBE,
        sender: &sender(),
        reason: if reminder {
            Reason::Bought
        } else {
            Reason::Consented
        },
    })?;
    let kind = if reminder { "reminder" } else { "thank-you" };
    Ok(Case {
        name: format!("{kind}-{language}-{offer_name}-{}", situation.name),
        language,
        customer: situation.customer,
        shop: situation.shop,
        mail,
    })
}
