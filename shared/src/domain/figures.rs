//! Structs whose fields are sums, by name: what statistics and results keep.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serializer};

/// Declares a struct of sums (`i128`): each by its name, added, negated, and written and read without those that are zero.
///
/// 2^127 is more than 10^20 of the largest amounts, so that saturation is never met.
macro_rules! figures {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$of:meta])* pub $field:ident,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$of])* pub $field: i128,)+
        }

        impl $name {
            /// Number of figures.
            pub const COUNT: usize = [$(stringify!($field)),+].len();

            /// Each figure by its name.
            pub fn parts(&self) -> [(&'static str, i128); Self::COUNT] {
                [$((stringify!($field), self.$field)),+]
            }

            /// The figures that `named` knows by these names.
            pub fn from_parts(named: impl Fn(&str) -> i128) -> Self {
                Self { $($field: named(stringify!($field))),+ }
            }

            /// Whether it changes nothing.
            pub fn is_zero(&self) -> bool {
                *self == Self::default()
            }
        }

        impl std::ops::AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                $(self.$field = self.$field.saturating_add(other.$field);)+
            }
        }

        impl std::ops::Neg for $name {
            type Output = Self;

            fn neg(self) -> Self {
                Self { $($field: self.$field.saturating_neg()),+ }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::domain::figures::write_parts(&self.parts(), serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self::from_parts($crate::domain::figures::read_parts(deserializer)?))
            }
        }
    };
}

pub(super) use figures;

/// Writes the figures that are not zero. One order adds at most 10^18 to any, the largest amount.
pub(super) fn write_parts<S: Serializer>(
    parts: &[(&'static str, i128)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let parts = parts.iter().filter(|(_, value)| *value != 0);
    serializer
        .collect_map(parts.map(|(name, value)| (name, i64::try_from(*value).unwrap_or(i64::MAX))))
}

/// Reads what [`write_parts`] wrote; what is missing is zero.
pub(super) fn read_parts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<impl Fn(&str) -> i128, D::Error> {
    let parts = BTreeMap::<String, i64>::deserialize(deserializer)?;
    Ok(move |name: &str| parts.get(name).copied().map_or(0, i128::from))
}
