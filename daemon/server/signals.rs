//! The signals that end the server: the first one cleanly, a second one at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code added to a signal's number by whoever dies of it.
const EXIT_SIGNAL: i32 = 128;

/// Listens for the signals that concern a server.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    ends_with_terminal: bool,
}

/// A signal that ends the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    pub name: &'static str,
    number: i32,
}

impl Ending {
    /// What a process ends with that dies of the signal.
    pub fn exit_code(self) -> i32 {
        EXIT_SIGNAL + self.number
    }
}

impl Signals {
    /// Takes the signals over. A server whose terminal goes away ends if `ends_with_terminal`, and goes on otherwise.
    ///
    /// # Errors
    /// The system's; also if this is not called within a runtime.
    pub fn listen(ends_with_terminal: bool) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            ends_with_terminal,
        })
    }

    /// Waits for one that ends the server.
    pub async fn ending(&mut self) -> Ending {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Ending { name: "SIGTERM", number: 15 },
                _ = self.interrupt.recv() => return Ending { name: "SIGINT", number: 2 },
                _ = self.hang_up.recv() => {
                    if self.ends_with_terminal {
                        return Ending { name: "SIGHUP", number: 1 };
                    }
                    tracing::info!("SIGHUP: there is nothing to reload");
                }
            }
        }
    }
}
