//! The users of SASL, out of the JAAS file that `java.security.auth.login.config` names.
//!
//! Such a file has sections (`Server { ... };`) of login modules with options. Of the section that
//! `sasl.serverconfig` names, the options `user_NAME="password"` of `DigestLoginModule` count, as in
//! `ServerCnxnFactory.configureSaslLogin` of 3.9.5. The file is full of secrets: messages say the line and what is
//! missing there, and never what stands there.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::problem::{Origin, Problems, WarningKind, shown};
use super::properties::PROPERTIES_BYTES_MAX;
use super::secret::Secret;
use super::settings::Settings;

const FILE_KEY: &str = "java.security.auth.login.config";
const SUPER_PASSWORD_KEY: &str = "SASLAuthenticationProvider.superPassword";
const DIGEST_MODULE: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";
const USER_PREFIX: &str = "user_";

/// Reads the users, if the configuration names a JAAS file that has some.
pub(super) fn read_users(
    settings: &Settings,
    read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    problems: &mut Problems,
) -> Vec<(String, Secret)> {
    let Some(setting) = settings.get(FILE_KEY) else { return Vec::new() };
    let name = path_of(&setting.value);
    let bytes = match read(Path::new(name)) {
        Ok(bytes) => bytes,
        Err(error) => {
            let problem = format!("{} cannot be read: {error}", shown(name));
            let remedy = "check the path, or remove the key".to_owned();
            problems.error(&setting.origin, &setting.written, problem, remedy);
            return Vec::new();
        }
    };
    let file = Origin::file(name);
    let sections = match parse(&bytes) {
        Ok(sections) => sections,
        Err(Malformed { line, problem }) => {
            let remedy = "write sections like Server { org.apache.zookeeper.server.auth.DigestLoginModule required \
                          user_bob=\"...\"; };";
            problems.error(&Origin { line: Some(line), ..file }, "", problem.to_owned(), remedy.to_owned());
            return Vec::new();
        }
    };
    let wanted = settings.text("sasl.serverconfig").unwrap_or_default();
    let Some(modules) = sections.get(wanted) else {
        let text = format!("has no section {}: clients cannot authenticate by SASL", shown(wanted));
        problems.warn(&file, "", WarningKind::Note, text);
        return Vec::new();
    };
    let mut users = users_of(modules, &file, problems);
    if let (Some(password), Some((_, secret))) =
        (settings.get(SUPER_PASSWORD_KEY), users.iter_mut().find(|(name, _)| name == "super"))
    {
        *secret = Secret::new(password.value.clone());
    }
    users
}

fn users_of(modules: &[Module], file: &Origin, problems: &mut Problems) -> Vec<(String, Secret)> {
    let mut users: Vec<(String, Secret)> = Vec::new();
    for module in modules {
        let here = Origin { line: Some(module.line), ..file.clone() };
        if module.class != DIGEST_MODULE {
            let text = format!("this login module has no effect yet: only {DIGEST_MODULE} is known here");
            problems.warn(&here, "", WarningKind::NotActive, text);
            continue;
        }
        for Entry { name, value, line } in &module.options {
            let here = Origin { line: Some(*line), ..file.clone() };
            match name.strip_prefix(USER_PREFIX) {
                Some("") => problems.error(
                    &here,
                    "",
                    "a user has no name".to_owned(),
                    "write user_NAME=\"password\"".to_owned(),
                ),
                Some(user) if users.iter().any(|(other, _)| other == user) => problems.error(
                    &here,
                    "",
                    "a user has two passwords".to_owned(),
                    "remove one of the two".to_owned(),
                ),
                Some(user) => users.push((user.to_owned(), Secret::new(value.clone()))),
                None => {
                    let text = "an option that does not begin with user_ has no effect".to_owned();
                    problems.warn(&here, "", WarningKind::Note, text);
                }
            }
        }
        if users.is_empty() {
            let text = "names no user: clients cannot authenticate by SASL; write user_NAME=\"password\"";
            problems.warn(&here, "", WarningKind::Note, text.to_owned());
        }
    }
    users
}

