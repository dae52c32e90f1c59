//! A client that goes to sleep with an ephemeral and never comes back.

use std::net::SocketAddr;

use zkrs_core::proto::{CreateMode, ErrorCode};

use crate::wire::{Wire, eventually};

/// The sleeper: what it left behind, if it left anything.
#[derive(Default)]
pub struct Sleeper {
    left: Option<(String, i64, Vec<u8>)>,
}

impl Sleeper {
    /// Opens a session of the shortest timeout, makes an ephemeral, and is heard of no more.
    pub fn lie_down(&mut self, address: SocketAddr) {
        let mut wire = Wire::connect(address);
        wire.open_session(1).expect("a session");
        let path = format!("/sleeper-{:x}", wire.session);
        assert_eq!(wire.create(&path, b"", CreateMode::Ephemeral), Ok(ErrorCode::Ok));
        self.left = Some((path, wire.session, wire.password));
    }

    /// Waits until the session has expired, be it before the kill or after.
    pub fn is_gone(&mut self, address: SocketAddr) {
        let Some((path, session, password)) = self.left.take() else { return };
        let mut wire = Wire::with_session(address);
        eventually("an abandoned session expires", || {
            let there = wire.exists(&path).expect("the server serves");
            (!there).then_some(())
        });
        let mut late = Wire::connect(address);
        let answer = late.resume_session(session, &password).expect("an answer");
        assert_eq!(answer.session_id, 0, "an expired session is not resumed");
    }
}
