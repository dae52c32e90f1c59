//! The flags of zkCli's commands, read as Apache Commons CLI's `DefaultParser` reads them.
//!
//! Scripts depend on its habits: flags may stand anywhere, `-v5`, `-v=5` and `-v 5` are one thing, `-sw` is two
//! flags, `--` ends them, a negative number is no flag, and errors name Commons CLI's exceptions. Source: the
//! behaviour of commons-cli 1.5.0 as zkCli 3.9.5 uses it (no long options, no properties).

use std::fmt;

/// One flag: its letters, whether a value follows, and its line in a usage text.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    pub name: &'static str,
    pub takes_value: bool,
    pub about: &'static str,
}

impl Flag {
    pub const fn switch(name: &'static str, about: &'static str) -> Self {
        Self { name, takes_value: false, about }
    }

    pub const fn valued(name: &'static str, about: &'static str) -> Self {
        Self { name, takes_value: true, about }
    }
}

/// How a command's flags go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// Any of them.
    Freely,
    /// At most one of them.
    OneAtMost,
    /// Exactly one of them.
    OneOf,
}

/// The flags that a command knows.
#[derive(Debug, Clone, Copy)]
pub struct Grammar {
    pub flags: &'static [Flag],
    pub together: Together,
}

/// A command line taken apart: the words that are no flags (the command's name first), and the flags.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Words {
    pub words: Vec<String>,
    flags: Vec<(&'static str, Option<String>)>,
}

impl Words {
    pub fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(flag, _)| *flag == name)
    }

    /// The value of the first use of the flag.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.flags.iter().filter(|(flag, _)| *flag == name).find_map(|(_, value)| value.as_deref())
    }
}

/// Why the flags make no sense; displayed as zkCli shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagError {
    Unrecognized(String),
    MissingArgument(&'static str),
    MissingOption(String),
    AlreadySelected { now: &'static str, before: &'static str },
}

impl fmt::Display for FlagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("org.apache.commons.cli.")?;
        match self {
            Self::Unrecognized(token) => {
                write!(f, "UnrecognizedOptionException: Unrecognized option: {token}")
            }
            Self::MissingArgument(name) => {
                write!(f, "MissingArgumentException: Missing argument for option: {name}")
            }
            Self::MissingOption(group) => {
                write!(f, "MissingOptionException: Missing required option: {group}")
            }
            Self::AlreadySelected { now, before } => write!(
                f,
                "AlreadySelectedException: The option '{now}' was specified but an option from this group has \
                 already been selected: '{before}'"
            ),
        }
    }
}

impl Grammar {
    pub const fn of(flags: &'static [Flag]) -> Self {
        Self { flags, together: Together::Freely }
    }

    /// Takes a command line apart.
    ///
    /// # Errors
    /// [`FlagError`] at the first token that does not fit.
    pub fn parse(&self, tokens: &[String]) -> Result<Words, FlagError> {
        let mut parse = Parse { grammar: self, words: Words::default(), waiting: None, only_words: false };
        for token in tokens {
            parse.token(token)?;
        }
        parse.finish()
    }

    /// The lines that some usage texts append: one flag each, in the order of their letters.
    pub fn describe(&self) -> String {
        let mut flags: Vec<&Flag> = self.flags.iter().collect();
        flags.sort_by_key(|flag| flag.name.to_lowercase());
        let shown = |flag: &Flag| format!(" -{}{}", flag.name, if flag.takes_value { " <arg>" } else { "" });
        let width = flags.iter().map(|flag| shown(flag).len()).max().unwrap_or_default();
        flags.iter().map(|flag| format!("{:width$}   {}\n", shown(flag), flag.about)).collect()
    }

