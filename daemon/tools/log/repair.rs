//! Mending logs: wrong checksums made right in a copy, and an end cut off.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};

use zkrs_core::txn::decode_payload;
use zkrs_storage::txnlog::truncate_after;
use zkrs_storage::{DirLock, Dirs, RealFs};

use super::frames::{Frame, Frames};
use super::{print_header, refuse_partial, shown};
use crate::tools::ToolError;

/// Copies `file` to `file.fixed`; asks about each wrong checksum unless `yes`.
pub fn recover(out: &mut dyn Write, file: &Path, yes: bool, verbose: bool) -> Result<(), ToolError> {
    let target = with_suffix(file, ".fixed");
    if target.exists() {
        let text = format!("Recovery file {} already exists or not writable", target.display());
        return Err(ToolError::new(text));
    }
    let mut frames = Frames::open(file)?;
    let mut copy = create_new(&target)?;
    print_header(out, &frames)?;
    copy.write_all(&frames.header.bytes())?;
    let (mut count, mut fixed) = (0_u64, 0_u64);
    while let Some(frame) = frames.next()? {
        let mut stored = frame.stored;
        if !frame.is_intact() {
            let prefix = if yes { "CRC FIXED" } else { "CRC ERROR" };
            writeln!(out, "{prefix} - {}", shown(&frame))?;
            if yes || wants_fix(out)? {
                stored = frame.checksum();
                fixed += 1;
            }
        }
        if verbose {
            writeln!(out, "{}", shown(&frame))?;
        }
        refuse_partial(&frame)?;
        copy.write_all(&frame.bytes(stored))?;
        count += 1;
    }
    finish(copy)?;
    writeln!(out, "EOF reached after {count} txns.")?;
    let target = target.display();
    Ok(writeln!(out, "Recovery file {target} has been written with {fixed} fixed CRC error(s)")?)
}

/// Copies the transactions up to `zxid` to `file.chopped<zxid>`, if the file holds that one and later ones.
pub fn chop_file(out: &mut dyn Write, file: &Path, zxid: i64) -> Result<(), ToolError> {
    let target = with_suffix(file, &format!(".chopped{zxid}"));
    let mut frames = Frames::open(file)?;
    print_header(out, &frames)?;
    let mut kept = frames.header.bytes().to_vec();
    let (mut count, mut has_it) = (0_u64, false);
    while let Some(frame) = frames.next()? {
        let found = intact_zxid(&frame)?;
        if found > zxid {
            if !has_it {
                writeln!(out, "This log does not contain zxid {zxid:x}")?;
                return Err(failed_to_chop(file));
            }
            writeln!(out, "Chopping at {zxid:x} new log has {count} records")?;
            let mut copy = create_new(&target)?;
            copy.write_all(&kept)?;
            return finish(copy);
        }
        has_it |= found == zxid;
        kept.extend(frame.bytes(frame.stored));
        count += 1;
    }
    writeln!(out, "EOF reached after {count} txns.")?;
    Err(failed_to_chop(file))
}

/// Cuts the logs of a directory in place.
pub fn chop_directory(out: &mut dyn Write, directory: &Path, zxid: i64) -> Result<(), ToolError> {
    // A server that runs on the directory holds its lock; servers run on nothing that has another name.
    let root = directory.parent().filter(|_| directory.ends_with("version-2"));
    let _lock = root.map(|root| DirLock::take(&RealFs, &Dirs::new(root, None))).transpose()?;
    let done = truncate_after(&RealFs, directory, zxid)?;
    for file in &done.files_removed {
        writeln!(out, "removed {}", file.display())?;
    }
    if let Some((file, bytes)) = &done.cut {
        writeln!(out, "cut {} behind {bytes} bytes", file.display())?;
    }
    match done.last_zxid {
        Some(last) => writeln!(out, "the last txn is 0x{last:x}")?,
        None => writeln!(out, "no txn is left")?,
    }
    Ok(())
}

fn intact_zxid(frame: &Frame) -> Result<i64, ToolError> {
    if !frame.is_intact() {
        let (stored, found) = (frame.stored, frame.checksum());
        return Err(ToolError::new(format!("CRC doesn't match {stored} vs {found}")));
    }
    refuse_partial(frame)?;
    match decode_payload(&frame.payload) {
        Ok((header, _, _)) => Ok(header.zxid),
        Err(error) => Err(ToolError::new(format!("offset {}: not a transaction: {error}", frame.offset))),
    }
}

fn failed_to_chop(file: &Path) -> ToolError {
    ToolError::usage(format!("Failed to chop {}", file.file_name().unwrap_or_default().display()))
}

