//! From a seed to the steps of a sequence.
//!
//! Each sequence has its own temper: the weights of the kinds of step are drawn anew, so that some sequences
//! are all watches and others all multis. A rough model of what exists keeps most requests meaningful.
//! Requests that end an Apache server for good are never made (`docs/differences.md` lists them).

mod requests;

use crate::material;
use crate::op;
use crate::request::Request;
use crate::rng::Rng;
use crate::side::SLOTS;
use crate::step::{Data, Path, SessionRef, Step, ZxidRef};

/// Steps of a sequence, at least and at most (a kind of step may add a few more).
const STEPS: (usize, usize) = (12, 50);
const BURST_REQUESTS_MAX: usize = 12;
/// One sequence in so many waits for a session to expire, which takes seconds.
const EXPIRY_ONCE_IN: usize = 1500;

/// Kinds of request, with their weights before a sequence's temper.
const REQUEST_WEIGHTS: [(Kind, usize); 20] = [
    (Kind::Create, 30),
    (Kind::Delete, 10),
    (Kind::SetData, 12),
    (Kind::Read, 22),
    (Kind::SetAcl, 5),
    (Kind::GetAcl, 4),
    (Kind::Multi, 10),
    (Kind::MultiRead, 4),
    (Kind::AddWatch, 7),
    (Kind::RemoveWatches, 5),
    (Kind::SetWatches, 4),
    (Kind::Auth, 4),
    (Kind::Mangled, 5),
    (Kind::UnknownOp, 1),
    (Kind::Lookup, 8),
    (Kind::Sasl, 1),
    (Kind::Reconfig, 1),
    (Kind::QuotaZnode, 4),
    (Kind::OddXid, 1),
    (Kind::Boundary, 1),
];

/// The same for what is more than one request.
const STEP_WEIGHTS: [(Kind, usize); 9] = [
    (Kind::Request, 100),
    (Kind::Burst, 10),
    (Kind::Connect, 3),
    (Kind::Reattach, 5),
    (Kind::Drop, 2),
    (Kind::CloseSession, 1),
    (Kind::OddConnect, 2),
    (Kind::RawBytes, 1),
    (Kind::Quota, 4),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    Delete,
    SetData,
    Read,
    SetAcl,
    GetAcl,
    Multi,
    MultiRead,
    AddWatch,
    RemoveWatches,
    SetWatches,
    Auth,
    Mangled,
    UnknownOp,
    Lookup,
    Sasl,
    Reconfig,
    QuotaZnode,
    OddXid,
    Boundary,
    Request,
    Burst,
    Connect,
    Reattach,
    Drop,
    CloseSession,
    OddConnect,
    RawBytes,
    Quota,
}

/// The steps of the sequence with this seed.
pub fn generate(seed: u64) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let expiry = rng.once_in(EXPIRY_ONCE_IN);
    let temper = Temper::draw(&mut rng);
    let mut generator = Generator {
        rng,
        temper,
        existing: vec![String::new()],
        watched: Vec::new(),
        open: [false; SLOTS],
        steps: Vec::new(),
    };
    if expiry {
        // First, while the sequence's own znode is still there and open to all.
        generator.push_expiry();
    }
    generator.fill();
    generator.steps
}

/// What a sequence is fond of.
struct Temper {
    requests: Vec<usize>,
    steps: Vec<usize>,
    odd_path_percent: usize,
    closed_acl_percent: usize,
}

impl Temper {
    fn draw(rng: &mut Rng) -> Self {
        let mut scale = |weights: &[(Kind, usize)]| -> Vec<usize> {
            weights.iter().map(|(_, weight)| weight * rng.pick(&[0, 1, 2, 2, 2, 6])).collect()
        };
        let (mut requests, mut steps) = (scale(&REQUEST_WEIGHTS), scale(&STEP_WEIGHTS));
        requests[0] = requests[0].max(20);
        steps[0] = 200;
        Self {
            requests,
            steps,
            odd_path_percent: *rng.pick(&[2, 5, 5, 25]),
            closed_acl_percent: *rng.pick(&[0, 10, 10, 50]),
        }
    }
}

