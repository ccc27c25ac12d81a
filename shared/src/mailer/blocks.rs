//! From one text to two parts: the text wrapped for plain readers, and the blocks the HTML layout draws.

/// Widest line of a text part, in half-width columns (36 full-width characters). Source: ux.md §3.
const MAX_COLUMNS: usize = 72;
/// Fewest hyphens that make a line a rule.
const RULE_HYPHENS: usize = 4;

/// What the lines of a mail mean. A line above a code or link that ends in a colon is its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Lines of one paragraph.
    Paragraph(Vec<String>),
    /// The code stands alone on its line.
    Code { label: String },
    /// The way to the shop stands alone on its line: the one button.
    Button { label: String },
    /// The unsubscribe link stands alone on its line.
    Unsubscribe { label: String },
    /// A line of hyphens.
    Rule,
}

/// Lines that mean something when they stand alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks<'a> {
    pub(super) code: &'a str,
    pub(super) shop_url: &'a str,
    pub(super) unsubscribe_url: &'a str,
}

/// Reads `text`: paragraphs are separated by empty lines.
pub(super) fn read(text: &str, marks: Marks<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(mut block) = special(line, marks) {
            if let Some(label) = block.label() {
                *label = pop_label(&mut lines);
            }
            flush(&mut blocks, &mut lines);
            blocks.push(block);
        } else if line.is_empty() {
            flush(&mut blocks, &mut lines);
        } else {
            lines.push(line.to_owned());
        }
    }
    flush(&mut blocks, &mut lines);
    blocks
}

impl Block {
    fn label(&mut self) -> Option<&mut String> {
        match self {
            Self::Code { label } | Self::Button { label } | Self::Unsubscribe { label } => {
                Some(label)
            }
            Self::Paragraph(_) | Self::Rule => None,
        }
    }
}

fn special(line: &str, marks: Marks<'_>) -> Option<Block> {
    let label = String::new();
    if line == marks.code {
        Some(Block::Code { label })
    } else if line == marks.shop_url {
        Some(Block::Button { label })
    } else if line == marks.unsubscribe_url {
        Some(Block::Unsubscribe { label })
    } else if line.len() >= RULE_HYPHENS && line.bytes().all(|byte| byte == b'-') {
        Some(Block::Rule)
    } else {
        None
    }
}

/// Takes the last line as a label, without its colon, if it has one.
fn pop_label(lines: &mut Vec<String>) -> String {
    lines
        .pop_if(|line| line.ends_with([':', '：']))
        .map(|line| line.trim_end_matches([':', '：', ' ']).to_owned())
        .unwrap_or_default()
}

fn flush(blocks: &mut Vec<Block>, lines: &mut Vec<String>) {
    if !lines.is_empty() {
        blocks.push(Block::Paragraph(std::mem::take(lines)));
    }
}

/// Breaks lines of more than [`MAX_COLUMNS`]: at spaces, and between full-width characters where Japanese allows it. Lines
/// with a URL stay whole, so that it can be followed; runs of more than one empty line become one.
pub(super) fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + 64);
    let mut empty = 0;
    for line in text.trim().lines().map(str::trim_end) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty > 1 {
            continue;
        }
        if line.contains("://") {
            wrapped.push_str(line);
        } else {
            wrap_line(line, &mut wrapped);
        }
        wrapped.push('\n');
    }
    wrapped
}

fn wrap_line(line: &str, wrapped: &mut String) {
    let mut columns = 0;
    for word in words(line) {
        let width = word.trim_end().chars().map(columns_of).sum::<usize>();
        if columns > 0 && columns + width > MAX_COLUMNS {
            wrapped.truncate(wrapped.trim_end_matches(' ').len());
            wrapped.push('\n');
            columns = 0;
        }
        wrapped.push_str(word);
        columns += word.chars().map(columns_of).sum::<usize>();
    }
}

/// Parts of a line between which it may break; each keeps its trailing spaces.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let mut symbols = rest.char_indices().peekable();
        let mut end = rest.len();
        while let Some((_, symbol)) = symbols.next() {
            if let Some((next_at, next)) = symbols.peek()
                && may_break(symbol, *next)
            {
                end = *next_at;
                break;
            }
        }
        let (word, after) = rest.split_at_checked(end)?;
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// A small part of the Japanese rules: nothing that closes starts a line, nothing that opens ends one.
fn may_break(before: char, after: char) -> bool {
    if before == ' ' {
        return after != ' ';
    }
    let wide = columns_of(before) == 2 || columns_of(after) == 2;
    let closes = "、。，．：；！？）」』】ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々,.:;!?)% ";
    wide && !closes.contains(after) && !"（「『【(".contains(before)
}

/// Columns a character takes in a fixed-width font: two from the Hangul and CJK blocks on, half-width kana apart.
fn columns_of(symbol: char) -> usize {
    let wide = matches!(symbol,
        '\u{1100}'..='\u{115F}'
        | '\u{2E80}'..='\u{A4CF}'
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FE30}'..='\u{FE6F}'
        | '\u{FF00}'..='\u{FF60}'
        | '\u{FFE0}'..='\u{FFE6}'
        | '\u{1F300}'..='\u{3FFFD}');
    if wide { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARKS: Marks<'_> = Marks {
        code: "AAAA-BBBB",
        shop_url: "https://shop.example/#AAAA-BBBB",
        unsubscribe_url: "https://promo.example/u/x",
    };

    #[test]
    fn lines_that_stand_alone_become_code_button_and_link_labelled_by_the_line_above() {
        let text = "Hello\nagain\n\nYour code:\nAAAA-BBBB\nIt is AAAA-BBBB\nお買い物へ：\nhttps://shop.example/#AAAA-BBBB\n----\nhttps://promo.example/u/x";
        let paragraph =
            |lines: &[&str]| Block::Paragraph(lines.iter().map(|&line| line.to_owned()).collect());
        let expected = [
            paragraph(&["Hello", "again"]),
            Block::Code {
                label: "Your code".to_owned(),
            },
            paragraph(&["It is AAAA-BBBB"]),
            Block::Button {
                label: "お買い物へ".to_owned(),
            },
            Block::Rule,
            Block::Unsubscribe {
                label: String::new(),
            },
        ];
        assert_eq!(read(text, MARKS), expected);
    }

    #[test]
    fn long_japanese_lines_break_within_36_characters_and_never_before_a_full_stop() {
        let line = "あ".repeat(36) + "。" + &"い".repeat(40);
        for line in wrap(&line).lines() {
            assert!(
                line.chars().count() <= 36 && !line.starts_with('。'),
                "{line}"
            );
        }
    }

    #[test]
    fn links_stay_whole() {
        let line = format!("see https://shop.example/{}", "x ".repeat(60).trim_end());
        assert_eq!(wrap(&line), format!("{line}\n"));
    }

    proptest! {
        #[test]
        fn wrapping_changes_nothing_but_white_space(text in "[a-c あ。（:\n-]{0,300}") {
            let bare = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(bare(&wrap(&text)), bare(&text));
        }
    }
}
