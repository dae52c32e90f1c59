//! What a server keeps over restarts, and how it ends.

mod support;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use support::*;
use zkrs_core::proto::ErrorCode;
use zkrs_server::{EXIT_DISK, Fatal, Server, StartError, StartOptions};
use zkrs_storage::fs::Access;
use zkrs_storage::{Fs, FsFile, RealFs};

#[test]
fn a_restart_keeps_znodes_and_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let first = server(dir.path(), "");
    let mut client = Client::connect(first.client_addr());
    client.create("/kept", b"data");
    client.call(&create("/mine", b"", 1));
    let session = client.session.clone();
    first.shutdown();
    assert_end(&mut client.stream);

    let second = server(dir.path(), "");
    assert_eq!(second.recovered().txns, 3, "createSession and two creates");
    let mut again = Client::resume(second.client_addr(), session.session_id, session.password);
    assert_eq!(again.session.session_id, session.session_id);
    assert_eq!(again.get("/kept"), Ok(b"data".to_vec()));
    assert_eq!(again.get("/mine"), Ok(vec![]));
    again.close();
    let mut other = Client::connect(second.client_addr());
    assert_eq!(other.get("/mine"), Err(ErrorCode::NoNode), "gone with its session");
}

#[test]
fn a_shutdown_under_load_loses_no_acknowledged_write() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for _ in 0..5 {
        let server = server(dir.path(), "");
        let at = server.client_addr();
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..3)
            .map(|_| {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || {
                    let mut client = Client::connect(at);
                    let mut made = 0;
                    while !stop.load(Ordering::SeqCst) {
                        for _ in 0..16 {
                            client.send(&create("/n-", b"", 2));
                        }
                        for _ in 0..16 {
                            match read_frame(&mut client.stream) {
                                Some(_) => made += 1,
                                None => return made,
                            }
                        }
                    }
                    made
                })
            })
            .collect();
        wait_for("writes flow", || monitored(at, "znode_count").parse::<u64>().unwrap() > acknowledged + 100);
        server.shutdown();
        stop.store(true, Ordering::SeqCst);
        acknowledged += writers.into_iter().map(|writer| writer.join().unwrap()).sum::<u64>();
    }
    let server = server(dir.path(), "");
    let there: u64 = monitored(server.client_addr(), "znode_count").parse().unwrap();
    assert!(there >= acknowledged, "{there} znodes, {acknowledged} acknowledged");
}

#[test]
fn snapshots_are_taken_and_the_log_behind_them_suffices() {
    let dir = tempfile::tempdir().unwrap();
    let first = server(dir.path(), "snapCount=100\n");
    let at = first.client_addr();
    let mut client = Client::connect(at);
    for _ in 0..500 {
        assert_eq!(client.call(&create("/s-", b"x", 2)).err, ErrorCode::Ok);
    }
    wait_for("a snapshot is done", || monitored(at, "cnt_snapshottime") != "0");
    let digest = word(at, "hash");
    assert!(!digest.is_empty());
    first.shutdown();
    let second = server(dir.path(), "snapCount=100\n");
    assert!(second.recovered().txns < 501, "{:?}", second.recovered());
    assert_eq!(monitored(second.client_addr(), "znode_count"), "505");
    assert_eq!(monitored(second.client_addr(), "digest_mismatches_count"), "0");
}

#[test]
fn a_port_or_a_directory_that_is_taken_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let running = server(dir.path(), "");
    let same_dir = Server::start(config(dir.path(), "")).unwrap_err();
    assert!(matches!(same_dir, StartError::Storage(_)), "{same_dir}");
    assert!(same_dir.to_string().contains("another server is running on this directory"), "{same_dir}");
    let other = tempfile::tempdir().unwrap();
    let port = format!("clientPort={}\n", running.client_addr().port());
    let same_port = Server::start(config(other.path(), &port)).unwrap_err();
    assert!(same_port.to_string().contains("stop the program that has it"), "{same_port}");
    assert!(!other.path().join("version-2").exists(), "a start that fails on its port touches no disk");
}