struct Generator {
    rng: Rng,
    temper: Temper,
    /// Paths, relative to the sequence's znode, that probably exist.
    existing: Vec<String>,
    /// Paths that somebody was told to watch.
    watched: Vec<Path>,
    open: [bool; SLOTS],
    steps: Vec<Step>,
}

impl Generator {
    fn fill(&mut self) {
        for slot in 0..2 + self.rng.below(SLOTS - 1) {
            self.push_connect(slot);
        }
        let count = STEPS.0 + self.rng.below(STEPS.1 - STEPS.0);
        while self.steps.len() < count {
            self.push_step();
        }
    }

    fn push_step(&mut self) {
        let slot = self.rng.below(SLOTS);
        let kind = STEP_WEIGHTS[self.rng.weighted(&self.temper.steps)].0;
        if !self.open[slot] && !matches!(kind, Kind::Reattach | Kind::OddConnect) {
            // Mostly another slot will do.
            return if self.rng.once_in(8) {
                self.push_connect(slot)
            };
        }
        match kind {
            Kind::Burst => self.push_burst(slot),
            Kind::Connect => self.push_connect(slot),
            Kind::Reattach => self.push_reattach(slot),
            Kind::Drop => {
                self.open[slot] = false;
                self.steps.push(Step::Drop { slot });
            }
            Kind::CloseSession => {
                self.open[slot] = false;
                self.push_request(slot, Request::Bare { op: op::CLOSE_SESSION });
            }
            Kind::OddConnect => self.push_odd_connect(slot),
            Kind::RawBytes => {
                self.open[slot] = false;
                let bytes = material::raw_bytes(&mut self.rng);
                self.steps.push(Step::RawBytes { slot, bytes });
            }
            Kind::Quota => self.push_quota(slot),
            _ => {
                let kind = REQUEST_WEIGHTS[self.rng.weighted(&self.temper.requests)].0;
                let xid =
                    (kind == Kind::OddXid).then(|| *self.rng.pick(&[0, -5, i32::MIN, i32::MAX, -9, 1, 1]));
                let request = self.request(kind);
                self.steps.push(Step::Send { slot, xid, request });
            }
        }
    }

    fn push_request(&mut self, slot: usize, request: Request) {
        self.steps.push(Step::Send { slot, xid: None, request });
    }

    fn push_connect(&mut self, slot: usize) {
        self.open[slot] = true;
        self.steps.push(Step::Connect {
            slot,
            session: SessionRef::New,
            zxid: ZxidRef::Exact(0),
            timeout_ms: *self.rng.pick(&[20_000, 30_000, 40_000, 120_000, 200_000, i32::MAX]),
            read_only: *self.rng.pick(&[Some(false), Some(false), Some(true), None]),
            mangle: None,
        });
        if self.rng.percent(30) {
            let auth = Request::Auth { scheme: Some(b"digest".to_vec()), auth: Some(b"u1:p1".to_vec()) };
            self.push_request(slot, auth);
        }
    }

    fn push_reattach(&mut self, slot: usize) {
        let session = match self.rng.below(12) {
            0 => SessionRef::OwnWrongPassword,
            1 => SessionRef::OfSlot(self.rng.below(SLOTS)),
            _ => SessionRef::Own,
        };
        self.open[slot] = session != SessionRef::OwnWrongPassword;
        self.steps.push(Step::Connect {
            slot,
            session,
            zxid: ZxidRef::Last,
            timeout_ms: *self.rng.pick(&[30_000, 50_000]),
            read_only: *self.rng.pick(&[Some(false), Some(true), None]),
            mangle: None,
        });
        if self.rng.percent(60) {
            let request = self.request(Kind::SetWatches);
            self.push_request(slot, request);
        }
    }

    fn push_odd_connect(&mut self, slot: usize) {
        self.open[slot] = false;
        let (session, zxid, mangle) = match self.rng.below(3) {
            0 => (SessionRef::Unknown, ZxidRef::Exact(0), None),
            1 => (SessionRef::New, material::zxid(&mut self.rng), None),
            _ => (SessionRef::New, ZxidRef::Exact(0), Some(material::mangle(&mut self.rng))),
        };
        let (timeout_ms, read_only) = (30_000, *self.rng.pick(&[Some(false), None]));
        self.steps.push(Step::Connect { slot, session, zxid, timeout_ms, read_only, mangle });
    }

