//! Crash campaigns over simulated disks.
