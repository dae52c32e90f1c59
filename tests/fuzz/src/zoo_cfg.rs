//! Configuration files: every text gives a configuration or errors that can be read.

use zkrs_server::config::ServerConfig;

/// The first byte says whether unknown keys are refused.
pub fn check(bytes: &[u8]) {
    let Some((strict, text)) = bytes.split_first() else { return };
    match ServerConfig::from_text("zoo.cfg", text, strict & 1 == 1) {
        Ok((config, warnings)) => {
            for warning in warnings {
                assert!(!warning.to_string().is_empty());
            }
            assert!(!format!("{config:?}").is_empty());
            assert!(config.data_dir.as_os_str().len() <= text.len() + 64, "a directory comes from the text");
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "a refusal has a reason");
            for error in errors {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}