/// Java takes a path or a `file:` URL, either with a `=` before it.
fn path_of(value: &str) -> &str {
    let value = value.strip_prefix('=').unwrap_or(value);
    let Some(url) = value.strip_prefix("file:") else { return value };
    url.strip_prefix("//").unwrap_or(url)
}

/// One login module of a section.
struct Module {
    class: String,
    line: u32,
    options: Vec<Entry>,
}

/// One option of a login module.
struct Entry {
    name: String,
    value: String,
    line: u32,
}

/// What is wrong with the file, without a word of it.
#[derive(Debug, PartialEq, Eq)]
struct Malformed {
    line: u32,
    problem: &'static str,
}

fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Vec<Module>>, Malformed> {
    let whole = Malformed { line: 1, problem: "the file is larger than a JAAS file may be here (1 MiB)" };
    let bytes = Some(bytes).filter(|bytes| bytes.len() <= PROPERTIES_BYTES_MAX).ok_or(whole)?;
    let text =
        std::str::from_utf8(bytes).map_err(|_| Malformed { line: 1, problem: "the file is not in UTF-8" })?;
    let mut tokens = Tokens { rest: text.trim_start_matches('\u{feff}'), line: 1 };
    let mut sections = BTreeMap::new();
    while let Some(token) = tokens.next()? {
        let Token::Word(name) = token else { return Err(tokens.expected("a section's name is missing")) };
        tokens.symbol('{', "the { after a section's name is missing")?;
        let mut modules = Vec::new();
        while let Some(module) = tokens.module()? {
            modules.push(module);
        }
        tokens.symbol(';', "the ; after a section's } is missing")?;
        if sections.insert(name, modules).is_some() {
            return Err(tokens.expected("two sections have the same name"));
        }
    }
    Ok(sections)
}

#[derive(PartialEq)]
enum Token {
    Word(String),
    Symbol(char),
}

/// The words, quoted texts and symbols of the file, without comments.
struct Tokens<'a> {
    rest: &'a str,
    line: u32,
}

impl Tokens<'_> {
    /// A module up to its `;`, or `None` at the section's `}`.
    fn module(&mut self) -> Result<Option<Module>, Malformed> {
        let class = match self.next()? {
            Some(Token::Symbol('}')) => return Ok(None),
            Some(Token::Word(class)) => class,
            _ => return Err(self.expected("a login module's class or the section's } is missing")),
        };
        let line = self.line;
        let flags = ["required", "requisite", "sufficient", "optional"];
        match self.next()? {
            Some(Token::Word(flag)) if flags.iter().any(|known| known.eq_ignore_ascii_case(&flag)) => {}
            _ => {
                return Err(self.expected(
                    "required, requisite, sufficient or optional is missing after a login module's class",
                ));
            }
        }
        let mut options = Vec::new();
        loop {
            match self.next()? {
                Some(Token::Symbol(';')) => return Ok(Some(Module { class, line, options })),
                Some(Token::Word(name)) => {
                    let line = self.line;
                    self.symbol('=', "the = after an option's name is missing")?;
                    let Some(Token::Word(value)) = self.next()? else {
                        return Err(self.expected("an option's value is missing"));
                    };
                    options.push(Entry { name, value, line });
                }
                _ => return Err(self.expected("the ; after a login module's options is missing")),
            }
        }
    }

    fn symbol(&mut self, symbol: char, problem: &'static str) -> Result<(), Malformed> {
        match self.next()? {
            Some(Token::Symbol(found)) if found == symbol => Ok(()),
            _ => Err(self.expected(problem)),
        }
    }

    fn next(&mut self) -> Result<Option<Token>, Malformed> {
        self.skip_blanks_and_comments()?;
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        match first {
            '"' | '\'' => self.quoted(first).map(Some),
            '{' | '}' | ';' | '=' => {
                self.advance(1);
                Ok(Some(Token::Symbol(first)))
            }
            _ => {
                let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
                if end == 0 {
                    return Err(self.expected("a character must stand in quotes"));
                }
                Ok(Some(Token::Word(self.advance(end).to_owned())))
            }
        }
    }

    fn skip_blanks_and_comments(&mut self) -> Result<(), Malformed> {
        loop {
            let blanks = self.rest.len() - self.rest.trim_start().len();
            self.advance(blanks);
            let comment = if self.rest.starts_with("//") {
                self.rest.find('\n').unwrap_or(self.rest.len())
            } else if self.rest.starts_with("/*") {
                match self.rest[2..].find("*/") {
                    Some(end) => end + 4,
                    None => return Err(self.expected("the end of a comment is missing")),
                }
            } else {
                return Ok(());
            };
            self.advance(comment);
        }
    }

    /// A text in quotes, on one line, with the escapes of Java's tokenizer but for octal numbers.
    fn quoted(&mut self, quote: char) -> Result<Token, Malformed> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\n' | '\r' => break,
                '\\' => match chars.next().map(|(_, escaped)| escaped) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(c) if !c.is_ascii_alphanumeric() && c != '\n' => text.push(c),
                    _ => return Err(self.expected("after a \\ only n, t, r, \\, and quotes are known")),
                },
                c if c == quote => {
                    self.advance(at + 1);
                    if text.contains("${") {
                        return Err(self.expected("${...} is not replaced here; the value itself is missing"));
                    }
                    return Ok(Token::Word(text));
                }
                c => text.push(c),
            }
        }
        Err(self.expected("a closing quote is missing"))
    }

    fn advance(&mut self, bytes: usize) -> &str {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += u32::try_from(passed.matches('\n').count()).unwrap_or(u32::MAX);
        self.rest = rest;
        passed
    }

    fn expected(&self, problem: &'static str) -> Malformed {
        Malformed { line: self.line, problem }
    }
}