    fn flag(&self, name: &str) -> Option<&'static Flag> {
        self.flags.iter().find(|flag| flag.name == name)
    }

    fn first_letter(&self, text: &str) -> Option<(&'static Flag, usize)> {
        let letter = text.chars().next()?;
        let length = letter.len_utf8();
        self.flag(&text[..length]).map(|flag| (flag, length))
    }

    fn group_text(&self) -> String {
        let one = |flag: &Flag| format!("-{} {}", flag.name, flag.about);
        format!("[{}]", self.flags.iter().map(one).collect::<Vec<_>>().join(", "))
    }
}

struct Parse<'a> {
    grammar: &'a Grammar,
    words: Words,
    /// The flag that takes the next token as its value.
    waiting: Option<&'static Flag>,
    only_words: bool,
}

impl Parse<'_> {
    fn token(&mut self, token: &str) -> Result<(), FlagError> {
        if self.only_words {
            self.words.words.push(token.to_owned());
            return Ok(());
        }
        if token == "--" {
            self.only_words = true;
            return Ok(());
        }
        if let Some(flag) = self.waiting.filter(|_| !self.is_flag(token) || token.parse::<f64>().is_ok()) {
            self.give_value(flag, without_quotes(token));
            return Ok(());
        }
        match token.strip_prefix('-') {
            None | Some("") => self.word(token),
            Some(rest) if rest.starts_with('-') => self.word(token),
            Some(rest) => self.flags(token, rest),
        }
    }

    fn flags(&mut self, token: &str, rest: &str) -> Result<(), FlagError> {
        if let Some(flag) = self.grammar.flag(rest) {
            return self.open(flag);
        }
        match rest.split_once('=') {
            Some((name, value)) => match self.grammar.flag(name).filter(|f| f.takes_value && name.len() == 1)
            {
                Some(flag) => {
                    self.open(flag)?;
                    self.give_value(flag, value);
                    Ok(())
                }
                None => self.word(token),
            },
            None if rest.chars().count() == 1 => self.word(token),
            None => self.run_of_letters(token, rest),
        }
    }

    /// `-sw` is `-s -w`; `-v5` is `-v 5`.
    fn run_of_letters(&mut self, token: &str, mut rest: &str) -> Result<(), FlagError> {
        while !rest.is_empty() {
            let Some((flag, length)) = self.grammar.first_letter(rest) else { return self.word(token) };
            self.open(flag)?;
            rest = &rest[length..];
            if flag.takes_value && !rest.is_empty() {
                self.give_value(flag, rest);
                return Ok(());
            }
        }
        Ok(())
    }

    fn open(&mut self, flag: &'static Flag) -> Result<(), FlagError> {
        self.nothing_waits()?;
        if self.grammar.together != Together::Freely
            && let Some((before, _)) = self.words.flags.iter().find(|(name, _)| *name != flag.name)
        {
            return Err(FlagError::AlreadySelected { now: flag.name, before });
        }
        self.words.flags.push((flag.name, None));
        self.waiting = flag.takes_value.then_some(flag);
        Ok(())
    }

    fn give_value(&mut self, flag: &'static Flag, value: &str) {
        if let Some(last) = self.words.flags.iter_mut().rev().find(|(name, _)| *name == flag.name) {
            last.1 = Some(value.to_owned());
        }
        self.waiting = None;
    }

    fn word(&mut self, token: &str) -> Result<(), FlagError> {
        if token.starts_with('-') && token.len() > 1 {
            return Err(FlagError::Unrecognized(token.to_owned()));
        }
        self.words.words.push(token.to_owned());
        Ok(())
    }

    fn nothing_waits(&self) -> Result<(), FlagError> {
        match self.waiting {
            Some(flag) => Err(FlagError::MissingArgument(flag.name)),
            None => Ok(()),
        }
    }

    fn is_flag(&self, token: &str) -> bool {
        let Some(rest) = token.strip_prefix('-') else { return false };
        let name = rest.split('=').next().unwrap_or_default();
        self.grammar.flag(name).is_some() || self.grammar.first_letter(name).is_some()
    }

    fn finish(self) -> Result<Words, FlagError> {
        self.nothing_waits()?;
        if self.grammar.together == Together::OneOf && self.words.flags.is_empty() {
            return Err(FlagError::MissingOption(self.grammar.group_text()));
        }
        Ok(self.words)
    }
}