fn wants_fix(out: &mut dyn Write) -> Result<bool, ToolError> {
    loop {
        write!(out, "Would you like to fix it (Yes/No/Abort) ? ")?;
        out.flush()?;
        let mut answer = String::new();
        if io::stdin().lock().read_line(&mut answer)? == 0 {
            return Err(ToolError::new("Recovery aborted: no answer"));
        }
        match answer.trim_start().chars().next().map(|c| c.to_ascii_uppercase()) {
            Some('Y') => return Ok(true),
            Some('N') => return Ok(false),
            Some('A') => return Err(ToolError { text: "Recovery aborted.".to_owned(), exit: 0 }),
            _ => {}
        }
    }
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn create_new(path: &Path) -> Result<BufWriter<File>, ToolError> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.map(BufWriter::new).map_err(|error| ToolError::new(format!("{}: {error}", path.display())))
}

fn finish(copy: BufWriter<File>) -> Result<(), ToolError> {
    let file = copy.into_inner().map_err(|error| ToolError::from(error.into_error()))?;
    Ok(file.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkrs_core::txn::{Txn, TxnHeader, encode_payload, kind};

    fn entry(zxid: i64) -> Frame {
        let mut payload = Vec::new();
        let header = TxnHeader { client_id: 1, cxid: 0, zxid, time_ms: 0, kind: kind::DELETE };
        encode_payload(&header, &Txn::Delete { path: "/a".into() }, None, &mut payload);
        let mut frame = Frame { offset: 0, stored: 0, payload, is_whole: true };
        frame.stored = frame.checksum();
        frame
    }

    fn log(directory: &Path, damaged: i64) -> PathBuf {
        let path = directory.join("log.1");
        let mut bytes = super::super::frames::FileHeader { version: 2, dbid: 0 }.bytes().to_vec();
        for zxid in 1..=3 {
            let frame = entry(zxid);
            bytes.extend(frame.bytes(if zxid == damaged { 7 } else { frame.stored }));
        }
        bytes.extend([0; 64]);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn text(tool: impl FnOnce(&mut Vec<u8>) -> Result<(), ToolError>) -> (String, Option<String>) {
        let mut out = Vec::new();
        let result = tool(&mut out);
        (String::from_utf8(out).unwrap(), result.err().map(|error| error.text))
    }

    #[test]
    fn a_wrong_checksum_is_made_right_in_a_copy() {
        let directory = tempfile::tempdir().unwrap();
        let file = log(directory.path(), 2);
        let (out, error) = text(|out| recover(out, &file, true, false));
        assert_eq!(error, None);
        assert!(out.contains("CRC FIXED - ") && out.contains("zxid 0x2 delete '/a\n"), "{out}");
        assert!(out.ends_with("log.1.fixed has been written with 1 fixed CRC error(s)\n"), "{out}");
        let (out, error) = text(|out| super::super::verify_file(out, &directory.path().join("log.1.fixed")));
        assert_eq!(error, None);
        assert!(out.ends_with(": 3 txns, 0x1 to 0x3, whole\n"), "{out}");
        let (_, error) = text(|out| super::super::verify_file(out, &file));
        assert!(error.unwrap().contains("CRC error: stored 7"), "not found");
        let (_, error) = text(|out| recover(out, &file, true, false));
        assert!(error.unwrap().ends_with("already exists or not writable"));
    }

    #[test]
    fn a_log_is_chopped_behind_a_transaction() {
        let directory = tempfile::tempdir().unwrap();
        let file = log(directory.path(), 0);
        let (out, error) = text(|out| chop_file(out, &file, 2));
        assert_eq!(error, None);
        assert!(out.ends_with("Chopping at 2 new log has 2 records\n"), "{out}");
        let (out, _) = text(|out| super::super::verify_file(out, &directory.path().join("log.1.chopped2")));
        assert!(out.ends_with(": 2 txns, 0x1 to 0x2, whole\n"), "{out}");
        let (out, error) = text(|out| chop_file(out, &file, 3));
        assert!(out.ends_with("EOF reached after 3 txns.\n"), "{out}");
        assert_eq!(error.as_deref(), Some("Failed to chop log.1"));
    }

    #[test]
    fn damage_is_shown_and_does_not_end_a_dump() {
        let directory = tempfile::tempdir().unwrap();
        let file = log(directory.path(), 1);
        let (out, error) = text(|out| super::super::dump(out, &file, false, 0));
        assert_eq!(error, None);
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[0], "ZooKeeper Transactional Log File with dbid 0 txnlog format version 2");
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[1], format!("CRC ERROR - {}", lines[2]));
        assert_eq!(lines[5], "EOF reached after 3 txns.");
        let (out, _) = text(|out| super::super::dump(out, &file, true, 3));
        assert_eq!(out.lines().count(), 1);
        assert!(out.contains(r#""zxid":"0x3""#), "{out}");
    }
}
