//! One request of a wanted kind, mostly meaningful where the sequence stands.

use super::{Generator, Kind};
use crate::material;
use crate::op;
use crate::request::{Mangle, Request};
use crate::step::{Data, Path, Version};

const MULTI_ELEMENTS_MAX: usize = 5;

impl Generator {
    pub(super) fn request(&mut self, kind: Kind) -> Request {
        let odd = self.temper.odd_path_percent;
        let rng = &mut self.rng;
        match kind {
            Kind::Create | Kind::OddXid => self.create(),
            Kind::Delete => {
                let path = material::path(rng, &self.existing, odd);
                if rng.once_in(2)
                    && let Path::Below(place) = &path
                    && !place.is_empty()
                {
                    self.existing.retain(|other| other != place);
                }
                Request::Versioned { op: op::DELETE, path, version: material::version(&mut self.rng) }
            }
            Kind::SetData => Request::SetData {
                path: material::path(rng, &self.existing, odd),
                data: material::data(rng),
                version: material::version(rng),
            },
            Kind::Read => {
                let path = material::path(rng, &self.existing, odd);
                let watch = rng.percent(60);
                if watch {
                    self.watched.push(path.clone());
                }
                let op = *rng.pick(&[op::EXISTS, op::GET_DATA, op::GET_CHILDREN, op::GET_CHILDREN2]);
                Request::Watching { op, path, watch }
            }
            Kind::SetAcl => Request::SetAcl {
                path: material::path(rng, &self.existing, odd),
                acl: material::acl(rng, 70),
                version: material::version(rng),
            },
            Kind::GetAcl => {
                Request::PathOnly { op: op::GET_ACL, path: material::path(rng, &self.existing, odd) }
            }
            Kind::Multi => self.multi(),
            Kind::MultiRead => self.multi_read(),
            Kind::AddWatch => {
                let path = material::path(rng, &self.existing, odd);
                self.watched.push(path.clone());
                Request::WatchKind { op: op::ADD_WATCH, path, kind: *rng.pick(&[0, 0, 0, 1, 1, 1, 1, 2, -1]) }
            }
            Kind::RemoveWatches => Request::WatchKind {
                op: *rng.pick(&[op::REMOVE_WATCHES, op::CHECK_WATCHES]),
                path: match self.watched.is_empty() || rng.once_in(4) {
                    true => material::path(rng, &self.existing, odd),
                    false => rng.pick(&self.watched).clone(),
                },
                kind: *rng.pick(&[1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 0, 6, -1]),
            },
            Kind::SetWatches => self.set_watches(),
            Kind::Auth => {
                let (scheme, auth) = material::credentials(rng);
                Request::Auth { scheme, auth }
            }
            Kind::Mangled => self.mangled(),
            Kind::UnknownOp => Request::Bare {
                op: *rng.pick(&[0, 10, 13, 23, 50, 99, 108, -1, -2, -12, 1000, i32::MAX, i32::MIN]),
            },
            Kind::Lookup => self.lookup(),
            Kind::Sasl => Request::Sasl { token: rng.once_in(2).then(|| b"token".to_vec()) },
            Kind::Reconfig => self.reconfig(),
            Kind::QuotaZnode => self.quota_znode(),
            Kind::Boundary => Request::SetData {
                path: Path::Below(String::new()),
                data: if rng.once_in(4) { material::boundary_data(rng) } else { Data::Filled(3) },
                version: Version::Exact(-1),
            },
            other => unreachable!("{other:?} is no request"),
        }
    }

    fn create(&mut self) -> Request {
        let rng = &mut self.rng;
        let op = *rng.pick(&[
            op::CREATE,
            op::CREATE,
            op::CREATE2,
            op::CREATE2,
            op::CREATE_CONTAINER,
            op::CREATE_TTL,
        ]);
        let flags = match (op, rng.percent(90)) {
            (op::CREATE_CONTAINER, true) => 4,
            (op::CREATE_TTL, true) => *rng.pick(&[5, 6]),
            (_, true) => *rng.pick(&[0, 0, 0, 1, 1, 2, 2, 3]),
            (_, false) => *rng.pick(&[0, 1, 2, 3, 4, 5, 6, 7, -1, 100]),
        };
        // A negative time with a mode that has none ends an Apache server for good.
        let ttl = (op == op::CREATE_TTL).then(|| match flags {
            5 | 6 => material::ttl(rng),
            _ => rng.below(3) as i64,
        });
        let path = match rng.percent(50) {
            true => Path::Below((*rng.pick(&material::COMMON)).to_string()),
            false => material::path(rng, &self.existing, self.temper.odd_path_percent),
        };
        let (data, acl) = (material::data(rng), material::acl(rng, self.temper.closed_acl_percent));
        if let Path::Below(place) = &path
            && (0..=1).contains(&flags)
            && !self.existing.contains(place)
        {
            self.existing.push(place.clone());
        }
        Request::Create { op, path, data, acl, flags, ttl }
    }

