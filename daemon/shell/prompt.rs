//! Lines to execute: edited at a terminal, with history and completion; plainly read from anything else.
//!
//! Reading blocks, so a thread does it. The shell asks for one line at a time, so that nothing is read (and
//! no prompt drawn) while a command runs.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, ExternalPrinter, Helper};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::commands;
use super::output::{AbovePrompt, Output};

const HISTORY_LINES_MAX: usize = 1000;
/// How long a completion waits for the shell's answer.
const COMPLETION_WAIT: Duration = Duration::from_secs(3);

/// What the thread has to say.
pub enum Typed {
    Line(String),
    /// Somebody pressed tab behind a path: the names below `parent` are wanted.
    Completion {
        parent: String,
        reply: mpsc::SyncSender<Vec<String>>,
    },
}

/// The thread that reads lines.
pub struct Prompt {
    asks: mpsc::Sender<String>,
    // One line is read for each ask, so no more than one waits here.
    typed: UnboundedReceiver<Typed>,
    is_edited: bool,
}

impl Prompt {
    /// Starts the thread. Lines are edited if standard input and output are terminals, and `plain` is not set.
    pub fn start(out: Output, plain: bool) -> Self {
        let is_edited = !plain && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let (asks, asked) = mpsc::channel();
        let (sender, typed) = unbounded_channel();
        std::thread::spawn(move || {
            if is_edited {
                edit_lines(&asked, &sender, &out);
            } else {
                read_lines(&asked, &sender);
            }
        });
        Self { asks, typed, is_edited }
    }

    pub fn is_edited(&self) -> bool {
        self.is_edited
    }

    /// Asks for the next line; the prompt's text is for terminals.
    pub fn ask(&self, prompt: String) {
        // If the thread has ended, typed() says so.
        let _ = self.asks.send(prompt);
    }

    /// A line or a completion; `None` at the end of the input.
    pub async fn typed(&mut self) -> Option<Typed> {
        self.typed.recv().await
    }
}

fn read_lines(asked: &mpsc::Receiver<String>, typed: &UnboundedSender<Typed>) {
    let mut input = std::io::stdin().lock();
    let mut line = Vec::new();
    while asked.recv().is_ok() {
        line.clear();
        match input.read_until(b'\n', &mut line) {
            Ok(1..) => {}
            _ => return,
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if typed.send(Typed::Line(text.to_owned())).is_err() {
            return;
        }
    }
}

fn edit_lines(asked: &mpsc::Receiver<String>, typed: &UnboundedSender<Typed>, out: &Output) {
    let mut editor = match editor(typed.clone()) {
        Ok(editor) => editor,
        // A terminal that cannot be edited on is still one to read from.
        Err(_) => return read_lines(asked, typed),
    };
    let history = history_file();
    if let Some(file) = &history {
        // There is none at the first start.
        let _ = editor.load_history(file);
    }
    while let Ok(prompt) = asked.recv() {
        let printer = editor.create_external_printer().ok();
        out.set_above_prompt(printer.map(|mut printer| -> AbovePrompt {
            Box::new(move |text| {
                let _ = printer.print(text);
            })
        }));
        let line = loop {
            match editor.readline(&prompt) {
                Ok(line) => break Some(line),
                Err(ReadlineError::Interrupted) => {}
                Err(_) => break None,
            }
        };
        out.set_above_prompt(None);
        let Some(line) = line else { return };
        let _ = editor.add_history_entry(&line);
        if let Some(file) = &history {
            let _ = editor.save_history(file);
        }
        if typed.send(Typed::Line(line)).is_err() {
            return;
        }
    }
}

fn editor(typed: UnboundedSender<Typed>) -> rustyline::Result<Editor<Completion, FileHistory>> {
    let config = Config::builder()
        .max_history_size(HISTORY_LINES_MAX)?
        .history_ignore_space(true)
        .completion_type(rustyline::CompletionType::List)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Completion { typed }));
    Ok(editor)
}

/// `$ZKRS_HISTORY`, or `.zkrs_history` in the home directory.
fn history_file() -> Option<PathBuf> {
    let named = std::env::var_os("ZKRS_HISTORY").filter(|name| !name.is_empty()).map(PathBuf::from);
    named.or_else(|| std::env::home_dir().map(|home| home.join(".zkrs_history")))
}

/// Completes commands by their names, and paths by asking the server.
struct Completion {
    typed: UnboundedSender<Typed>,
}

impl Completion {
    fn children(&self, parent: &str) -> Vec<String> {
        let (reply, children) = mpsc::sync_channel(1);
        let asked = self.typed.send(Typed::Completion { parent: parent.to_owned(), reply });
        if asked.is_err() {
            return Vec::new();
        }
        children.recv_timeout(COMPLETION_WAIT).unwrap_or_default()
    }
}

impl Completer for Completion {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = &line[..at];
        let start = typed.rfind([' ', '\t']).map_or(0, |space| space + 1);
        let word = &typed[start..];
        let mut found: Vec<String> = match word.rfind('/') {
            Some(slash) if word.starts_with('/') => {
                let parent = if slash == 0 { "/" } else { &word[..slash] };
                let names = self.children(parent);
                names.iter().map(|name| format!("{}/{name}", &word[..slash])).collect()
            }
            _ if start == 0 => commands::names().into_iter().map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        found.retain(|candidate| candidate.starts_with(word));
        found.sort();
        let pair = |found: String| Pair { display: found.clone(), replacement: found };
        Ok((start, found.into_iter().map(pair).collect()))
    }
}

impl Hinter for Completion {
    type Hint = String;
}
impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {}
