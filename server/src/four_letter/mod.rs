//! Four-letter words: a client that opens with one of these instead of a frame gets a text and a closed connection.
//!
//! Texts are Apache ZooKeeper 3.9.5's, checked against a running one. Where it prints in hash order, here is order.

mod connections;
mod environment;
mod monitor;
mod server;
mod watches;

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use zkrs_core::peer::ConnId;

use crate::driver::Shared;

/// A known word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum Word {
    Conf,
    Cons,
    Crst,
    Dirs,
    Dump,
    Envi,
    Gtmk,
    Hash,
    Isro,
    Mntr,
    Ruok,
    Srst,
    Srvr,
    Stat,
    Stmk,
    Wchc,
    Wchp,
    Wchs,
}

const WORDS: [(&str, Word); 18] = [
    ("conf", Word::Conf),
    ("cons", Word::Cons),
    ("crst", Word::Crst),
    ("dirs", Word::Dirs),
    ("dump", Word::Dump),
    ("envi", Word::Envi),
    ("gtmk", Word::Gtmk),
    ("hash", Word::Hash),
    ("isro", Word::Isro),
    ("mntr", Word::Mntr),
    ("ruok", Word::Ruok),
    ("srst", Word::Srst),
    ("srvr", Word::Srvr),
    ("stat", Word::Stat),
    ("stmk", Word::Stmk),
    ("wchc", Word::Wchc),
    ("wchp", Word::Wchp),
    ("wchs", Word::Wchs),
];

impl Word {
    /// The word that these bytes are. Read as a length they would be far beyond any frame, so nothing else is meant.
    pub(crate) fn from_bytes(bytes: [u8; 4]) -> Option<Self> {
        WORDS.iter().find(|(name, _)| name.as_bytes() == bytes).map(|(_, word)| *word)
    }

    fn name(self) -> &'static str {
        WORDS.iter().find(|(_, word)| *word == self).map_or("", |(name, _)| name)
    }

    /// Whether it is answered by a server that does not serve clients.
    fn needs_serving(self) -> bool {
        !matches!(self, Word::Ruok | Word::Envi | Word::Gtmk | Word::Stmk | Word::Isro)
    }
}

/// The answer to a word that `conn` opened with. `rest` is what else came with it.
pub(crate) fn answer(word: Word, rest: &[u8], shared: &Shared, conn: ConnId) -> Vec<u8> {
    let mut out = String::new();
    if !shared.config.four_letter_words.allow(word.name()) {
        let _ = writeln!(out, "{} is not executed because it is not in the whitelist.", word.name());
        return out.into_bytes();
    }
    let serving = shared.serving.load(Ordering::SeqCst);
    if word.needs_serving() && !serving {
        out.push_str("This ZooKeeper instance is not currently serving requests");
        if word != Word::Hash {
            out.push('\n');
        }
        return out.into_bytes();
    }
    match word {
        Word::Conf => server::conf(&mut out, shared),
        Word::Cons => connections::cons(&mut out, shared, conn),
        Word::Crst => {
            connections::reset(shared);
            out.push_str("Connection stats reset.\n");
        }
        Word::Dirs => server::dirs(&mut out, shared),
        Word::Dump => connections::dump(&mut out, shared),
        Word::Envi => environment::envi(&mut out),
        Word::Gtmk => {
            let _ = write!(out, "{}", shared.stats.trace_mask.load(Ordering::Relaxed));
        }
        Word::Hash => server::hash(&mut out, shared),
        Word::Isro => out.push_str(if serving { "rw" } else { "null" }),
        Word::Mntr => monitor::mntr(&mut out, shared),
        Word::Ruok => out.push_str("imok"),
        Word::Srst => {
            shared.stats.reset();
            out.push_str("Server stats reset.\n");
        }
        Word::Srvr => server::srvr(&mut out, shared, None),
        Word::Stat => server::srvr(&mut out, shared, Some(conn)),
        Word::Stmk => {
            // The mask comes in the same bytes as the word, or there is no answer.
            if let Some(mask) = rest.first_chunk::<8>() {
                let mask = i64::from_be_bytes(*mask);
                shared.stats.trace_mask.store(mask, Ordering::Relaxed);
                let _ = write!(out, "{mask}");
            }
        }
        Word::Wchc => watches::by_session(&mut out, shared),
        Word::Wchp => watches::by_path(&mut out, shared),
        Word::Wchs => watches::summary(&mut out, shared),
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_words_are_words() {
        for (name, word) in WORDS {
            let bytes: [u8; 4] = name.as_bytes().try_into().unwrap();
            assert_eq!(Word::from_bytes(bytes), Some(word));
            assert_eq!(word.name(), name);
        }
        assert_eq!(Word::from_bytes(*b"RUOK"), None);
        assert_eq!(Word::from_bytes([0, 0, 0, 45]), None);
    }
}
