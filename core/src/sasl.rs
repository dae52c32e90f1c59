//! SASL DIGEST-MD5, the server's side: who knows the password of a configured user gets that user's name.
//!
//! Knows tokens and passwords, no connection and no frame. Sources: RFC 2831; what the JDK's server accepts is
//! accepted here (qop `auth` only, names hashed in Latin-1 where they fit), with the protocol name and host that
//! `ZooKeeperSaslServer` of 3.9.5 gives it.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine;
use core::fmt;
use md5::Md5;
use sha1::{Digest, Sha1};

/// The realm, and the host of the digest URI: ZooKeeper names no real one.
const REALM: &str = "zk-sasl-md5";
/// What the client must say it talks to.
const DIGEST_URI: &str = "zookeeper/zk-sasl-md5";
/// The longest response that is looked at, as in the JDK.
const RESPONSE_BYTES_MAX: usize = 4096;
/// How often the nonce was used, counting this time: it is never used again.
const NONCE_COUNT: &str = "00000001";

/// Names and passwords. Its `Debug` shows how many there are, and nothing else.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SaslUsers(Vec<(String, String)>);

impl SaslUsers {
    /// Users by name and password; of two with one name the first counts.
    pub fn new(users: Vec<(String, String)>) -> Self {
        Self(users)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn password(&self, user: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == user).map(|(_, password)| password.as_str())
    }
}

impl fmt::Debug for SaslUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SaslUsers({})", self.0.len())
    }
}

/// How clients authenticate by SASL.
#[derive(Debug, Clone, Default)]
pub struct SaslConfig {
    /// Who may; nobody: SASL is not configured.
    pub users: SaslUsers,
    /// Users that bypass ACLs.
    pub super_users: Vec<String>,
    /// Whether the scheme `sasl` counts in ACLs.
    pub scheme_enabled: bool,
    /// Whether a client whose authentication failed may go on without it.
    pub allow_failed_clients: bool,
}

/// Where unpredictable nonces come from: a seed that nobody outside knows, and a count.
#[derive(Clone)]
pub struct Nonces {
    seed: u64,
    count: u64,
}

impl Nonces {
    /// The same seed gives the same nonces.
    pub fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    /// A nonce that was not there before.
    pub fn draw(&mut self) -> String {
        self.count += 1;
        let hash = Sha1::new()
            .chain_update(b"sasl nonce")
            .chain_update(self.seed.to_be_bytes())
            .chain_update(self.count.to_be_bytes());
        base64::engine::general_purpose::STANDARD.encode(hash.finalize())
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonces({})", self.count)
    }
}

/// What the server answers to a client's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaslStep {
    /// A challenge; the client's next token must answer it.
    Challenge(Vec<u8>),
    /// The client is this user; the token proves to it that the server knows the password too.
    Complete {
        /// The token.
        token: Vec<u8>,
        /// The user's name.
        user: String,
    },
}

/// The client did not prove anything: a wrong name or password, a malformed token, or one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaslFailed;

/// One exchange: an empty token, the challenge, the response, the proof.
#[derive(Debug, Default)]
pub struct DigestMd5Server {
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Fresh,
    Challenged {
        nonce: String,
    },
    /// Succeeded or failed; there is no second try on one connection.
    Over,
}

impl DigestMd5Server {
    /// Takes the client's next token.
    ///
    /// # Errors
    /// [`SaslFailed`]; after a failed response every further token fails too.
    pub fn evaluate(
        &mut self,
        token: &[u8],
        users: &SaslUsers,
        nonces: &mut Nonces,
    ) -> Result<SaslStep, SaslFailed> {
        match core::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Fresh if token.is_empty() => {
                let nonce = nonces.draw();
                let challenge =
                    format!("realm=\"{REALM}\",nonce=\"{nonce}\",charset=utf-8,algorithm=md5-sess");
                self.stage = Stage::Challenged { nonce };
                Ok(SaslStep::Challenge(challenge.into_bytes()))
            }
            Stage::Fresh => {
                self.stage = Stage::Fresh;
                Err(SaslFailed)
            }
            Stage::Challenged { nonce } => verify(token, &nonce, users),
            Stage::Over => Err(SaslFailed),
        }
    }
}

