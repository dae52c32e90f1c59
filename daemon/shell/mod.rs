//! `zkrs shell`, also called `zkCli.sh`: commands typed, piped in, or given as arguments.
//!
//! It talks as Apache ZooKeeper's zkCli 3.9.5 talks. What differs on purpose: a one-shot call closes its session
//! unless it made an ephemeral znode, `help` is a command, and what makes zkCli die of a Java exception (a
//! version that is no number) is an error like the others.

mod acl;
mod commands;
mod error;
mod events;
mod flags;
mod hexdump;
mod limits;
mod line;
mod options;
mod output;
mod path;
mod prompt;
mod stat;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use zkrs_client::{Client, ErrorCode, Options as ClientOptions, SessionState};

use error::{CliError, EXIT_FAILED, Outcome};
use events::{Events, is_over};
use options::{HELP, Options};
use output::{Form, Output};
use prompt::{Prompt, Typed};

/// How long the end of the shell waits for the session to be closed by the server.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a command waits for a server before it fails with ConnectionLoss, as it does in zkCli after a failed
/// attempt.
const NO_SERVER_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the first prompt at a terminal waits for the connection, to show its state and not to be in its way.
const GREETING_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a completion may take.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the shell with the words that follow its name.
pub fn main(words: Vec<String>) -> ExitCode {
    let options = match Options::parse(words) {
        Ok(options) if options.help => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(EXIT_FAILED);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::from(EXIT_FAILED);
        }
    };
    // As a task among the others the shell takes its turn behind the printing of events that came before a reply.
    let exit = runtime.block_on(async { tokio::spawn(run(options)).await });
    let exit = ExitCode::from(exit.unwrap_or(EXIT_FAILED));
    // A thread may still wait for a line that nobody will type.
    runtime.shutdown_background();
    exit
}

async fn run(options: Options) -> u8 {
    let out = Output::new(if options.json { Form::Json } else { Form::Text });
    let mut shell = match Shell::start(&options, out.clone()).await {
        Ok(shell) => shell,
        Err(error) => {
            out.note(error.text());
            out.failure(error.json());
            return EXIT_FAILED;
        }
    };
    if options.command.is_empty() {
        shell.ask_for_lines(&options).await;
        shell.close().await;
    } else {
        shell.execute(options.command).await;
        if shell.made_ephemeral.load(Ordering::Relaxed) {
            // Dropping the client would end the session, and the znode with it; zkCli leaves it to expire.
            let exit = shell.exit;
            std::mem::forget(shell);
            return exit;
        }
        // Nobody waits for that event, and zkCli does not print it either.
        shell.events.set_session_printed(false);
        shell.close().await;
    }
    shell.exit
}

struct Shell {
    /// What `connect` without an argument connects to.
    host: String,
    client_options: ClientOptions,
    client: Client,
    session_events: JoinHandle<()>,
    out: Output,
    events: Events,
    /// Every line so far; `redo` replaces its own by the one that it repeats.
    history: Vec<String>,
    made_ephemeral: AtomicBool,
    exit: u8,
    is_over: bool,
}

impl Shell {
    async fn start(options: &Options, out: Output) -> Result<Self, CliError> {
        if let Some(file) = &options.client_configuration {
            out.note(&format!("-client-configuration {file}: this build has no TLS; the file is not read"));
        }
        if !options.quiet {
            out.line(&format!("Connecting to {}", options.server));
        }
        let events = Events::start(out.clone());
        // In JSON a one-shot call has one object for an answer.
        events.set_session_printed(!options.quiet && (!options.json || options.command.is_empty()));
        let mut client_options = ClientOptions::default();
        client_options.session_timeout = Duration::from_millis(options.timeout_ms);
        client_options.read_only = options.read_only;
        let client = Client::start(&options.server, client_options.clone())?;
        let session_events = events.session(&client);
        if options.wait_for_connection {
            let limit = Duration::from_millis(options.timeout_ms);
            let connected = client.wait_connected(limit).await;
            connected.map_err(|_| CliError::of_code(ErrorCode::ConnectionLoss, None))?;
        }
        Ok(Self {
            host: options.server.clone(),
            client_options,
            client,
            session_events,
            out,
            events,
            history: Vec::new(),
            made_ephemeral: AtomicBool::new(false),
            exit: 0,
            is_over: false,
        })
    }

    async fn ask_for_lines(&mut self, options: &Options) {
        let mut prompt = Prompt::start(self.out.clone(), options.json);
        if !options.quiet {
            self.out.line("Welcome to ZooKeeper!");
            let state = if prompt.is_edited() { "enabled" } else { "disabled" };
            self.out.line(&format!("JLine support is {state}"));
        }
        if prompt.is_edited() {
            let _ = self.client.wait_connected(GREETING_TIMEOUT).await;
            self.events.settle().await;
        }
        while !self.is_over {
            prompt.ask(self.prompt());
            match self.typed(&mut prompt).await {
                Some(line) if line.is_empty() => {}
                Some(line) => self.execute_line(line).await,
                None => break,
            }
        }
    }

    /// Waits for a line, and answers completions meanwhile.
    async fn typed(&self, prompt: &mut Prompt) -> Option<String> {
        loop {
            match prompt.typed().await? {
                Typed::Line(line) => return Some(line),
                Typed::Completion { parent, reply } => {
                    let listing = tokio::time::timeout(COMPLETION_TIMEOUT, self.client.get_children(&parent));
                    let children = listing.await.ok().and_then(Result::ok).unwrap_or_default();
                    let _ = reply.send(children);
                }
            }
        }
    }

