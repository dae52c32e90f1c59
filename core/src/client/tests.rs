//! The state machine driven by scripted bytes.
