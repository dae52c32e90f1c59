//! `zkrs status`: what a running server says to the four-letter word `srvr`.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read; `srvr` has about 200 bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Prints the server's answer. Ends with 1 if there is none.
pub fn main(arguments: &[String]) -> ExitCode {
    let address = match arguments {
        [] => "127.0.0.1:2181",
        [address] if !address.starts_with('-') => address,
        _ => {
            eprintln!("usage: zkrs status [host:port]");
            return ExitCode::from(crate::EXIT_USAGE);
        }
    };
    match four_letter_word(address, "srvr") {
        Ok(answer) => {
            print!("{answer}");
            if answer.contains("\nMode: ") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("zkrs status: no answer from {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends a word and reads until the server closes.
///
/// # Errors
/// The address, the connection, or a silence of five seconds.
pub fn four_letter_word(address: &str, word: &str) -> io::Result<String> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return ask(stream, word),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn ask(mut stream: TcpStream, word: &str) -> io::Result<String> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(word.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_word_is_answered_until_the_server_closes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut word = [0; 4];
            stream.read_exact(&mut word).unwrap();
            stream.write_all(b"Zookeeper version: x\nMode: standalone\n").unwrap();
            word
        });
        let answer = four_letter_word(&address, "srvr").unwrap();
        assert_eq!(server.join().unwrap(), *b"srvr");
        assert!(answer.contains("\nMode: standalone\n"));
    }

    #[test]
    fn no_server_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        assert!(four_letter_word(&address, "srvr").is_err());
    }
}
