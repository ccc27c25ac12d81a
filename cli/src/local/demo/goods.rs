//! What the made-up tea shop sells, and to whom. Nobody of these exists; addresses are under domains that belong to nobody
//! (RFC 2606 and its Japanese counterpart), or SES's mailbox simulator.

/// An article: what it is known by, and its price in yen.
pub(super) type Article = (&'static str, u64);

/// Teas, of which two buy a third in one of the promotions.
pub(super) const TEAS: [Article; 8] = [
    ("SENCHA-UJI-100", 1_280),
    ("GYOKURO-YAME-50", 2_480),
    ("HOJICHA-KAGA-200", 980),
    ("MATCHA-UJI-30", 1_980),
    ("GENMAICHA-200", 880),
    ("WAKOCHA-100", 1_380),
    ("KABUSE-ISE-100", 1_580),
    ("KUKICHA-100", 780),
];
/// What goes with tea.
pub(super) const WARES: [Article; 6] = [
    ("KYUSU-TOKONAME", 4_800),
    ("YUNOMI-ARITA", 1_500),
    ("CHASEN-TAKAYAMA", 2_200),
    ("CHAZUTSU-KABA", 3_600),
    ("YOKAN-MATCHA", 1_650),
    ("GIFT-SHIKI", 5_400),
];
/// What sending costs, in yen …
pub(super) const SHIPPING: u64 = 500;
/// … below this much.
pub(super) const SENT_FREE_FROM: u64 = 8_000;

/// First names with how they are spelt in an address.
pub(super) const JAPANESE: [(&str, &str); 24] = [
    ("花子", "hanako"),
    ("健太", "kenta"),
    ("美咲", "misaki"),
    ("翔", "sho"),
    ("さくら", "sakura"),
    ("大輔", "daisuke"),
    ("陽子", "yoko"),
    ("直樹", "naoki"),
    ("結衣", "yui"),
    ("拓海", "takumi"),
    ("由美", "yumi"),
    ("誠", "makoto"),
    ("千尋", "chihiro"),
    ("悠斗", "yuto"),
    ("真由美", "mayumi"),
    ("亮", "ryo"),
    ("香織", "kaori"),
    ("浩二", "koji"),
    ("葵", "aoi"),
    ("修平", "shuhei"),
    ("恵", "megumi"),
    ("悟", "satoru"),
    ("彩", "aya"),
    ("隆", "takashi"),
];
/// The same of buyers who read English.
pub(super) const ENGLISH: [(&str, &str); 12] = [
    ("Emma", "emma"),
    ("James", "james"),
    ("Olivia", "olivia"),
    ("Noah", "noah"),
    ("Aisha", "aisha"),
    ("Lucas", "lucas"),
    ("Chloé", "chloe"),
    ("Daniel", "daniel"),
    ("Priya", "priya"),
    ("Tom", "tom"),
    ("Sofia", "sofia"),
    ("Ben", "ben"),
];
/// Family names, as they are spelt in an address.
pub(super) const FAMILIES: [&str; 16] = [
    "sato",
    "suzuki",
    "takahashi",
    "tanaka",
    "watanabe",
    "ito",
    "yamamoto",
    "nakamura",
    "kobayashi",
    "kato",
    "yoshida",
    "yamada",
    "sasaki",
    "matsumoto",
    "inoue",
    "kimura",
];
/// The same of the others.
pub(super) const FOREIGN_FAMILIES: [&str; 10] = [
    "smith", "brown", "wilson", "martin", "khan", "garcia", "dubois", "lee", "patel", "novak",
];
/// Where Japanese buyers read their mail, and how many of ten …
pub(super) const JAPANESE_DOMAINS: [(&str, usize); 3] =
    [("example.jp", 6), ("example.com", 3), ("example.org", 1)];
/// … and the others.
pub(super) const DOMAINS: [(&str, usize); 2] = [("example.com", 7), ("example.org", 3)];
