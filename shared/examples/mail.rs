//! Writes sample mails into a directory, to be looked at: `cargo run -p shared --example mail -- DIR`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use shared::domain::code::{CodeKey, PromotionId, Serial};
use shared::domain::follow_up::{Sender, Template};
use shared::domain::order::OrderId;
use shared::mailer::template::reminders;
use shared::mailer::{MailInput, Offer, Reason, render};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: mail DIRECTORY")?;
    let long = "<b>とても長い名前の花子さんですがこれでも四十文字までしか入りません</b>";
    let full = offer(
        r#"{"name":"x","currency":"JPY","benefit":{"type":"percent_off","percent":10,"max_discount":3000},
        "products":{"include":["x"]},"minimum":{"subtotal":3000}}"#,
    )?;
    let plain = offer(
        r#"{"name":"x","currency":"JPY","combinability":"unrestricted","benefit":{"type":"amount_off","amount":500}}"#,
    )?;
    for locale in ["ja", "en"] {
        for (case, offer, name) in [
            ("full", &full, Some("花子")),
            ("plain", &plain, None),
            ("long", &full, Some(long)),
        ] {
            let file = Path::new(&directory).join(format!("mail-{locale}-{case}"));
            write(&file, locale, offer, name, None)?;
            let file = Path::new(&directory).join(format!("reminder-{locale}-{case}"));
            write(&file, locale, offer, name, Some(&reminders()))?;
        }
    }
    Ok(())
}

fn offer(terms: &str) -> Result<Offer, Box<dyn Error>> {
    Ok(Offer::of(&serde_json::from_str(terms)?))
}

fn write(
    file: &Path,
    locale: &str,
    offer: &Offer,
    name: Option<&str>,
    templates: Option<&BTreeMap<String, Template>>,
) -> Result<(), Box<dyn Error>> {
    let code = CodeKey::derive(
        &[7; 32],
        &[9; 16],
        PromotionId::try_from("THX9".to_owned())?,
        1,
    )
    .seal(Serial::try_from(Serial::BATCH_END)?);
    let order_id = OrderId::try_from("1001".to_owned())?;
    let sender = Sender {
        name: "株式会社はなこ商店".to_owned(),
        address: "〒100-0001 東京都千代田区千代田1-1".to_owned(),
        contact: "help@shop.example".to_owned(),
    };
    let mail = render(&MailInput {
        locale: Some(locale),
        templates,
        code: &code,
        offer,
        code_expires_at: "2026-12-25T15:00:00Z".parse()?,
        zone: chrono_tz::Asia::Tokyo,
        customer_name: name,
        order_id: &order_id,
        shop_name: "はなこ商店",
        shop_url: "https://shop.example/",
        unsubscribe_url: "https://promo.shop.example/u/u1.MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI.1S-YKsNnNUGnefi0aalrFMzwSHO4_R-iXPvzSpx55KI",
        sender: &sender,
        reason: Reason::Consented,
    })?;
    std::fs::write(file.with_extension("html"), mail.html)?;
    let text = format!("Subject: {}\n\n{}", mail.subject, mail.text);
    std::fs::write(file.with_extension("txt"), text)?;
    Ok(())
}
