//! The file of single requests: one line each, due time (Unix, nanoseconds) and latency (nanoseconds).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use super::tally::Sample;

/// Writes them all, in the order in which they finished.
///
/// # Errors
/// The file's, naming it.
pub fn write(path: &Path, started_unix: Duration, samples: &[Sample]) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut file = BufWriter::new(File::create(path).map_err(named)?);
    write_lines(&mut file, started_unix, samples).and_then(|()| file.flush()).map_err(named)
}

fn write_lines(out: &mut impl Write, started_unix: Duration, samples: &[Sample]) -> io::Result<()> {
    let start = started_unix.as_nanos();
    for sample in samples {
        writeln!(out, "{} {}", start + u128::from(sample.due_nanos), sample.latency_nanos)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_are_unix_nanoseconds() {
        let samples = [Sample { due_nanos: 5, latency_nanos: 70 }, Sample { due_nanos: 9, latency_nanos: 8 }];
        let mut out = Vec::new();
        write_lines(&mut out, Duration::from_secs(2), &samples).expect("a Vec takes all");
        assert_eq!(out, b"2000000005 70\n2000000009 8\n");
    }
}