#[test]
fn an_empty_database_that_is_not_meant_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = Server::start(config(dir.path(), "db.autocreate=false\n")).unwrap_err();
    assert!(refused.to_string().contains("initialize"), "{refused}");
    std::fs::write(dir.path().join("initialize"), b"").unwrap();
    server(dir.path(), "db.autocreate=false\n").shutdown();
    assert!(!dir.path().join("initialize").exists());
    server(dir.path(), "db.autocreate=false\n");
}

/// What fails, once it is switched on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Write,
    Sync,
}

/// The real disk until the switch is thrown.
#[derive(Clone)]
struct FaultyFs {
    fault: Fault,
    on: Arc<AtomicBool>,
}

struct FaultyFile {
    file: Box<dyn FsFile>,
    faults: FaultyFs,
}

impl FaultyFs {
    fn check(&self, fault: Fault, kind: io::ErrorKind) -> io::Result<()> {
        match self.fault == fault && self.on.load(Ordering::SeqCst) {
            true => Err(kind.into()),
            false => Ok(()),
        }
    }

    fn wrap(&self, file: io::Result<Box<dyn FsFile>>) -> io::Result<Box<dyn FsFile>> {
        Ok(Box::new(FaultyFile { file: file?, faults: self.clone() }))
    }
}

impl Fs for FaultyFs {
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealFs.list(dir)
    }
    fn is_dir(&self, path: &Path) -> bool {
        RealFs.is_dir(path)
    }
    fn exists(&self, path: &Path) -> bool {
        RealFs.exists(path)
    }
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealFs.create_dir_all(dir)
    }
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn FsFile>> {
        self.wrap(RealFs.open(path, access))
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.wrap(RealFs.create(path))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFs.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealFs.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealFs.sync_dir(dir)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        RealFs.lock(path)
    }
}

impl FsFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.faults.check(Fault::Write, io::ErrorKind::StorageFull)?;
        self.file.write_at(bytes, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.faults.check(Fault::Write, io::ErrorKind::StorageFull)?;
        self.file.allocate(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.faults.check(Fault::Sync, io::ErrorKind::Other)?;
        self.file.sync_data()
    }
    fn sync_all(&self) -> io::Result<()> {
        self.faults.check(Fault::Sync, io::ErrorKind::Other)?;
        self.file.sync_all()
    }
    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        self.file.next_data(offset)
    }
    fn done_with(&self, offset: u64, len: u64) {
        self.file.done_with(offset, len);
    }
}

#[test]
fn a_disk_that_fails_ends_the_server_and_nothing_unsaved_is_acknowledged() {
    for fault in [Fault::Write, Fault::Sync] {
        let dir = tempfile::tempdir().unwrap();
        let faulty = FaultyFs { fault, on: Arc::default() };
        let seen: Arc<Mutex<Vec<Fatal>>> = Arc::default();
        let on_fatal = {
            let seen = Arc::clone(&seen);
            Arc::new(move |fatal: &Fatal| seen.lock().unwrap().push(fatal.clone()))
        };
        let options =
            StartOptions { fs: Some(Arc::new(faulty.clone())), on_fatal: Some(on_fatal), progress: None };
        let server = Server::start_with(config(dir.path(), ""), options).unwrap();
        let mut client = Client::connect(server.client_addr());
        assert_eq!(client.create("/before", b"").err, ErrorCode::Ok);
        faulty.on.store(true, Ordering::SeqCst);
        client.send(&create("/after", b"", 0));
        wait_for("the failure is reported", || !seen.lock().unwrap().is_empty());
        let fatal = seen.lock().unwrap()[0].clone();
        assert_eq!(fatal.exit_code(), EXIT_DISK);
        let text = fatal.to_string();
        assert!(text.contains("version-2") && text.contains("disk"), "{text}");
        server.shutdown();
        assert_end(&mut client.stream);
        assert_eq!(seen.lock().unwrap().len(), 1, "said once");

        let server = support::server(dir.path(), "");
        let mut client = Client::connect(server.client_addr());
        assert_eq!(client.get("/before"), Ok(vec![]));
    }
}
