//! Sums by name, as statistics and results keep them, and what one thing adds to a row of them.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Neg};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A struct of sums, as [`figures!`] declares it.
pub trait Named: Copy + Default + PartialEq + AddAssign + Neg<Output = Self> {
    /// The update that adds the value `:name` to the attribute of each name, and `:one` to `changes`, by which whoever reads a row
    /// twice knows whether it was written in between.
    const ADD: &'static str;

    /// Each figure by its name.
    fn parts(&self) -> Vec<(&'static str, i128)>;

    /// The figures that `named` knows by these names.
    fn from_parts(named: impl Fn(&str) -> i128) -> Self;

    /// Whether it changes nothing.
    fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

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

        impl $crate::domain::figures::Named for $name {
            const ADD: &'static str = concat!(
                "ADD ",
                $(stringify!($field), " :", stringify!($field), ", ",)+
                "changes :one"
            );

            fn parts(&self) -> Vec<(&'static str, i128)> {
                vec![$((stringify!($field), self.$field)),+]
            }

            fn from_parts(named: impl Fn(&str) -> i128) -> Self {
                Self { $($field: named(stringify!($field))),+ }
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
                $crate::domain::figures::write_parts(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::domain::figures::read_parts(deserializer)
            }
        }
    };
}

pub(super) use figures;

/// Writes the figures that are not zero. One order adds at most 10^18 to any, the largest amount.
pub(super) fn write_parts<S: Serializer>(
    figures: &impl Named,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let parts = figures.parts().into_iter();
    let parts = parts.filter(|(_, value)| *value != 0);
    serializer
        .collect_map(parts.map(|(name, value)| (name, i64::try_from(value).unwrap_or(i64::MAX))))
}

/// Reads what [`write_parts`] wrote; what is missing is zero.
pub(super) fn read_parts<'de, D: Deserializer<'de>, F: Named>(
    deserializer: D,
) -> Result<F, D::Error> {
    let parts = BTreeMap::<String, i64>::deserialize(deserializer)?;
    Ok(F::from_parts(|name| {
        parts.get(name).copied().map_or(0, i128::from)
    }))
}

/// What something adds to one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share<R, F> {
    /// To which.
    pub row: R,
    /// What.
    pub figures: F,
}

/// How sums change where `before` was added and `after` is to be; also sums to which the difference is nothing, since what is added
/// to a row changes with it.
pub fn difference<R: Clone + Ord, F: Named>(
    before: &[Share<R, F>],
    after: &[Share<R, F>],
) -> BTreeMap<R, F> {
    let mut rows: BTreeMap<R, F> = BTreeMap::new();
    for share in before.iter().filter(|share| !after.contains(share)) {
        *rows.entry(share.row.clone()).or_default() += -share.figures;
    }
    for share in after.iter().filter(|share| !before.contains(share)) {
        *rows.entry(share.row.clone()).or_default() += share.figures;
    }
    rows
}

/// One share for each row.
pub fn merged<R: Ord, F: Named>(shares: Vec<Share<R, F>>) -> Vec<Share<R, F>> {
    let mut rows: BTreeMap<R, F> = BTreeMap::new();
    for share in shares {
        *rows.entry(share.row).or_default() += share.figures;
    }
    let shares = rows.into_iter();
    shares
        .map(|(row, figures)| Share { row, figures })
        .collect()
}
