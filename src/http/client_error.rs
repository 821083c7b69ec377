//! What makes a client impossible: always something in the configuration.

use std::path::PathBuf;

/// Why no client can be made from the settings.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the file {} cannot be read", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the file {} is not good PEM", path.display())]
    BadPem { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("the file {} has no PEM certificate", .0.display())]
    NoCertificate(PathBuf),
    #[error("the file {} has no PEM private key", .0.display())]
    NoKey(PathBuf),
    #[error("the file {} has a certificate that cannot serve as an authority", path.display())]
    Authority { path: PathBuf, source: rustls::Error },
    #[error("the key {} does not go with the certificate {}", key.display(), cert.display())]
    Identity { cert: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("client_cert needs client_key, and the other way round")]
    HalfIdentity,
    #[error("\"{0}\" is neither a host name nor an IP address")]
    ServerName(String),
    #[error(
        "no authority of this machine can be used to verify certificates; install its package ca-certificates, or name a file of them by tls.ca_file"
    )]
    NoAuthorities(#[source] rustls::Error),
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    #[error("the proxy's address is not a URL such as http://proxy.example.com:3128")]
    Proxy,
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
}
