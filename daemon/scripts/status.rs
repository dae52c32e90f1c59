//! `zkServer.sh status`: the mode of the server that a `zoo.cfg` describes.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use super::config_file::ConfigFile;
use crate::status::four_letter_word;

/// Where a server serves clients.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: String,
    port: String,
    is_tls: bool,
}

/// Prints the mode. Ends with 1 if there is no answer.
pub fn print(config: &ConfigFile) -> ExitCode {
    let Some(Place { host, port, is_tls }) = place(config, |text| println!("{text}")) else {
        println!("Unable to find either secure or unsecure client port in any configs. Terminating.");
        return ExitCode::FAILURE;
    };
    println!("Client port found: {port}. Client address: {host}. Client SSL: {is_tls}.");
    match four_letter_word(&address(&host, &port), "srvr").ok().and_then(|answer| mode(&answer)) {
        Some(mode) => {
            println!("{mode}");
            ExitCode::SUCCESS
        }
        None => {
            println!("Error contacting service. It is probably not running.");
            ExitCode::FAILURE
        }
    }
}

/// Whether somebody answers on the client port.
pub fn serves(config: &ConfigFile) -> bool {
    place(config, |_| {})
        .is_some_and(|place| four_letter_word(&address(&place.host, &place.port), "srvr").is_ok())
}

fn mode(answer: &str) -> Option<String> {
    answer.lines().find(|line| line.contains("Mode")).map(str::to_owned)
}

fn address(host: &str, port: &str) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The client port: in the file, in this server's line of the membership, or the one for TLS.
fn place(config: &ConfigFile, mut say: impl FnMut(&str)) -> Option<Place> {
    let host = config.get("clientPortAddress").unwrap_or("localhost").to_owned();
    if let Some(port) = config.get("clientPort").filter(|port| is_number(port)) {
        return Some(Place { host, port: port.to_owned(), is_tls: false });
    }
    let my_id = config.get("dataDir").and_then(|dir| fs::read_to_string(Path::new(dir).join("myid")).ok());
    let my_id = my_id.map(|text| text.trim().to_owned()).filter(|id| is_number(id));
    match my_id {
        None => {
            say("myid could not be determined, will not able to locate clientPort in the server configs.")
        }
        Some(id) => match client_of(config, &id, &mut say) {
            Some(client) => {
                let (host, port) = match client.rsplit_once(':') {
                    Some((host, port)) => (host.trim_matches(['[', ']']).to_owned(), port),
                    None => (host, client.as_str()),
                };
                return Some(Place { host, port: port.to_owned(), is_tls: false });
            }
            None => say("Client port not found in the server configs"),
        },
    }
    say("Client port not found. Looking for secureClientPort in the static config.");
    let port = config.get("secureClientPort")?.to_owned();
    let host = config.get("secureClientPortAddress").unwrap_or("localhost").to_owned();
    Some(Place { host, port, is_tls: true })
}

/// What stands behind the semicolon of `server.N=...;...`.
fn client_of(config: &ConfigFile, id: &str, say: &mut impl FnMut(&str)) -> Option<String> {
    let key = format!("server.{id}");
    let client = |config: &ConfigFile| {
        let (_, client) = config.get(&key)?.rsplit_once(';')?;
        Some(client.trim().to_owned()).filter(|client| !client.is_empty())
    };
    client(config).or_else(|| {
        say("Client port not found in static config file. Looking in dynamic config file.");
        client(&ConfigFile::read(Path::new(config.get("dynamicConfigFile")?)).ok()?)
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<Place> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("myid"), "2\n").unwrap();
        let dynamic = directory.path().join("dynamic");
        fs::write(&dynamic, "server.2=b:1:2;[::1]:2183\n").unwrap();
        let file = directory.path().join("zoo.cfg");
        let text = text.replace("DYNAMIC", dynamic.to_str().unwrap());
        fs::write(&file, format!("dataDir={}\n{text}", directory.path().display())).unwrap();
        place(&ConfigFile::read(&file).unwrap(), |_| {})
    }

    #[test]
    fn the_client_port_is_looked_for_where_the_script_looks() {
        let place =
            |host: &str, port: &str, is_tls| Some(Place { host: host.into(), port: port.into(), is_tls });
        assert_eq!(found("clientPort = 2181"), place("localhost", "2181", false));
        assert_eq!(found("clientPort=1\nclientPortAddress=10.0.0.1"), place("10.0.0.1", "1", false));
        assert_eq!(found("server.2=b:1:2:participant;2182"), place("localhost", "2182", false));
        assert_eq!(found("server.2=b:1:2;0.0.0.0:2182"), place("0.0.0.0", "2182", false));
        assert_eq!(found("dynamicConfigFile=DYNAMIC"), place("::1", "2183", false));
        assert_eq!(found("secureClientPort=2281"), place("localhost", "2281", true));
        assert_eq!(found("tickTime=1"), None);
        assert_eq!(address("::1", "1"), "[::1]:1");
    }
}
