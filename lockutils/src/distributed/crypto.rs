//! Which implementation of cryptography TLS takes.

/// That of the program, if it has chosen one; else ring. It has to be said where a program has two of them, which `rustls` would
/// answer with a panic.
pub(super) fn choose() {
    // It fails when another one was chosen, which stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
