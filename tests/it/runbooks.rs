//! `docs/operations.md` against the template and the command: no alarm without a runbook, no command that does not exist.

use std::collections::BTreeSet;

use clap::Parser as _;
use clap::error::ErrorKind;
use integration::policies::template;
use okaeri::Args;

use crate::template::{resources, root};

fn operations() -> String {
    std::fs::read_to_string(root().join("docs/operations.md")).unwrap()
}

/// Headings as links name them. Source: GitHub's anchors.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    headings
        .map(|heading| {
            let kept = heading
                .chars()
                .filter(|symbol| symbol.is_alphanumeric() || " -".contains(*symbol));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_alarm_of_the_template_has_a_runbook_and_no_other_is_named() {
    let text = operations();
    let anchors = anchors(&text);
    let alarms: BTreeSet<String> = resources(&template(), "AWS::CloudWatch::Alarm")
        .into_keys()
        .collect();
    let mut told = BTreeSet::new();
    let rows = text.lines().skip_while(|line| *line != "## Alarms");
    let rows = rows.filter(|line| line.starts_with("| `"));
    for row in rows.take_while(|row| row.contains("](#")) {
        let (names, link) = row.split_once("](#").unwrap();
        let anchor = link.split(')').next().unwrap();
        assert!(anchors.contains(anchor), "{anchor}");
        let names = names.split('`').skip(1).step_by(2).map(str::to_owned);
        told.extend(names);
    }
    assert_eq!(told, alarms);
}

#[test]
fn every_link_and_every_part_the_doctor_names_is_there() {
    let text = operations();
    let anchors = anchors(&text);
    for link in text.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        assert!(anchors.contains(anchor), "{anchor}");
    }
    let mut named = 0;
    for file in std::fs::read_dir(root().join("cli/src/deployed")).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for part in source.split("docs/operations.md, \\\"").skip(1) {
            let heading = part.split("\\\"").next().unwrap();
            assert!(text.contains(&format!("## {heading}\n")), "{heading}");
            named += 1;
        }
    }
    assert!(named > 5);
}

/// Splits a line as a shell does that knows double quotes alone; what is substituted counts as one word.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut depth = 0_usize;
    let mut open = false;
    for symbol in line.chars() {
        match symbol {
            '(' => depth += 1,
            ')' => depth -= 1,
            '"' if depth == 0 => quoted = !quoted,
            ' ' if !quoted && depth == 0 => {
                if open {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
                continue;
            }
            _ => {}
        }
        if symbol != '"' || depth > 0 {
            word.push(symbol);
        }
        open = true;
    }
    words.push(word);
    words
}

#[test]
fn every_command_of_ours_exists_as_it_is_written() {
    let text = operations();
    let (mut whole, mut mentioned, mut in_block) = (0, 0, false);
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block && line.starts_with("okaeri ") {
            let parsed = Args::try_parse_from(words(line));
            assert!(parsed.is_ok(), "{line}\n{}", parsed.unwrap_err());
            whole += 1;
        }
        let spans = line.split('`').skip(1).step_by(2);
        for span in spans.filter(|_| !in_block) {
            // What is mentioned in passing may leave out what it needs.
            if let Some(rest) = span.strip_prefix("okaeri ")
                && let Err(error) = Args::try_parse_from(words(span))
            {
                let only_less = [
                    ErrorKind::MissingRequiredArgument,
                    ErrorKind::InvalidValue,
                    ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                ];
                assert!(only_less.contains(&error.kind()), "{rest}: {error}");
            }
            mentioned += usize::from(span.starts_with("okaeri "));
        }
    }
    assert!(whole > 15 && mentioned > 5, "{whole} {mentioned}");
}

#[test]
fn every_output_and_resource_that_a_runbook_asks_for_is_in_the_template() {
    let (text, template) = (operations(), template());
    for (call, section) in [("$(out ", "Outputs"), ("$(res ", "Resources")] {
        for rest in text.split(call).skip(1) {
            let name = rest.split(')').next().unwrap();
            if !name.starts_with('$') {
                assert!(!template[section][name].is_null(), "{name}");
            }
        }
    }
}
