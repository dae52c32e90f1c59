//! Keeps `docs/zoo-cfg.md` in step with the table of keys.
//!
//! The tables of that page are made from the table; this test compares them. `ZKRS_BLESS=1 cargo test -p zkrs-server
//! doc` writes them anew, and the diff is the review.

use std::fmt::Write as _;
use std::path::Path;

use super::keys::{Class, Key, Kind, Read, SECTIONS};

const BEGIN: &str = "<!-- begin: made from server/src/config/keys, do not edit -->\n";
const END: &str = "<!-- end -->\n";

fn render() -> String {
    let mut page = String::new();
    for section in SECTIONS {
        writeln!(page, "\n### {}\n", section.title).expect("a String takes every text");
        page.push_str("| key | values | default | zkrs | meaning |\n|---|---|---|---|---|\n");
        section.keys.iter().for_each(|key| page.push_str(&row(key)));
    }
    page.push('\n');
    page
}

fn row(key: &Key) -> String {
    let mut names = format!("`{}`", key.name);
    for alias in key.aliases {
        write!(names, "<br>`{alias}`").expect("a String takes every text");
    }
    if key.read == Read::Flag {
        names.push_str(" (J)");
    }
    let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
    let cells = [names, values(key.kind), default, class(key), key.meaning.replace('|', "\\|")];
    format!("| {} |\n", cells.join(" | "))
}

fn values(kind: Kind) -> String {
    match kind {
        Kind::Bool => "true, false".to_owned(),
        Kind::YesNo => "yes, no".to_owned(),
        Kind::Int { min, max, .. } if min == max => min.to_string(),
        Kind::Int { unit: "", .. } => "number".to_owned(),
        Kind::Int { unit, .. } => unit.to_owned(),
        Kind::Real { max } => format!("0 to {max}"),
        Kind::Port => "port".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::Host => "host".to_owned(),
        Kind::Choice(words) => words
            .iter()
            .map(|word| if word.is_empty() { "nothing" } else { word })
            .collect::<Vec<_>>()
            .join(", "),
        Kind::List => "words, commas between".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Secret => "secret text".to_owned(),
    }
}

fn class(key: &Key) -> String {
    match key.class {
        Class::Used => "used".to_owned(),
        Class::Peers => "ensembles".to_owned(),
        Class::JavaOnly { instead } => format!("warns: {instead}"),
        Class::Later { what, .. } => format!("not yet: {what}"),
    }
}

#[test]
fn the_page_has_the_tables_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/zoo-cfg.md");
    let page = std::fs::read_to_string(&path).expect("docs/zoo-cfg.md is readable");
    let (before, rest) = page.split_once(BEGIN).expect("the page has the line that begins the tables");
    let (tables, after) = rest.split_once(END).expect("the page has the line that ends the tables");
    if std::env::var_os("ZKRS_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", render()))
            .expect("the page is writable");
        return;
    }
    assert!(tables == render(), "docs/zoo-cfg.md is stale: run ZKRS_BLESS=1 cargo test -p zkrs-server doc");
}
