//! What the sinks' tests share.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;

use super::Sink;
use crate::{
    config::{self, BatchLimits, SinkKind},
    domain::{
        event::{Change, Event, EventId, Origin},
        slice::Stream,
    },
};

pub(crate) fn sink() -> config::Sink {
    config::Sink {
        name: "test".parse().unwrap(),
        route: config::Route::default(),
        batch: BatchLimits { max_events: 500, max_bytes: 1 << 20, max_age: Duration::from_secs(1) },
        max_in_flight: 1,
        schema: Default::default(),
        kind: SinkKind::Stdout,
    }
}

pub(crate) fn event_of(seq: u64, json: &str) -> Event {
    let source = "etd-us".parse().unwrap();
    let id = EventId::new(&source, Stream::Messages, &seq.to_string(), 1);
    Event {
        origin: Arc::new(Origin { source, stream: Stream::Messages, tags: BTreeMap::new() }),
        seq,
        id,
        revision: 1,
        change: Change::New,
        time_ms: 1_795_600_000_000,
        verdict: None,
        json: json.into(),
    }
}

pub(crate) fn event(seq: u64) -> Event {
    event_of(seq, &format!(r#"{{"postrider":{{"schema":1}},"n":{seq},"subject":"äß \u00e4"}}"#))
}

/// The first `count` events as `sink` frames them.
pub(crate) fn batch(sink: &impl Sink, count: u64) -> (Bytes, Vec<Range<usize>>) {
    let mut body = Vec::new();
    let mut frames = Vec::new();
    for seq in 0..count {
        let start = body.len();
        sink.frame(&event(seq), &mut body).unwrap();
        frames.push(start..body.len());
    }
    (body.into(), frames)
}

/// A certificate authority and what it issued, as files.
pub(crate) mod pki {
    use std::path::PathBuf;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    pub(crate) struct Pki {
        pub(crate) directory: tempfile::TempDir,
        issuer: Issuer<'static, KeyPair>,
    }

    pub(crate) struct Identity {
        pub(crate) cert: PathBuf,
        pub(crate) key: PathBuf,
    }

    impl Pki {
        pub(crate) fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
            let key = KeyPair::generate().unwrap();
            let cert = params.self_signed(&key).unwrap();
            std::fs::write(directory.path().join("ca.pem"), cert.pem()).unwrap();
            Self { directory, issuer: Issuer::new(params, key) }
        }

        pub(crate) fn ca_file(&self) -> PathBuf {
            self.directory.path().join("ca.pem")
        }

        pub(crate) fn issue(&self, file: &str, names: &[&str], expired: bool) -> Identity {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let mut params = CertificateParams::new(names).unwrap();
            if expired {
                params.not_before = rcgen::date_time_ymd(2024, 1, 1);
                params.not_after = rcgen::date_time_ymd(2024, 1, 2);
            }
            let key = KeyPair::generate().unwrap();
            let cert = params.signed_by(&key, &self.issuer).unwrap();
            let path = |end: &str| self.directory.path().join(format!("{file}.{end}"));
            let identity = Identity { cert: path("pem"), key: path("key") };
            std::fs::write(&identity.cert, cert.pem()).unwrap();
            std::fs::write(&identity.key, key.serialize_pem()).unwrap();
            identity
        }

        /// A TLS server's settings; with `wants_client` it takes only clients of this authority.
        pub(crate) fn acceptor(
            &self,
            identity: &Identity,
            wants_client: bool,
        ) -> tokio_rustls::TlsAcceptor {
            use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
            let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
            let chain = vec![CertificateDer::from_pem_file(&identity.cert).unwrap()];
            let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
            let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()
                .unwrap();
            let config = if wants_client {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(CertificateDer::from_pem_file(self.ca_file()).unwrap()).unwrap();
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                    roots.into(),
                    provider,
                )
                .build()
                .unwrap();
                builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap()
            } else {
                builder.with_no_client_auth().with_single_cert(chain, key).unwrap()
            };
            std::sync::Arc::new(config).into()
        }
    }
}
