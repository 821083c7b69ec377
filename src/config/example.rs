//! Examples that are tested to load.

/// Every key with its default, commented.
pub fn example() -> &'static str {
    include_str!("../../config/postrider.example.toml")
}

/// The least that collects something.
pub fn minimal() -> &'static str {
    include_str!("../../config/minimal.toml")
}
