//! What a checkout sends.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use shared::domain::Fault;
use shared::domain::cart::Cart;
use shared::domain::code::{MAX_TYPED_CHARS, TypedCode};
use shared::domain::identity::{IdentityKey, PersonHash};
use shared::domain::redemption::{Customer, HoldSeconds, MAX_CODES};
use utoipa::ToSchema;

/// Codes and the cart they are for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QuoteRequest)]
pub(crate) struct QuoteBody {
    /// The codes as they were typed; each counts once.
    #[schema(max_items = 10)]
    codes: Vec<String>,
    /// Who is buying, where limits count customers or a code is bound to one.
    customer: Option<Customer>,
    /// The buyer's IPv4 or IPv6 address: who tries too many unknown codes is stopped.
    client_ip: Option<String>,
    /// What they are about to buy.
    cart: Cart,
    /// Whether the answer tells step by step how it came about.
    #[serde(default)]
    pub(crate) explain: bool,
}

/// Codes to use for an order, all or none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RedemptionRequest)]
pub(crate) struct RedemptionBody {
    /// The codes as they were typed; each counts once. None are needed while a promotion is open that applies by itself.
    #[schema(max_items = 10)]
    codes: Vec<String>,
    /// Who is buying, where limits count customers or a code is bound to one.
    customer: Option<Customer>,
    /// The buyer's IPv4 or IPv6 address: who tries too many unknown codes is stopped.
    client_ip: Option<String>,
    /// What they are about to buy.
    cart: Cart,
    /// Only holds the codes, for so long, instead of using them: `confirm` then uses them.
    #[schema(minimum = 1, maximum = 86400)]
    hold_seconds: Option<u32>,
}

/// A request whose every value is within bounds, with each code once.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) codes: Vec<TypedCode>,
    pub(crate) customer: Option<Customer>,
    pub(crate) client_ip: Option<IpAddr>,
    pub(crate) cart: Cart,
    /// How long to hold the order instead of redeeming it at once.
    pub(crate) hold: Option<HoldSeconds>,
}

impl QuoteBody {
    pub(crate) fn check(self) -> Result<Request, Vec<Fault>> {
        check(
            &self.codes,
            self.customer,
            self.client_ip.as_deref(),
            self.cart,
            Vec::new(),
        )
    }
}

impl RedemptionBody {
    pub(crate) fn check(self) -> Result<Request, Vec<Fault>> {
        let mut faults = Vec::new();
        let hold = self.hold_seconds.map(HoldSeconds::try_from);
        let hold = hold.transpose().unwrap_or_else(|error| {
            faults.push(Fault::new("/hold_seconds", error.to_string()));
            None
        });
        let request = check(
            &self.codes,
            self.customer,
            self.client_ip.as_deref(),
            self.cart,
            faults,
        )?;
        Ok(Request { hold, ..request })
    }
}

fn check(
    codes: &[String],
    customer: Option<Customer>,
    client_ip: Option<&str>,
    cart: Cart,
    mut faults: Vec<Fault>,
) -> Result<Request, Vec<Fault>> {
    if codes.len() > MAX_CODES {
        faults.push(Fault::new(
            "/codes",
            format!("a request has at most {MAX_CODES} codes"),
        ));
    }
    for (index, code) in codes.iter().enumerate().take(MAX_CODES) {
        if code.trim().is_empty() || code.chars().count() > MAX_TYPED_CHARS {
            let detail = format!("a code has 1 to {MAX_TYPED_CHARS} characters");
            faults.push(Fault::new(format!("/codes/{index}"), detail));
        }
    }
    if let Some(customer) = &customer {
        faults.extend(customer.faults("/customer"));
    }
    let address = client_ip.map(str::parse::<IpAddr>);
    if let Some(Err(_)) = address {
        faults.push(Fault::new(
            "/client_ip",
            "client_ip is an IPv4 or IPv6 address",
        ));
    }
    faults.extend(cart.faults());
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut once: Vec<TypedCode> = Vec::with_capacity(codes.len());
    for code in codes.iter().map(|code| TypedCode::read(code)) {
        if !once.contains(&code) {
            once.push(code);
        }
    }
    Ok(Request {
        codes: once,
        customer,
        client_ip: address.and_then(Result::ok),
        cart,
        hold: None,
    })
}