    fn push_burst(&mut self, slot: usize) {
        let count = 2 + self.rng.below(BURST_REQUESTS_MAX - 1);
        let mut requests = Vec::new();
        if self.rng.once_in(8) {
            // Auth is answered out of turn, so it may only come first, and must succeed.
            requests.push(Request::Auth { scheme: Some(b"digest".to_vec()), auth: Some(b"u2:p2".to_vec()) });
        }
        while requests.len() < count {
            let kind = REQUEST_WEIGHTS[self.rng.weighted(&self.temper.requests)].0;
            let ends_connection = matches!(kind, Kind::Auth | Kind::UnknownOp | Kind::Boundary);
            let kind = if ends_connection { Kind::Create } else { kind };
            let request = self.request(kind);
            // Auth and sasl are answered out of turn. Two things depend on how fast Apache applies what came
            // before: whether a request behind a setACL is checked by the old list or the new one, and
            // whether a container made with an ephemeral mode counts as ephemeral.
            let is_racy = matches!(request.op(), op::AUTH | op::SASL | op::SET_ACL | op::CREATE_CONTAINER);
            if !is_racy || matches!(request, Request::Create { flags: 4, .. }) {
                requests.push(request);
            }
        }
        if self.rng.once_in(10) {
            requests.push(self.request(Kind::SetAcl));
        }
        if self.rng.once_in(20) {
            self.open[slot] = false;
            requests.push(Request::Bare { op: op::CLOSE_SESSION });
        }
        self.steps.push(Step::Burst { slot, requests });
    }

    /// The znodes of a quota on the sequence's znode or one below it.
    fn push_quota(&mut self, slot: usize) {
        let place = *self.rng.pick(&["", "", "/a", "/a/x"]);
        let mut folder = String::new();
        self.push_quota_znode(slot, &folder, Data::Bytes(Vec::new()));
        for part in place.split('/').skip(1) {
            folder = format!("{folder}/{part}");
            self.push_quota_znode(slot, &folder, Data::Null);
        }
        let limits = material::limits(&mut self.rng);
        self.push_quota_znode(slot, &format!("{folder}/zookeeper_limits"), limits);
        let stats = Data::Bytes(b"count=0,bytes=0".to_vec());
        self.push_quota_znode(slot, &format!("{folder}/zookeeper_stats"), stats);
    }

    fn push_quota_znode(&mut self, slot: usize, place: &str, data: Data) {
        let path = Path::Quota(place.to_string());
        let acl = material::acl(&mut self.rng, 0);
        self.push_request(slot, Request::Create { op: op::CREATE, path, data, acl, flags: 0, ttl: None });
    }

    /// Another client's session ends by itself while client 0 watches.
    fn push_expiry(&mut self) {
        let (watcher, dying) = (0, 3);
        self.push_connect(watcher);
        let timeout_ms = *self.rng.pick(&[100, 0, -5]);
        let (zxid, read_only, mangle) = (ZxidRef::Exact(0), Some(false), None);
        let session = SessionRef::New;
        self.steps.push(Step::Connect { slot: dying, session, zxid, timeout_ms, read_only, mangle });
        for name in ["/e1", "/e2", "/e3"] {
            let (path, acl) = (Path::Below(name.to_string()), material::acl(&mut self.rng, 0));
            let data = Data::Bytes(Vec::new());
            self.push_request(
                dying,
                Request::Create { op: op::CREATE, path, data, acl, flags: 1, ttl: None },
            );
        }
        let path = Path::Below("/e1".to_string());
        self.push_request(watcher, Request::Watching { op: op::EXISTS, path, watch: true });
        self.push_request(
            watcher,
            Request::WatchKind { op: op::ADD_WATCH, path: Path::Below(String::new()), kind: 0 },
        );
        self.steps.push(Step::Drop { slot: dying });
        self.steps.push(Step::AwaitEvent { slot: watcher });
        self.push_reattach(dying);
    }
}