    async fn execute_line(&mut self, line: String) {
        let words = line::split(&line);
        self.history.push(line);
        if !words.is_empty() {
            self.execute(words).await;
        }
    }

    /// Runs a command, prints why it failed, and remembers the exit code.
    async fn execute(&mut self, words: Vec<String>) {
        if matches!(words[0].as_str(), "quit" | "exit") {
            // Keeps the exit code of the command before it.
            self.is_over = true;
            return;
        }
        let outcome = match self.repeated(words) {
            Ok(words) => self.dispatch(words).await,
            Err(error) => Err(error),
        };
        self.exit = 0;
        if let Err(error) = outcome {
            self.exit = error.exit;
            self.out.note(error.text());
            self.out.failure(error.json());
        }
        self.events.settle().await;
    }

    /// The words of an earlier line in the place of `redo N`.
    fn repeated(&mut self, words: Vec<String>) -> Result<Vec<String>, CliError> {
        let ("redo", Some(number)) = (words[0].as_str(), words.get(1)) else { return Ok(words) };
        let last = self.history.len().saturating_sub(1);
        let number: i64 =
            number.parse().map_err(|_| CliError::new(format!("For input string: \"{number}\"")))?;
        let earlier = usize::try_from(number).ok().filter(|index| *index < last);
        let line = earlier.and_then(|index| self.history.get(index)).cloned();
        let line = line.ok_or_else(|| CliError::new("Command index out of range"))?;
        let words = line::split(&line);
        if words.first().is_none_or(|first| first == "redo") {
            return Err(CliError::new("No redoing redos"));
        }
        self.history[last] = line;
        Ok(words)
    }

    async fn dispatch(&mut self, words: Vec<String>) -> Outcome {
        let argument = words.get(1).map(String::as_str);
        match words[0].as_str() {
            "help" => {
                self.out.note(&commands::usage());
                self.out.record(serde_json::json!({ "commands": commands::names() }));
                return Ok(());
            }
            "history" => self.print_history(),
            "printwatches" => self.print_watches(argument),
            "connect" => self.connect(argument).await?,
            "redo" => {}
            name if !commands::is_known(name) => {
                self.out.note(&commands::usage());
                return Err(CliError::not_found(name));
            }
            _ => {}
        }
        if is_over(self.client.state()) {
            self.out.line("Not connected");
            self.out.failure(serde_json::json!({ "error": "Not connected" }));
            return Ok(());
        }
        if !commands::is_known(&words[0]) {
            return Ok(());
        }
        let closes = words[0] == "close";
        let cx = commands::Context {
            client: &self.client,
            out: &self.out,
            events: &self.events,
            made_ephemeral: &self.made_ephemeral,
        };
        let path = words.iter().find(|word| word.starts_with('/')).cloned();
        let outcome = tokio::select! {
            outcome = commands::run(&cx, words) => outcome,
            () = no_server(&self.client) => Err(CliError::of_code(ErrorCode::ConnectionLoss, path.as_deref())),
        };
        if closes {
            self.session_events_end().await;
        }
        outcome
    }

    fn print_history(&self) {
        let last = self.history.len();
        let lines = self.history.iter().enumerate().skip(last.saturating_sub(11));
        for (number, line) in lines {
            self.out.line(&format!("{number} - {line}"));
        }
        self.out.record(serde_json::json!({ "history": self.history }));
    }

    fn print_watches(&self, argument: Option<&str>) {
        match argument {
            Some(argument) => self.events.set_printed(argument == "on"),
            None => {
                let state = if self.events.are_printed() { "on" } else { "off" };
                self.out.line(&format!("printwatches is {state}"));
                self.out.record(serde_json::json!({ "printwatches": state }));
            }
        }
    }

    async fn connect(&mut self, host: Option<&str>) -> Outcome {
        self.close().await;
        let host = host.unwrap_or(&self.host).to_owned();
        self.client = Client::start(&host, self.client_options.clone())?;
        self.session_events = self.events.session(&self.client);
        self.host = host;
        Ok(())
    }

    /// Ends the session, and waits until that was printed.
    async fn close(&mut self) {
        if !is_over(self.client.state()) {
            // A server that does not answer lets the session expire.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.client.close()).await;
        }
        self.session_events_end().await;
    }

    async fn session_events_end(&mut self) {
        if !self.session_events.is_finished() {
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, &mut self.session_events).await;
        }
        self.events.settle().await;
    }

    fn prompt(&self) -> String {
        let state = match self.client.state() {
            SessionState::Connected => "CONNECTED",
            SessionState::ConnectedReadOnly => "CONNECTEDREADONLY",
            SessionState::AuthFailed => "AUTH_FAILED",
            SessionState::Closed | SessionState::Expired => "CLOSED",
            _ => "CONNECTING",
        };
        format!("[zk: {}({state}) {}] ", self.host, self.history.len())
    }
}

/// Ends once there has been no server for a while.
async fn no_server(client: &Client) {
    let mut states = client.states();
    // The sender of states lives in the client, so it cannot be gone.
    let waits = |state: &SessionState| !state.is_connected() && !is_over(*state);
    loop {
        let _ = states.wait_for(waits).await;
        if tokio::time::timeout(NO_SERVER_TIMEOUT, states.wait_for(|state| !waits(state))).await.is_err() {
            return;
        }
    }
}