/// What Java's tokenizer takes for a part of a word.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '$' | '*') || c >= '\u{a0}'
}

#[cfg(test)]
mod tests {
    use super::super::{ServerConfig, tests::TempDir};
    use super::*;

    const KAZOO: &str = "\nServer {\n    org.apache.zookeeper.server.auth.DigestLoginModule required\n    \
                         user_super=\"super_secret\"\n    user_jaasuser=\"jaas_password\";\n};";

    /// The users and the warnings, or the errors.
    type Loaded = Result<(Vec<(String, String)>, Vec<String>), Vec<String>>;

    fn load(jaas: &str, more: &str) -> Loaded {
        let dir = TempDir::new("jaas");
        let path = dir.path().join("jaas.conf");
        std::fs::write(&path, jaas).expect("a temporary file");
        let cfg = dir.path().join("zoo.cfg");
        let text =
            format!("dataDir=/d\nclientPort=1\njava.security.auth.login.config={}\n{more}", path.display());
        std::fs::write(&cfg, text).expect("a temporary file");
        let place = format!("{}/", dir.path().display());
        let show = |message: String| message.replace(&place, "");
        let of_jaas = |message: &String| message.starts_with("jaas.conf");
        match ServerConfig::from_file(&cfg, false) {
            Ok((config, warnings)) => {
                let users = config.auth.sasl.users.iter();
                let users = users.map(|(name, password)| (name.clone(), password.expose().to_owned()));
                let warnings = warnings.iter().map(|warning| show(warning.to_string())).filter(of_jaas);
                Ok((users.collect(), warnings.collect()))
            }
            Err(errors) => Err(errors.iter().map(|error| show(error.to_string())).collect()),
        }
    }

    fn users(jaas: &str, more: &str) -> Vec<String> {
        let (users, _) = load(jaas, more).expect(jaas);
        users.iter().map(|(name, password)| format!("{name}:{password}")).collect()
    }

    #[test]
    fn users_of_the_named_section() {
        assert_eq!(users(KAZOO, ""), ["super:super_secret", "jaasuser:jaas_password"]);
        assert_eq!(
            users(KAZOO, "SASLAuthenticationProvider.superPassword=other"),
            ["super:other", "jaasuser:jaas_password"]
        );
        let text = "// one\nClient { a.B optional username=\"x\"; };\n/* { */ Mine { 'a.B' Required x='y';\n\
            org.apache.zookeeper.server.auth.DigestLoginModule sufficient user_a=word \"user_b@C\"=\"q\\\"\\\\//;\"; };";
        assert_eq!(users(text, "sasl.serverconfig=Mine"), ["a:word", "b@C:q\"\\//;"]);
        assert_eq!(users("", ""), [""; 0]);
    }

