//! How far recovery is, drawn on standard error when that is a terminal and there is enough to read.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use zkrs_server::Progress;

/// Less than this is read before anybody looks.
const SHOWN_FROM_BYTES: u64 = 32 << 20;

/// A callback for the server's start.
pub fn bar() -> Box<dyn FnMut(Progress)> {
    if !io::stderr().is_terminal() {
        return Box::new(|_| {});
    }
    let mut bar: Option<ProgressBar> = None;
    Box::new(move |progress| {
        if progress.bytes_total < SHOWN_FROM_BYTES {
            return;
        }
        let bar = bar.get_or_insert_with(new_bar);
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_done);
        bar.set_message(format!("{} txns", progress.txns));
        if progress.bytes_done >= progress.bytes_total {
            bar.finish_and_clear();
        }
    })
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = "recovering [{bar:40}] {bytes}/{total_bytes} {msg} {eta}";
    // The template is a constant, and a bad one would only look plain.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
