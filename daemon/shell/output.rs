//! Where the shell's words go: zkCli's text on standard output and standard error, or JSON lines.
//!
//! Commands say the same thing in both forms, one after the other; the form that was not asked for is dropped
//! here. Watch events arrive at any time: while somebody is typing they are printed above the prompt.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// Prints a text above the line that is being typed.
pub type AbovePrompt = Box<dyn FnMut(String) + Send>;

/// The form of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As zkCli prints it.
    Text,
    /// One JSON object a line, results and events on standard output, errors on standard error.
    Json,
}

/// The printer that commands and watches share.
#[derive(Clone)]
pub struct Output {
    form: Form,
    above_prompt: Arc<Mutex<Option<AbovePrompt>>>,
}

impl Output {
    pub fn new(form: Form) -> Self {
        Self { form, above_prompt: Arc::default() }
    }

    /// A line of a result, in text form.
    pub fn line(&self, text: &str) {
        if self.form == Form::Text {
            print_out(&format!("{text}\n"));
        }
    }

    /// Text of a result as it is.
    pub fn text(&self, text: &str) {
        if self.form == Form::Text {
            print_out(text);
        }
    }

    /// A line that zkCli prints to standard error.
    pub fn note(&self, text: &str) {
        if self.form == Form::Text {
            print_err(&format!("{text}\n"));
        }
    }

    /// A result, in JSON form.
    pub fn record(&self, value: Value) {
        if self.form == Form::Json {
            print_out(&format!("{value}\n"));
        }
    }

    /// A failure, in JSON form.
    pub fn failure(&self, value: Value) {
        if self.form == Form::Json {
            print_err(&format!("{value}\n"));
        }
    }

    /// Something that nobody asked for just now: goes above the prompt if there is one.
    pub fn event(&self, text: &str, value: Value) {
        let text = match self.form {
            Form::Text => text.to_owned(),
            Form::Json => format!("{value}\n"),
        };
        match self.above_prompt().as_mut() {
            Some(print) => print(text),
            None => print_out(&text),
        }
    }

    /// Sets how events are printed from now on; `None` while nobody types.
    pub fn set_above_prompt(&self, print: Option<AbovePrompt>) {
        *self.above_prompt() = print;
    }

    fn above_prompt(&self) -> MutexGuard<'_, Option<AbovePrompt>> {
        self.above_prompt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader that has gone away (`zkrs shell ls -R / | head`) ends the program as it ends other filters.
fn print_out(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

fn print_err(text: &str) {
    // Nobody is left to be told that standard error is gone.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
