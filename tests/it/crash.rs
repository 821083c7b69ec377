//! The real binary killed by SIGKILL, and its store as a power cut may leave it.
//!
//! What takes long is done in full by `cargo test --test it crash -- --ignored --nocapture`; the
//! same code runs a part of it each time.

mod audit;
mod damage;
mod matrix;
mod places;
mod power;
mod random;
mod scene;
mod start;
mod torn;