    #[test]
    fn what_has_no_effect_is_said() {
        let warnings = |jaas: &str| load(jaas, "").expect(jaas).1;
        assert_eq!(
            warnings("Client { };"),
            ["jaas.conf: has no section Server: clients cannot authenticate by SASL"]
        );
        let kerberos = "Server {\ncom.sun.security.auth.module.Krb5LoginModule required keyTab=\"k\"; };";
        let expected = "jaas.conf:2: this login module has no effect yet: \
            only org.apache.zookeeper.server.auth.DigestLoginModule is known here";
        assert_eq!(warnings(kerberos), [expected]);
        let digest =
            "Server {\norg.apache.zookeeper.server.auth.DigestLoginModule required\nusr_bob=\"x\"; };";
        let expected = [
            "jaas.conf:2: names no user: clients cannot authenticate by SASL; write user_NAME=\"password\"",
            "jaas.conf:3: an option that does not begin with user_ has no effect",
        ];
        assert_eq!(warnings(digest), expected);
    }

    #[test]
    fn malformed_files_are_refused_by_line_without_their_text() {
        let table = [
            ("{", 1, "a section's name is missing"),
            ("CaNaRy\n;", 2, "the { after a section's name is missing"),
            ("CaNaRy {\n=", 2, "a login module's class or the section's } is missing"),
            ("S { CaNaRy\nCaNaRy", 2, "required, requisite, sufficient or optional is missing"),
            ("S { a.B required CaNaRy CaNaRy", 1, "the = after an option's name is missing"),
            ("S { a.B required user_a=;", 1, "an option's value is missing"),
            ("S { a.B required user_a=CaNaRy }", 1, "the ; after a login module's options is missing"),
            ("S { a.B required user_a=\"CaNaRy\n\"; };", 1, "a closing quote is missing"),
            ("S { a.B required user_a=\"CaNaRy\\1\"; };", 1, "after a \\ only n, t, r"),
            ("S { a.B required user_a=\"${CaNaRy}\"; };", 1, "${...} is not replaced here"),
            ("S { a.B required user_a=%CaNaRy; };", 1, "a character must stand in quotes"),
            ("S { }", 1, "the ; after a section's } is missing"),
            ("S { };\nS { };", 2, "two sections have the same name"),
            ("/* CaNaRy", 1, "the end of a comment is missing"),
        ];
        for (text, line, problem) in table {
            let errors = load(text, "").expect_err(text);
            assert!(
                errors.len() == 1 && errors[0].starts_with(&format!("jaas.conf:{line}: {problem}")),
                "{errors:?}"
            );
            assert!(!errors[0].contains("CaNaRy"), "{errors:?}");
        }
        let user = |options: &str| {
            let text = format!("Server {{ {DIGEST_MODULE} required {options}; }};");
            load(&text, "").expect_err(options)
        };
        assert_eq!(user("user_=CaNaRy"), ["jaas.conf:1: a user has no name; write user_NAME=\"password\""]);
        assert_eq!(
            user("user_a=CaNaRy user_a=CaNaRy"),
            ["jaas.conf:1: a user has two passwords; remove one of the two"]
        );
    }

    #[test]
    fn a_missing_file_is_an_error_and_urls_are_paths() {
        let text = "dataDir=/d\nclientPort=1\njava.security.auth.login.config=/nowhere/jaas.conf";
        let errors = ServerConfig::from_text("zoo.cfg", text.as_bytes(), false).expect_err("no file");
        let message = errors[0].to_string();
        let expected = "zoo.cfg:3: java.security.auth.login.config: /nowhere/jaas.conf cannot be read: ";
        assert!(
            message.starts_with(expected) && message.ends_with("; check the path, or remove the key"),
            "{message}"
        );
        for value in ["/a/b", "=/a/b", "file:/a/b", "file:///a/b", "=file:/a/b"] {
            assert_eq!(path_of(value), "/a/b", "{value}");
        }
    }
}
