//! How a server ends when it cannot go on: one clear message and its own exit code.
//!
//! Two things end it. A write or a sync that failed: what is on disk is then unknown, and recovery is the only
//! retry. A panic in one of its threads: the tree may be half changed, and must not be served.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of a process whose disk refused a write or a sync.
pub const EXIT_DISK: i32 = 20;
/// Exit code of a process in which a server thread panicked.
pub const EXIT_PANIC: i32 = 21;

/// Why the server cannot go on. Displayed as the message for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fatal {
    /// A write or a sync failed.
    Disk {
        /// The file, the operation, the system's error and the remedy.
        message: String,
    },
    /// A thread panicked; the panic's own message is already on standard error.
    Panic {
        /// Which thread.
        thread: String,
    },
}

impl Fatal {
    /// The code that the process ends with.
    pub fn exit_code(&self) -> i32 {
        match self {
            Fatal::Disk { .. } => EXIT_DISK,
            Fatal::Panic { .. } => EXIT_PANIC,
        }
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fatal::Disk { message } => {
                write!(
                    f,
                    "the disk failed, the server ends so that nothing unsaved is acknowledged: {message}"
                )
            }
            Fatal::Panic { thread } => write!(
                f,
                "a defect stopped the thread {thread}, the server ends so that no half-made change is served; please \
                 report the message above"
            ),
        }
    }
}

/// What is called, once, when the server cannot go on. It is expected not to return; if it does, nothing further is
/// acknowledged.
pub type OnFatal = Arc<dyn Fn(&Fatal) + Send + Sync>;

/// The way out, shared by all threads of a server.
#[derive(Clone)]
pub(crate) struct Exit {
    on_fatal: OnFatal,
    taken: Arc<AtomicBool>,
}

impl Exit {
    /// With what to call; `None` prints the message to standard error and ends the process.
    pub(crate) fn new(on_fatal: Option<OnFatal>) -> Self {
        let on_fatal = on_fatal.unwrap_or_else(|| Arc::new(end_process));
        Self { on_fatal, taken: Arc::default() }
    }

    /// Takes the way out, if nobody did before.
    pub(crate) fn take(&self, fatal: &Fatal) {
        if !self.taken.swap(true, Ordering::SeqCst) {
            (self.on_fatal)(fatal);
        }
    }

    /// Watches the calling thread until the guard is dropped: a panic in between is fatal.
    pub(crate) fn guard(&self) -> PanicGuard {
        PanicGuard { exit: self.clone() }
    }
}

/// Takes the way out when it is dropped by a panic.
pub(crate) struct PanicGuard {
    exit: Exit,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
            self.exit.take(&Fatal::Panic { thread });
        }
    }
}

fn end_process(fatal: &Fatal) {
    eprintln!("zkrs: {fatal}");
    std::process::exit(fatal.exit_code());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_panic_under_guard_is_reported_once() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let exit = Exit::new(Some(Arc::new({
            let seen = Arc::clone(&seen);
            move |fatal: &Fatal| seen.lock().unwrap().push(fatal.clone())
        })));
        for _ in 0..2 {
            let exit = exit.clone();
            let thread = std::thread::Builder::new().name("t".to_owned());
            let thread = thread.spawn(move || {
                let _guard = exit.guard();
                panic!("on purpose");
            });
            assert!(thread.unwrap().join().is_err());
        }
        assert_eq!(*seen.lock().unwrap(), [Fatal::Panic { thread: "t".to_owned() }]);
    }
}
