//! A client connection as every thread sees it, and the table of them.
//!
//! The reading half of a connection belongs to its I/O thread (`io.rs`) and is not here.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use mio::net::TcpStream;
use zkrs_core::peer::ConnId;

use crate::out::Out;
use crate::stats::ConnStats;

/// A client connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub id: ConnId,
    pub address: SocketAddr,
    /// Which I/O thread reads from it.
    pub io_thread: usize,
    pub stream: TcpStream,
    pub out: Out,
    pub stats: ConnStats,
}

impl Conn {
    /// Sends what is waiting, as far as the socket takes it.
    pub(crate) fn flush(&self) {
        self.out.flush(&self.stream);
    }
}

/// The low bits of a connection's id are its place in the table, which is its token at its I/O thread's poll.
const SLOT_BITS: u32 = 24;
const SLOTS_MAX: usize = 1 << SLOT_BITS;

/// The place of a connection in the table.
pub(crate) fn slot_of(id: ConnId) -> usize {
    (id as usize) & (SLOTS_MAX - 1)
}

/// How many connections are let in. 0 for no limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnLimits {
    pub connections_max: usize,
    pub connections_per_address_max: usize,
}

/// Why a connection was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// `maxCnxns`.
    Total(usize),
    /// `maxClientCnxns`.
    PerAddress(usize),
}

/// All open connections. Lives beside the peer, under the same lock.
#[derive(Debug, Default)]
pub(crate) struct Conns {
    slots: Vec<Option<Arc<Conn>>>,
    free: Vec<u32>,
    per_address: HashMap<IpAddr, usize>,
    open: usize,
    serial: u64,
}

impl Conns {
    /// Whether one more connection from `address` may come in.
    pub(crate) fn check(&self, address: IpAddr, limits: ConnLimits) -> Result<(), Rejected> {
        let total = limits.connections_max;
        if (total > 0 && self.open >= total) || self.open >= SLOTS_MAX {
            return Err(Rejected::Total(self.open));
        }
        let per_address = limits.connections_per_address_max;
        if per_address > 0 {
            let there = self.per_address.get(&address).copied().unwrap_or(0);
            if there >= per_address {
                return Err(Rejected::PerAddress(there));
            }
        }
        Ok(())
    }

    /// Adds a connection made for the id it will have.
    pub(crate) fn insert(&mut self, make: impl FnOnce(ConnId) -> Conn) -> Arc<Conn> {
        let slot = match self.free.pop() {
            Some(slot) => slot as usize,
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        self.serial += 1;
        let conn = Arc::new(make((self.serial << SLOT_BITS) | slot as u64));
        *self.per_address.entry(conn.address.ip()).or_default() += 1;
        self.open += 1;
        self.slots[slot] = Some(Arc::clone(&conn));
        conn
    }

    /// Removes a connection; its id never comes back.
    pub(crate) fn remove(&mut self, id: ConnId) {
        let slot = slot_of(id);
        let Some(place) = self.slots.get_mut(slot) else { return };
        let Some(conn) = place.take_if(|conn| conn.id == id) else { return };
        self.free.push(slot as u32);
        self.open -= 1;
        if let Some(there) = self.per_address.get_mut(&conn.address.ip()) {
            *there -= 1;
            if *there == 0 {
                self.per_address.remove(&conn.address.ip());
            }
        }
    }

    /// The connection of an id, if it is still open.
    pub(crate) fn get(&self, id: ConnId) -> Option<&Arc<Conn>> {
        self.slots.get(slot_of(id))?.as_ref().filter(|conn| conn.id == id)
    }

    /// The connection at a place.
    pub(crate) fn at(&self, slot: usize) -> Option<&Arc<Conn>> {
        self.slots.get(slot)?.as_ref()
    }

    /// Every open connection, in the order of their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Conn>> {
        self.slots.iter().flatten()
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> (Conns, impl Fn(ConnId) -> Conn) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let make = move |id| Conn {
            // Asking keeps the listener alive.
            stream: TcpStream::from_std(
                std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap(),
            ),
            id,
            address: SocketAddr::from(([10, 0, 0, 1], 1)),
            io_thread: 0,
            out: Out::default(),
            stats: ConnStats::new(0),
        };
        (Conns::default(), make)
    }

    #[test]
    fn places_are_reused_and_ids_are_not() {
        let (mut conns, make) = table();
        let first = conns.insert(&make).id;
        let second = conns.insert(&make).id;
        conns.remove(first);
        conns.remove(first);
        let third = conns.insert(&make).id;
        assert_eq!(slot_of(third), slot_of(first));
        assert_ne!(third, first);
        assert!(conns.get(first).is_none() && conns.get(second).is_some() && conns.get(third).is_some());
        assert_eq!((conns.len(), conns.iter().count()), (2, 2));
    }

    #[test]
    fn limits_count_what_is_open() {
        let (mut conns, make) = table();
        let here = IpAddr::from([10, 0, 0, 1]);
        let limits = ConnLimits { connections_max: 3, connections_per_address_max: 2 };
        let first = conns.insert(&make).id;
        assert_eq!(conns.check(here, limits), Ok(()));
        conns.insert(&make);
        assert_eq!(conns.check(here, limits), Err(Rejected::PerAddress(2)));
        assert_eq!(conns.check(IpAddr::from([10, 0, 0, 2]), limits), Ok(()));
        conns.insert(&make);
        assert_eq!(conns.check(IpAddr::from([10, 0, 0, 2]), limits), Err(Rejected::Total(3)));
        conns.remove(first);
        let unlimited = ConnLimits { connections_max: 0, connections_per_address_max: 0 };
        assert_eq!(conns.check(here, unlimited), Ok(()));
        assert_eq!(conns.per_address.get(&here), Some(&2));
    }
}
