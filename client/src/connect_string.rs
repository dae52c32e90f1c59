//! `host:port,host:port/chroot`.

use crate::Error;

/// A parsed connect string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectString {
    /// `host:port` each, in the order given.
    pub hosts: Vec<String>,
    /// Empty for none.
    pub chroot: String,
}

impl ConnectString {
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (hosts, chroot) = match text.find('/') {
            Some(slash) => (&text[..slash], &text[slash..]),
            None => (text, ""),
        };
        if chroot.len() > 1 && !zkrs_core::path::is_valid(chroot) {
            return Err(invalid(format!("{chroot:?} is not a path")));
        }
        let hosts: Vec<String> = hosts
            .split(',')
            .map(str::trim)
            .filter(|host| !host.is_empty())
            .map(with_port)
            .collect::<Result<_, _>>()?;
        if hosts.is_empty() {
            return Err(invalid(format!("{text:?} names no server")));
        }
        let chroot = if chroot == "/" { "" } else { chroot };
        Ok(Self { hosts, chroot: chroot.to_owned() })
    }
}

fn with_port(host: &str) -> Result<String, Error> {
    let bare_v6 = host.starts_with('[') && host.ends_with(']');
    let colons = host.matches(':').count();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !bare_v6 && (colons == 1 || name.ends_with(']')) => (name, port),
        _ if bare_v6 || colons == 0 => return Ok(format!("{host}:{DEFAULT_PORT}")),
        // An IPv6 address without brackets; its last group cannot be told from a port.
        _ => return Err(invalid(format!("{host:?} needs brackets: [address]:port"))),
    };
    match port.parse::<u16>() {
        Ok(port) if port > 0 && !name.is_empty() => Ok(format!("{name}:{port}")),
        _ => Err(invalid(format!("{host:?} is not host:port"))),
    }
}

fn invalid(reason: String) -> Error {
    Error::InvalidConnectString { reason }
}

const DEFAULT_PORT: u16 = 2181;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_ports_and_chroot() {
        let parsed = ConnectString::parse("a:1, b ,[::1]:3,[::2]/app/x").unwrap();
        assert_eq!(parsed.hosts, ["a:1", "b:2181", "[::1]:3", "[::2]:2181"]);
        assert_eq!(parsed.chroot, "/app/x");
        assert_eq!(ConnectString::parse("a/").unwrap().chroot, "");
    }

    #[test]
    fn what_is_refused() {
        for text in ["", ",", "/app", "a:0", "a:x", "a:70000", ":1", "::1", "a:1/app/", "a:1//", "a:1/../x"] {
            assert!(
                matches!(ConnectString::parse(text), Err(Error::InvalidConnectString { .. })),
                "{text:?} was accepted"
            );
        }
    }
}
