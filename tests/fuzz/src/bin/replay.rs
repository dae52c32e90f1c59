//! Runs the committed inputs through their targets, without libFuzzer: `replay [target...]`, `replay <target>
//! <file>`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use zkrs_fuzz::{TARGETS, Target};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [name, file] = &args[..]
        && let Some(target) = Target::find(name)
        && Path::new(file).is_file()
    {
        target.run(&fs::read(file).expect("the file can be read"));
        println!("{name}: {file} passes");
        return ExitCode::SUCCESS;
    }
    let unknown: Vec<&String> = args.iter().filter(|name| Target::find(name).is_none()).collect();
    if !unknown.is_empty() {
        eprintln!("no target or file: {unknown:?}");
        return ExitCode::FAILURE;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in
        TARGETS.iter().filter(|target| args.is_empty() || args.iter().any(|name| name == target.name))
    {
        let mut inputs = 0;
        for folder in ["corpus", "regressions"] {
            inputs += replay(target, &root.join(folder).join(target.name));
        }
        println!("{:<16} {inputs} inputs pass", target.name);
        if inputs == 0 {
            eprintln!("the corpus of {} is missing", target.name);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Runs every file of a folder, in the order of their names; how many there were.
fn replay(target: &Target, folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    paths.sort();
    for path in &paths {
        let bytes = fs::read(path).expect("the file can be read");
        // Only seen when it fails: a panic does not say which input it was.
        let name = path.display().to_string();
        let guard = Named(&name);
        target.run(&bytes);
        std::mem::forget(guard);
    }
    paths.len()
}

/// Says its name when a panic passes by.
struct Named<'a>(&'a str);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        eprintln!("this was {}", self.0);
    }
}
