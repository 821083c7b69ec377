//! TLS for HTTP and syslog alike: the system's authorities plus the configured one, TLS 1.2 or
//! newer, and errors that say what to change.

use std::{
    error::Error,
    io,
    path::Path,
    sync::{Arc, OnceLock},
};

use rustls::{
    AlertDescription, CertificateError, ClientConfig,
    client::{Resumption, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

use super::ClientError;
use crate::{config::Tls, fault::Fault};

mod fixed_name;

/// Names of a foreign certificate that are told.
const NAMES: usize = 5;
/// Remembered for a shorter handshake: eight of each of four servers. A source or sink talks to one
/// or two; rustls would make room for 32, and a thousand sources each have their own.
const SESSIONS: usize = 32;

/// A client configuration: verification on, client certificate where there is one.
pub fn tls_config(settings: &Tls) -> Result<ClientConfig, ClientError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(verifier(settings)?);
    let mut config = match (&settings.client_cert, &settings.client_key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            builder.with_client_auth_cert(certificates(cert)?, private_key(key)?).map_err(
                |source| ClientError::Identity { cert: cert.clone(), key: key.clone(), source },
            )?
        }
        _ => return Err(ClientError::HalfIdentity),
    };
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(config)
}

/// Makes `config` verify the peer's certificate for `name` whatever name it is reached by. The
/// peer still sees the name of the address (SNI).
pub fn verify_as(config: &mut ClientConfig, settings: &Tls, name: &str) -> Result<(), ClientError> {
    let inner = verifier(settings)?;
    let verifier = fixed_name::FixedName::new(inner, server_name(name)?);
    config.dangerous().set_certificate_verifier(Arc::new(verifier));
    Ok(())
}

/// A name that a certificate can be verified for.
pub fn server_name(name: &str) -> Result<ServerName<'static>, ClientError> {
    ServerName::try_from(name.to_owned()).map_err(|_| ClientError::ServerName(name.to_owned()))
}

/// What a TLS error means, with what to change. Certificates do not mend themselves, so they hold;
/// all else may pass.
pub fn fault(peer: &str, error: &rustls::Error) -> Fault {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(problem) => certificate(peer, problem),
        E::AlertReceived(alert) if about_certificates(*alert) => Fault::auth(format!(
            "{peer} refuses our client certificate ({alert:?})"
        ))
        .with_cure("check tls.client_cert and tls.client_key, and that it trusts their issuer"),
        E::PeerIncompatible(what) => nothing_in_common(peer, &format!("{what:?}")),
        E::AlertReceived(
            alert @ (AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity),
        ) => nothing_in_common(peer, &format!("it says {alert:?}")),
        E::InvalidMessage(_) => Fault::transient(format!(
            "{peer} answers the TLS handshake with something else: is this a port without TLS?"
        ))
        .cured_by("name the port that speaks TLS, or turn TLS off here"),
        other => Fault::transient(format!("TLS with {peer} failed")).caused_by(other.to_string()),
    }
}

/// The TLS error that rustls put into an input or output error, however often wrapped: such an
/// error's `source` passes over what is directly in it.
pub fn inside(error: &io::Error) -> Option<&rustls::Error> {
    find(error.get_ref()?)
}

/// The first TLS error among `error` and its causes.
pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        if let Some(found) = error.downcast_ref().and_then(inside) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn nothing_in_common(peer: &str, what: &str) -> Fault {
    Fault::auth(format!("{peer} and Postrider have no TLS version or cipher in common ({what})"))
        .with_cure("TLS 1.2 or newer is needed, so turn it on there")
}

fn about_certificates(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::CertificateRequired
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            | A::DecryptError
            | A::NoCertificate
    )
}

fn certificate(peer: &str, problem: &CertificateError) -> Fault {
    use CertificateError as C;
    let (is, cure) = match problem {
        C::Expired | C::ExpiredContext { .. } => ("has expired".to_owned(), "renew it there"),
        C::NotValidYet | C::NotValidYetContext { .. } => {
            ("is not valid yet".to_owned(), "compare the clocks")
        }
        C::NotValidForName => {
            ("is for another name".to_owned(), "set tls.server_name to a name it has")
        }
        C::NotValidForNameContext { presented, .. } => {
            (format!("is for {}", told(presented)), "set tls.server_name to a name it has")
        }
        C::UnknownIssuer => (
            "comes from an authority that is not trusted here".to_owned(),
            "set tls.ca_file to that authority's certificate",
        ),
        C::BadSignature => (
            "is not signed by the key of the authority that it names".to_owned(),
            "where that authority was made anew, set tls.ca_file to its present certificate",
        ),
        C::Revoked => ("is revoked".to_owned(), "replace it there"),
        other => {
            return Fault::auth(format!("the certificate of {peer} cannot be trusted: {other}"));
        }
    };
    Fault::auth(format!("the certificate of {peer} {is}")).with_cure(cure)
}

/// The first names of a foreign certificate.
fn told(names: &[String]) -> String {
    let bare = |name: &String| {
        let name = name.trim_start_matches("DnsName(\"").trim_end_matches("\")");
        name.to_owned()
    };
    let first: Vec<String> = names.iter().take(NAMES).map(bare).collect();
    match first.len() {
        0 => "no name".to_owned(),
        told if told < names.len() => format!("{} and more", first.join(", ")),
        _ => first.join(", "),
    }
}

/// ring, for us and for whatever in the process asks rustls for a default. Installing fails when
/// there is one already, which then serves as well.
fn provider() -> Arc<CryptoProvider> {
    if CryptoProvider::get_default().is_none()
        && rustls::crypto::ring::default_provider().install_default().is_err()
    {
        tracing::debug!("another part of the process chose the TLS provider first");
    }
    CryptoProvider::get_default()
        .map_or_else(|| Arc::new(rustls::crypto::ring::default_provider()), Arc::clone)
}

fn verifier(settings: &Tls) -> Result<Arc<dyn ServerCertVerifier>, ClientError> {
    // A thousand sources share the system's hundred and fifty authorities instead of each keeping
    // a copy.
    static SYSTEM: OnceLock<Arc<Verifier>> = OnceLock::new();
    if let Some(path) = &settings.ca_file {
        let verifier = Verifier::new_with_extra_roots(certificates(path)?, provider())
            .map_err(|source| ClientError::Authority { path: path.clone(), source })?;
        return Ok(Arc::new(verifier));
    }
    if let Some(verifier) = SYSTEM.get() {
        return Ok(verifier.clone());
    }
    let verifier = Arc::new(Verifier::new(provider()).map_err(ClientError::NoAuthorities)?);
    Ok(SYSTEM.get_or_init(|| verifier).clone())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let found = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| ClientError::BadPem { path: path.to_owned(), source })?;
    if found.is_empty() { Err(ClientError::NoCertificate(path.to_owned())) } else { Ok(found) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ClientError> {
    // Zeroizing, as the file's text is the secret.
    let text = zeroize::Zeroizing::new(read(path)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|source| match source {
        pem::Error::NoItemsFound => ClientError::NoKey(path.to_owned()),
        source => ClientError::BadPem { path: path.to_owned(), source },
    })
}

fn read(path: &Path) -> Result<Vec<u8>, ClientError> {
    std::fs::read(path).map_err(|source| ClientError::Unreadable { path: path.to_owned(), source })
}