fn verify(token: &[u8], nonce: &str, users: &SaslUsers) -> Result<SaslStep, SaslFailed> {
    let response = Directives::parse(token).ok_or(SaslFailed)?;
    let uri = text(response.get("digest-uri")?);
    let count = text(response.get("nc").unwrap_or(NONCE_COUNT.as_bytes()));
    let is_ours = response.get("realm")? == REALM.as_bytes()
        && response.get("nonce")? == nonce.as_bytes()
        && response.get("charset").unwrap_or(b"utf-8") == b"utf-8"
        && response.get("qop").unwrap_or(b"auth") == b"auth"
        && u32::from_str_radix(&count, 16) == Ok(1)
        && uri.eq_ignore_ascii_case(DIGEST_URI);
    if !is_ours {
        return Err(SaslFailed);
    }
    let user = text(response.get("username")?);
    let password = users.password(&user);
    let exchange = Exchange {
        user: &user,
        realm: REALM,
        nonce,
        cnonce: response.get("cnonce")?,
        uri: &uri,
        authzid: response.get("authzid").ok(),
    };
    // An unknown user costs as much time as a wrong password.
    let secret = exchange.secret(password.unwrap_or_default());
    let is_right = is_equal(response.get("response")?, exchange.proof(&secret, "AUTHENTICATE").as_bytes());
    if password.is_none() || !is_right {
        return Err(SaslFailed);
    }
    let token = format!("rspauth={}", exchange.proof(&secret, "")).into_bytes();
    // Whoever the client asks to act for, it is who it has proved to be.
    Ok(SaslStep::Complete { token, user: user.to_string() })
}

/// What both sides hash.
struct Exchange<'a> {
    user: &'a str,
    realm: &'a str,
    nonce: &'a str,
    cnonce: &'a [u8],
    uri: &'a str,
    authzid: Option<&'a [u8]>,
}

impl Exchange<'_> {
    /// `HEX(H(A1))`.
    fn secret(&self, password: &str) -> String {
        let identity = Md5::new()
            .chain_update(latin1(self.user))
            .chain_update(b":")
            .chain_update(latin1(self.realm))
            .chain_update(b":")
            .chain_update(latin1(password))
            .finalize();
        let a1 = Md5::new()
            .chain_update(identity)
            .chain_update(b":")
            .chain_update(self.nonce)
            .chain_update(b":")
            .chain_update(self.cnonce);
        hex(match self.authzid {
            Some(authzid) => a1.chain_update(b":").chain_update(authzid),
            None => a1,
        })
    }

    /// The response value; `method` is `AUTHENTICATE` in the client's, empty in the server's.
    fn proof(&self, secret: &str, method: &str) -> String {
        let a2 = hex(Md5::new().chain_update(method).chain_update(b":").chain_update(self.uri));
        let hash = Md5::new()
            .chain_update(secret)
            .chain_update(b":")
            .chain_update(self.nonce)
            .chain_update(b":")
            .chain_update(NONCE_COUNT)
            .chain_update(b":")
            .chain_update(self.cnonce)
            .chain_update(b":auth:")
            .chain_update(a2);
        hex(hash)
    }
}

/// `name=value` pairs with commas or blanks between; values may be quoted.
struct Directives(Vec<(Vec<u8>, Vec<u8>)>);

