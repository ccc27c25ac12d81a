//! The item that holds a promotion: as its fields are written, but what is long in the compact form.
//!
//! The salt is bytes, and each list of SKUs one text with a line for each. As a list of attributes thousands of SKUs take the table
//! and its readers most of their time, and a salt nearly half of a small promotion's.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Item, StoreError, keys, read, write};
use crate::domain::promotion::Promotion;

/// Where lists of SKUs are within the terms.
const LISTS: [(&str, &str); 3] = [
    ("products", "include"),
    ("products", "exclude"),
    ("benefit", "get_products"),
];

/// The item of a promotion.
pub(super) fn item_of(promotion: &Promotion) -> Result<Item, StoreError> {
    let mut item = write(&keys::terms(&promotion.id), promotion)?;
    let salt = AttributeValue::B(Blob::new(promotion.salt));
    item.insert("salt".to_owned(), salt);
    for_each_list(&mut item, |list| {
        if let AttributeValue::L(skus) = list {
            let skus: Vec<&str> = skus
                .iter()
                .filter_map(|sku| sku.as_s().ok().map(String::as_str))
                .collect();
            // No SKU has a control character.
            *list = AttributeValue::S(skus.join("\n"));
        }
    });
    Ok(item)
}

/// The promotion that an item holds.
pub(super) fn promotion_of(mut item: Item) -> Result<Promotion, StoreError> {
    if let Some(salt) = item.get_mut("salt")
        && let AttributeValue::B(bytes) = salt
    {
        let bytes = bytes.as_ref().iter();
        let numbers = bytes.map(|byte| AttributeValue::N(byte.to_string()));
        *salt = AttributeValue::L(numbers.collect());
    }
    for_each_list(&mut item, |list| {
        if let AttributeValue::S(text) = list {
            let skus = text.lines().map(|sku| AttributeValue::S(sku.to_owned()));
            *list = AttributeValue::L(skus.collect());
        }
    });
    read(item)
}

fn for_each_list(item: &mut Item, change: impl Fn(&mut AttributeValue)) {
    let Some(AttributeValue::M(terms)) = item.get_mut("terms") else {
        return;
    };
    for (part, name) in LISTS {
        if let Some(AttributeValue::M(part)) = terms.get_mut(part)
            && let Some(list) = part.get_mut(name)
        {
            change(list);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::promotion::tests::promotion;

    #[test]
    fn a_promotion_comes_back_as_it_was_from_attributes_as_few_as_can_be() {
        let skus: Vec<String> = (0..4_000).map(|number| format!("茶 {number}")).collect();
        let sets =
            json!({"type": "buy_x_get_y", "buy": 2, "get": 1, "percent": 50, "get_products": skus});
        for terms in [
            json!({}),
            json!({"products": {"include": skus, "exclude": []}, "benefit": sets}),
            json!({"products": {"exclude": ["A"]}}),
        ] {
            let mut promotion = promotion("THX9", &terms);
            promotion.salt = std::array::from_fn(|place| u8::try_from(255 - place).unwrap());
            let item = item_of(&promotion).unwrap();
            let attributes: usize = item.values().map(attributes).sum();
            assert!(attributes < 30, "{attributes}");
            assert_eq!(promotion_of(item).unwrap(), promotion);
        }
    }

    fn attributes(value: &AttributeValue) -> usize {
        let inner: usize = match value {
            AttributeValue::L(list) => list.iter().map(attributes).sum(),
            AttributeValue::M(map) => map.values().map(attributes).sum(),
            _ => 0,
        };
        inner + 1
    }

    /// As items were before they were compact.
    #[test]
    fn lists_of_attributes_are_read_too() {
        let promotion = promotion("THX9", &json!({"products": {"include": ["A", "B"]}}));
        let item = write(&keys::terms(&promotion.id), &promotion).unwrap();
        assert_eq!(promotion_of(item).unwrap(), promotion);
    }
}