/// What makes two requests the same: the set of codes, the customer, the cart and the hold, however they were typed.
#[derive(Serialize)]
struct Canonical<'a> {
    codes: Vec<String>,
    customer: &'a Option<Customer>,
    cart: &'a Cart,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_seconds: Option<HoldSeconds>,
}

impl Request {
    /// The people the customer's identities name; none without a customer.
    pub(crate) fn people(&self, key: &IdentityKey) -> Vec<PersonHash> {
        let Some(customer) = &self.customer else {
            return Vec::new();
        };
        key.people(
            customer.id.as_deref(),
            customer.email.as_deref(),
            customer.phone.as_deref(),
        )
    }

    /// Keyed hash of the request, so that its repetition is known without keeping it.
    pub(crate) fn fingerprint(&self, key: &IdentityKey) -> Result<String, serde_json::Error> {
        let mut codes: Vec<String> = self.codes.iter().map(TypedCode::identity).collect();
        codes.sort_unstable();
        let canonical = Canonical {
            codes,
            customer: &self.customer,
            cart: &self.cart,
            hold_seconds: self.hold,
        };
        Ok(key.fingerprint(&serde_json::to_vec(&canonical)?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn body(change: impl FnOnce(&mut Value)) -> Result<Request, Vec<Fault>> {
        let mut body = json!({
            "codes": ["THX9-7K3M-9QXA-2F4T"],
            "customer": {"email": "hanako@example.jp"},
            "cart": {"currency": "JPY", "lines": [{"sku": "A", "quantity": 1, "unit_price": 1}]},
        });
        change(&mut body);
        serde_json::from_value::<RedemptionBody>(body)
            .unwrap()
            .check()
    }

    #[test]
    fn the_same_codes_typed_another_way_are_the_same_request() {
        let key = IdentityKey::from_secret(b"secret");
        let fingerprint = |codes: Value| {
            body(|body| body["codes"] = codes)
                .unwrap()
                .fingerprint(&key)
                .unwrap()
        };
        let first = fingerprint(json!(["THX9-7K3M-9QXA-2F4T", "HANAKO10"]));
        assert_eq!(
            first,
            fingerprint(json!(["hanako 10", "thx97k3m9qxa2f4t", "HANAKO10"]))
        );
        assert_ne!(first, fingerprint(json!(["HANAKO10"])));
        let held = |seconds: u32| {
            let request = body(|body| body["hold_seconds"] = json!(seconds)).unwrap();
            request.fingerprint(&key).unwrap()
        };
        assert_eq!(held(60), held(60));
        assert_ne!(held(60), held(61));
        assert_ne!(held(60), body(|_| ()).unwrap().fingerprint(&key).unwrap());
        let dearer = body(|body| body["cart"]["lines"][0]["unit_price"] = json!(2)).unwrap();
        assert_ne!(
            body(|_| ()).unwrap().fingerprint(&key).unwrap(),
            dearer.fingerprint(&key).unwrap()
        );
    }

    #[test]
    fn values_out_of_bounds_are_all_pointed_at() {
        let faults = body(|body| {
            body["codes"] = json!(["", "x".repeat(65)]);
            body["customer"] = json!({"phone": ""});
            body["client_ip"] = json!("localhost");
            body["hold_seconds"] = json!(86_401);
            body["cart"]["lines"][0]["quantity"] = json!(0);
        });
        let pointers: Vec<_> = faults
            .unwrap_err()
            .into_iter()
            .map(|fault| fault.pointer)
            .collect();
        let expected = [
            "/hold_seconds",
            "/codes/0",
            "/codes/1",
            "/customer/phone",
            "/client_ip",
            "/cart/lines/0/quantity",
        ];
        assert_eq!(pointers, expected);
        let eleven: Vec<_> = (0..11).map(|number| format!("WORD{number}")).collect();
        assert!(body(|body| body["codes"] = json!(eleven)).is_err());
        assert!(body(|body| body["codes"] = json!([])).is_ok());
        assert!(body(|body| body["hold_seconds"] = json!(0)).is_err());
        assert!(body(|body| body["hold_seconds"] = json!(86_400)).is_ok());
    }
}