/// Double quotes around a value fall away if there are no others inside.
fn without_quotes(token: &str) -> &str {
    let inner = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).unwrap_or(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: [Flag; 4] = [
        Flag::switch("s", "stats"),
        Flag::switch("w", "watch"),
        Flag::valued("v", "version"),
        Flag::valued("file", "a file"),
    ];
    const FREE: Grammar = Grammar::of(&FLAGS);
    const QUOTA: Grammar = Grammar {
        flags: &[Flag::valued("n", "num soft quota"), Flag::valued("b", "bytes soft quota")],
        together: Together::OneOf,
    };

    fn parse(grammar: Grammar, line: &str) -> Result<Words, FlagError> {
        grammar.parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_stand_anywhere_and_join() {
        let words = parse(FREE, "set /a -sw x -v5").unwrap();
        assert_eq!(words.words, ["set", "/a", "x"]);
        assert!(words.has("s") && words.has("w") && !words.has("file"));
        assert_eq!(words.value("v"), Some("5"));
        assert_eq!(parse(FREE, "set -v=7 /a").unwrap().value("v"), Some("7"));
        assert_eq!(parse(FREE, "x -file \"a\"").unwrap().value("file"), Some("a"));
        assert_eq!(parse(FREE, "x -v 1 -v 2").unwrap().value("v"), Some("1"));
    }

    #[test]
    fn double_dash_ends_flags_and_negative_numbers_are_values() {
        assert_eq!(parse(FREE, "set /a -- -s").unwrap().words, ["set", "/a", "-s"]);
        assert_eq!(parse(FREE, "delete -v -1 /a").unwrap().value("v"), Some("-1"));
        assert_eq!(parse(FREE, "create /a -").unwrap().words, ["create", "/a", "-"]);
    }

    #[test]
    fn errors_speak_commons_cli() {
        let text = |grammar, line| parse(grammar, line).unwrap_err().to_string();
        let package = "org.apache.commons.cli.";
        let expected = format!("{package}UnrecognizedOptionException: Unrecognized option: -z");
        assert_eq!(text(FREE, "get -z /a"), expected);
        assert_eq!(parse(FREE, "set /a -5"), Err(FlagError::Unrecognized("-5".to_owned())));
        assert_eq!(parse(FREE, "set -sz /a"), Err(FlagError::Unrecognized("-sz".to_owned())));
        assert_eq!(parse(FREE, "set --v /a"), Err(FlagError::Unrecognized("--v".to_owned())));
        assert_eq!(parse(FREE, "set -file=/a"), Err(FlagError::Unrecognized("-file=/a".to_owned())));
        let expected = format!("{package}MissingArgumentException: Missing argument for option: v");
        assert_eq!(text(FREE, "set /a -v"), expected);
        let expected = format!("{package}MissingArgumentException: Missing argument for option: v");
        assert_eq!(text(FREE, "set /a -v -s"), expected);
        let expected = format!(
            "{package}MissingOptionException: Missing required option: [-n num soft quota, -b bytes soft quota]"
        );
        assert_eq!(text(QUOTA, "setquota /a"), expected);
        let expected = format!(
            "{package}AlreadySelectedException: The option 'b' was specified but an option from this group has \
             already been selected: 'n'"
        );
        assert_eq!(text(QUOTA, "setquota -n 1 -b 2 /a"), expected);
    }

    #[test]
    fn description_is_a_table() {
        let expected =
            " -file <arg>   a file\n -s            stats\n -v <arg>      version\n -w            watch\n";
        assert_eq!(FREE.describe(), expected);
    }
}