    fn multi(&mut self) -> Request {
        let count = self.rng.below(MULTI_ELEMENTS_MAX + 1);
        let elements = (0..count).map(|_| self.multi_element()).collect();
        Request::Multi { op: op::MULTI, elements }
    }

    fn multi_element(&mut self) -> Request {
        let kind = match self.rng.below(40) {
            0..=15 => Kind::Create,
            16..=21 => Kind::Delete,
            22..=29 => Kind::SetData,
            30..=37 => {
                let path = material::path(&mut self.rng, &self.existing, self.temper.odd_path_percent);
                return Request::Versioned { op: op::CHECK, path, version: material::version(&mut self.rng) };
            }
            _ => *self.rng.pick(&[Kind::Read, Kind::SetAcl, Kind::Lookup, Kind::GetAcl, Kind::AddWatch]),
        };
        self.request(kind)
    }

    fn multi_read(&mut self) -> Request {
        let count = self.rng.below(MULTI_ELEMENTS_MAX + 1);
        let odd_kind = self.rng.once_in(10);
        let elements = (0..count)
            .map(|_| match odd_kind {
                true => self.multi_element(),
                false => Request::Watching {
                    op: *self.rng.pick(&[op::GET_DATA, op::GET_CHILDREN]),
                    path: material::path(&mut self.rng, &self.existing, self.temper.odd_path_percent),
                    watch: self.rng.percent(30),
                },
            })
            .collect();
        Request::Multi { op: op::MULTI_READ, elements }
    }

    fn set_watches(&mut self) -> Request {
        let op = *self.rng.pick(&[op::SET_WATCHES, op::SET_WATCHES2, op::SET_WATCHES2]);
        let zxid = material::zxid(&mut self.rng);
        let lists = (0..if op == op::SET_WATCHES { 3 } else { 5 })
            .map(|_| {
                let count = self.rng.below(4);
                (0..count)
                    .map(|_| material::path(&mut self.rng, &self.existing, self.temper.odd_path_percent / 2))
                    .collect()
            })
            .collect();
        Request::SetWatches { op, zxid, lists }
    }

    fn mangled(&mut self) -> Request {
        let kind = *self.rng.pick(&[
            Kind::Create,
            Kind::Create,
            Kind::Delete,
            Kind::SetData,
            Kind::Read,
            Kind::SetAcl,
            Kind::GetAcl,
            Kind::Multi,
            Kind::Multi,
            Kind::MultiRead,
            Kind::AddWatch,
            Kind::RemoveWatches,
            Kind::SetWatches,
            Kind::Auth,
            Kind::Lookup,
            Kind::Sasl,
            Kind::Reconfig,
        ]);
        let inner = self.request(kind);
        let mut how = material::mangle(&mut self.rng);
        if inner.op() == op::CREATE_TTL {
            // Changed flags would make the deadly pair of a mode without and a time below 0.
            how = Mangle::Truncate(self.rng.below(1000));
        }
        Request::Mangled { inner: Box::new(inner), how }
    }

    fn lookup(&mut self) -> Request {
        let rng = &mut self.rng;
        let op = *rng.pick(&[
            op::SYNC,
            op::PING,
            op::WHO_AM_I,
            op::GET_EPHEMERALS,
            op::GET_EPHEMERALS,
            op::GET_ALL_CHILDREN_NUMBER,
        ]);
        match op {
            op::PING | op::WHO_AM_I => Request::Bare { op },
            _ => Request::PathOnly {
                op,
                path: material::path(rng, &self.existing, self.temper.odd_path_percent),
            },
        }
    }

    fn reconfig(&mut self) -> Request {
        let rng = &mut self.rng;
        let mut text = || rng.once_in(2).then(|| b"server.1=127.0.0.1:1:2:participant;3".to_vec());
        let members = [text(), text(), text()];
        Request::Reconfig { members, config_id: *self.rng.pick(&[-1, 0, 1, i64::MAX]) }
    }

    /// A request about a quota's znodes that leaves them well formed.
    fn quota_znode(&mut self) -> Request {
        let rng = &mut self.rng;
        let folder = *rng.pick(&["", "", "/a", "/a/x"]);
        let (limits, stats) = (format!("{folder}/zookeeper_limits"), format!("{folder}/zookeeper_stats"));
        let version = Version::Exact(-1);
        match rng.below(6) {
            0 => Request::SetData { path: Path::Quota(limits), data: material::limits(rng), version },
            1 => Request::Versioned { op: op::DELETE, path: Path::Quota(limits), version },
            2 => Request::Versioned { op: op::DELETE, path: Path::Quota(stats), version },
            3 => Request::Watching { op: op::GET_DATA, path: Path::Quota(limits), watch: rng.once_in(2) },
            4 => Request::SetData {
                path: Path::Quota(stats),
                data: Data::Bytes(b"count=1,bytes=2".to_vec()),
                version,
            },
            _ => Request::Watching { op: op::GET_DATA, path: Path::Quota(stats), watch: rng.once_in(2) },
        }
    }
}