impl Directives {
    /// `None` if malformed, too long, or with a name twice.
    fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > RESPONSE_BYTES_MAX {
            return None;
        }
        let mut directives: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut rest = skip(bytes, |b| b == b',' || is_blank(b));
        while !rest.is_empty() {
            let (name, after) = split(rest, |b| b == b'=' || b == b',' || is_blank(b));
            let value = skip(after, is_blank).strip_prefix(b"=")?;
            let (value, after) = take_value(skip(value, is_blank))?;
            let name = name.to_ascii_lowercase();
            if name.is_empty() || directives.iter().any(|(earlier, _)| *earlier == name) {
                return None;
            }
            directives.push((name, value));
            if !after.is_empty() && after[0] != b',' && !is_blank(after[0]) {
                return None;
            }
            rest = skip(after, |b| b == b',' || is_blank(b));
        }
        Some(Self(directives))
    }

    fn get(&self, name: &str) -> Result<&[u8], SaslFailed> {
        let found = self.0.iter().find(|(other, _)| other == name.as_bytes());
        found.map(|(_, value)| value.as_slice()).ok_or(SaslFailed)
    }
}

/// A value and what follows it.
fn take_value(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(mut rest) = bytes.strip_prefix(b"\"") else {
        let (value, after) = split(bytes, |b| b == b',' || is_blank(b));
        return (!value.is_empty()).then(|| (value.to_vec(), after));
    };
    let mut value = Vec::new();
    loop {
        match rest {
            [b'"', after @ ..] => return Some((value, after)),
            [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

fn split(bytes: &[u8], ends: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|b| ends(*b)).unwrap_or(bytes.len()))
}

fn skip(bytes: &[u8], what: impl Fn(u8) -> bool) -> &[u8] {
    split(bytes, |b| !what(b)).1
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// RFC 2831, 2.1.2.1: a text is hashed in Latin-1 if all of it can be, else in UTF-8.
fn latin1(text: &str) -> Cow<'_, [u8]> {
    match text.chars().map(u8::try_from).collect::<Result<Vec<u8>, _>>() {
        Ok(bytes) => Cow::Owned(bytes),
        Err(_) => Cow::Borrowed(text.as_bytes()),
    }
}

fn hex(hash: Md5) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    hash.finalize().into_iter().flat_map(digits).map(char::from).collect()
}

/// Takes the same time wherever the difference is.
fn is_equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn users() -> SaslUsers {
        SaslUsers::new(alloc::vec![
            ("bob".to_string(), "bob's secret".to_string()),
            ("Jörg".to_string(), "€".to_string())
        ])
    }

    /// What a client answers to a challenge.
    pub(crate) fn respond(challenge: &[u8], user: &str, password: &str) -> String {
        let challenge = Directives::parse(challenge).unwrap();
        let nonce = text(challenge.get("nonce").unwrap()).to_string();
        let exchange =
            Exchange { user, realm: REALM, nonce: &nonce, cnonce: b"c\"1", uri: DIGEST_URI, authzid: None };
        let response = exchange.proof(&exchange.secret(password), "AUTHENTICATE");
        format!(
            "charset=utf-8,username=\"{user}\",realm=\"{REALM}\",nonce=\"{nonce}\",nc=00000001,\
             cnonce=\"c\\\"1\",digest-uri=\"{DIGEST_URI}\",maxbuf=65536,response={response},qop=auth"
        )
    }

    fn challenged() -> (DigestMd5Server, Vec<u8>) {
        let mut server = DigestMd5Server::default();
        let Ok(SaslStep::Challenge(challenge)) = server.evaluate(b"", &users(), &mut Nonces::new(1)) else {
            panic!("no challenge");
        };
        (server, challenge)
    }

    fn answer(response: &[u8]) -> Result<SaslStep, SaslFailed> {
        challenged().0.evaluate(response, &users(), &mut Nonces::new(2))
    }

    #[test]
    fn the_rfcs_example() {
        let exchange = Exchange {
            user: "chris",
            realm: "elwood.innosoft.com",
            nonce: "OA6MG9tEQGm2hh",
            cnonce: b"OA6MHXh6VqTrRk",
            uri: "imap/elwood.innosoft.com",
            authzid: None,
        };
        let secret = exchange.secret("secret");
        assert_eq!(exchange.proof(&secret, "AUTHENTICATE"), "d388dad90d4bbd760a152321f2143af7");
        assert_eq!(exchange.proof(&secret, ""), "ea40f60335c427b5527b84dbabcdfffd");
    }

    #[test]
    fn the_right_password_gives_the_name_once() {
        for (user, password) in [("bob", "bob's secret"), ("Jörg", "€")] {
            let (mut server, challenge) = challenged();
            let response = respond(&challenge, user, password);
            let mut evaluate = || server.evaluate(response.as_bytes(), &users(), &mut Nonces::new(2));
            let Ok(SaslStep::Complete { token, user: proved }) = evaluate() else {
                panic!("{user} was refused");
            };
            assert!(token.starts_with(b"rspauth=") && token.len() == 40);
            assert_eq!(proved, user);
            assert_eq!(evaluate(), Err(SaslFailed));
        }
    }

    #[test]
    fn wrong_names_passwords_and_values_fail() {
        let (_, challenge) = challenged();
        for (user, password) in [("bob", "€"), ("alice", ""), ("", ""), ("bob", "")] {
            assert_eq!(answer(respond(&challenge, user, password).as_bytes()), Err(SaslFailed));
        }
        let right = respond(&challenge, "bob", "bob's secret");
        assert!(answer(right.as_bytes()).is_ok());
        let changes = [
            ("qop=auth", "qop=auth-int"),
            ("charset=utf-8", "charset=latin1"),
            ("realm=\"zk-sasl-md5\"", "realm=\"else\""),
            ("nc=00000001", "nc=00000002"),
            ("nc=00000001", "nc=x"),
            ("zookeeper/", "imap/"),
            ("username=", "user="),
            ("maxbuf=", "username="),
            ("nonce=\"", "nonce=\"x"),
            ("cnonce=", "authzid=\"super\",cnonce="),
            ("response=", "response=0"),
        ];
        for (from, to) in changes {
            let wrong = right.replacen(from, to, 1);
            assert_ne!(wrong, right);
            assert_eq!(answer(wrong.as_bytes()), Err(SaslFailed), "{wrong}");
        }
    }

    #[test]
    fn no_garbage_panics_or_passes() {
        let (_, challenge) = challenged();
        let right = respond(&challenge, "bob", "bob's secret").into_bytes();
        for end in 0..right.len() - "qop=auth".len() {
            assert_eq!(answer(&right[..end]).is_ok(), end + 1 == right.len() - "qop=auth".len());
        }
        for byte in [0, b'"', b'\\', b',', b'=', b' ', 0xff] {
            for at in 0..right.len() {
                let mut wrong = right.clone();
                wrong[at] = byte;
                let _ = answer(&wrong);
            }
        }
        for garbage in ["=", ",,,", "a", "a=", "a=\"", "a=\"\\", "a=\"b\"c", "=b", "a b"] {
            assert_eq!(answer(garbage.as_bytes()), Err(SaslFailed), "{garbage}");
        }
        let padded = format!("{}{}", " ".repeat(RESPONSE_BYTES_MAX), text(&right));
        assert_eq!(answer(padded.as_bytes()), Err(SaslFailed));
    }

    #[test]
    fn an_initial_response_is_refused_and_forgotten() {
        let (mut server, mut nonces) = (DigestMd5Server::default(), Nonces::new(3));
        assert_eq!(server.evaluate(b"x", &users(), &mut nonces), Err(SaslFailed));
        assert!(matches!(server.evaluate(b"", &users(), &mut nonces), Ok(SaslStep::Challenge(_))));
    }

    #[test]
    fn nonces_differ_and_repeat_with_their_seed() {
        let draw = |seed| {
            let mut nonces = Nonces::new(seed);
            [nonces.draw(), nonces.draw()]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1)[0], draw(1)[1]);
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = SaslConfig { users: users(), ..SaslConfig::default() };
        assert!(!format!("{config:?}").contains("secret"));
    }
}
