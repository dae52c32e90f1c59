//! libFuzzer's entry. `ZKRS_FUZZ_TARGET` names the target; `run.sh` sets it.
#![no_main]

use std::sync::OnceLock;

use zkrs_fuzz::Target;

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("ZKRS_FUZZ_TARGET").expect("ZKRS_FUZZ_TARGET names the target");
        Target::find(&name).unwrap_or_else(|| panic!("no target is called {name}"))
    });
    target.run(bytes);
});
