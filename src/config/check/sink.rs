//! Sinks: what is common, then each kind.

use std::path::PathBuf;

use super::{Streams, address, privacy::privacy, route::route};
use crate::{
    config::{
        BatchLimits, File, Folder, Leef, Payload, Privacy, Route, Schema, Sink, SinkKind,
        SplunkHec, Syslog, Transport,
        node::{Context, Key},
        raw::{
            BatchKeys, Compression, FileFormat, FileKeys, HecKeys, PayloadWord, PrivacyKeys,
            RawSink, Rotation, RouteKeys, ShapeKeys, Strings, SyslogKeys,
        },
    },
    domain::{name::SinkName, slice::Stream},
    table::Format,
};

/// What all sinks take.
type CommonKeys = (BatchKeys, RouteKeys, ShapeKeys, PrivacyKeys);

/// The same, checked.
struct Common {
    route: Route,
    batch: BatchLimits,
    max_in_flight: usize,
    schema: Schema,
    privacy: Option<Privacy>,
}

pub(super) fn sink(
    cx: &Context<'_>,
    path: &str,
    raw: RawSink,
    name: SinkName,
    streams: &Streams,
) -> Option<Sink> {
    let common = |keys, in_flight| common(cx, path, keys, in_flight, streams);
    let (kind, common) = match raw {
        RawSink::SplunkHec(keys) => {
            let (hec, keys) = splunk_hec(cx, *keys);
            (hec.map(SinkKind::SplunkHec), common(keys, 4))
        }
        RawSink::Syslog(keys) => {
            let (syslog, keys) = syslog(cx, *keys);
            (syslog.map(SinkKind::Syslog), common(keys, 1))
        }
        RawSink::File(keys) => {
            let (file, keys) = file(cx, path, *keys);
            (file, common(keys, 1))
        }
        RawSink::Stdout(keys) => {
            (Some(SinkKind::Stdout), common((keys.sink, keys.route, keys.shape, keys.privacy), 1))
        }
    };
    let Common { route, batch, max_in_flight, schema, privacy } = common?;
    Some(Sink { name, route, batch, max_in_flight, schema, privacy, kind: kind? })
}

fn common(
    cx: &Context<'_>,
    path: &str,
    (keys, routes, shape, secrecy): CommonKeys,
    in_flight: usize,
    streams: &Streams,
) -> Option<Common> {
    let privacy = privacy(cx, secrecy);
    let route = route(cx, path, routes, streams);
    let batch = keys.batch.value.and_then(|batch| {
        Some(BatchLimits {
            max_events: usize::try_from(batch.max_events.value?.0).ok()?,
            max_bytes: usize::try_from(batch.max_bytes.value?.0).ok()?,
            max_age: batch.max_age.value?.0,
        })
    });
    let max_in_flight = match keys.max_in_flight.value {
        Some(count) => usize::try_from(count.0).ok()?,
        None => in_flight,
    };
    Some(Common { route, batch: batch?, max_in_flight, schema: shape.schema.value?, privacy })
}

fn splunk_hec(cx: &Context<'_>, keys: HecKeys) -> (Option<SplunkHec>, CommonKeys) {
    let endpoints = endpoints(cx, keys.endpoints, &keys.http.allow_plain_http);
    let token = keys.token.need(
        cx,
        "write where the collector's token is, such as { file = \"/etc/postrider/hec-token\" }",
    );
    let http = address::http(cx, keys.http);
    let hec = (|| {
        Some(SplunkHec {
            endpoints: endpoints?,
            token: token?.0,
            index: keys.index.value,
            host: keys.host.value,
            acknowledgements: keys.acknowledgements.value?,
            ack_timeout: keys.ack_timeout.value?.0,
            gzip: keys.compression.value? == Compression::Gzip,
            http: http?,
        })
    })();
    (hec, (keys.sink, keys.route, keys.shape, keys.privacy))
}

fn endpoints(cx: &Context<'_>, key: Key<Strings>, plain: &Key<bool>) -> Option<Vec<String>> {
    let path = key.path.clone();
    let list =
        key.need(cx, "write the collector's URL, such as [\"https://splunk.example.com:8088\"]")?;
    if list.0.is_empty() {
        cx.error(&path, "the list is empty; write at least one URL");
        return None;
    }
    let checked: Vec<Option<String>> = list
        .0
        .iter()
        .map(|(text, path)| {
            let url = address::url(cx, path, text, plain)?;
            if url.contains("/services/") || url.ends_with("/services") {
                cx.error(path, "Postrider adds /services/collector itself; end the URL before it");
                return None;
            }
            Some(url)
        })
        .collect();
    checked.into_iter().collect()
}

fn syslog(cx: &Context<'_>, keys: SyslogKeys) -> (Option<Syslog>, CommonKeys) {
    let payload = payload(cx, &keys);
    let path = keys.address.path.clone();
    let address = keys
        .address
        .need(cx, "write the receiver's host and port, such as \"siem.example.com:6514\"")
        .and_then(|text| address::host_and_port(cx, &path, &text));
    let transport = keys.transport.value;
    if keys.tls.given && matches!(transport, Some(Transport::Tcp | Transport::Udp)) {
        cx.warn(&keys.tls.path, "TLS is not used; set `transport = \"tls\"` or remove this key");
    }
    if keys.framing.given && transport == Some(Transport::Udp) {
        cx.warn(
            &keys.framing.path,
            "UDP has no framing, one datagram is one message; remove this key",
        );
    }
    let max_message = keys.max_message.value.map_or_else(
        || if transport == Some(Transport::Udp) { 2 << 10 } else { 8 << 10 },
        |size| size.0,
    );
    if max_message < 480 {
        cx.error(
            &keys.max_message.path,
            "a header alone may need more; write at least \"480B\", which every receiver takes",
        );
    }
    if transport == Some(Transport::Udp) && max_message > 65_507 {
        cx.error(&keys.max_message.path, "a UDP datagram holds at most 65507 bytes; write less");
    }
    let tls = keys.tls.value.map(|keys| address::tls(cx, keys));
    let syslog = (|| {
        Some(Syslog {
            address: address?,
            transport: transport?,
            framing: keys.framing.value?,
            header: keys.header.value?,
            hostname: keys.hostname.value,
            enterprise_number: keys.enterprise_number.value?.0,
            payload: payload?,
            max_message: usize::try_from(max_message).ok()?,
            tls: tls?,
            timeout: keys.timeout.value?.0,
        })
    })();
    (syslog, (keys.sink, keys.route, keys.shape, keys.privacy))
}

fn payload(cx: &Context<'_>, keys: &SyslogKeys) -> Option<Payload> {
    let payload = match keys.payload.value? {
        PayloadWord::Json => Payload::Json,
        PayloadWord::Cef => Payload::Cef,
        PayloadWord::Leef => Payload::Leef(keys.leef_version.value?),
    };
    let is_leef = matches!(payload, Payload::Leef(_));
    if keys.leef_version.value == Some(Leef::V1) && !is_leef {
        let path = &keys.leef_version.path;
        cx.warn(path, "it counts with `payload = \"leef\"` only; remove this key");
    }
    if payload == Payload::Leef(Leef::V1) {
        cx.warn(
            &keys.leef_version.path,
            "LEEF 1.0 has tabs, which a relay such as rsyslog rewrites; use \"2.0\" unless the \
             receiver cannot read it",
        );
    }
    if payload != Payload::Json && keys.shape.schema.given {
        cx.warn(&keys.shape.schema.path, "it counts for JSON only; remove this key");
    }
    Some(payload)
}

fn file(cx: &Context<'_>, sink: &str, mut keys: FileKeys) -> (Option<SinkKind>, CommonKeys) {
    let format = keys.format.value.and_then(|format| match format {
        FileFormat::Jsonl => None,
        FileFormat::Csv => Some(Format::Csv),
        FileFormat::Parquet => Some(Format::Parquet),
    });
    let kind = match format {
        Some(format) => folder(cx, sink, &mut keys, format).map(SinkKind::Folder),
        None => lines(cx, &mut keys).filter(|_| keys.format.value.is_some()).map(SinkKind::File),
    };
    (kind, (keys.sink, keys.route, keys.shape, keys.privacy))
}

fn lines(cx: &Context<'_>, keys: &mut FileKeys) -> Option<File> {
    let path =
        path(cx, keys, "write where the events go, such as \"/var/log/postrider/events.jsonl\"");
    let daily = keys.rotation.value.map(|rotation| rotation == Rotation::Daily);
    if daily == Some(false) && keys.keep.given {
        cx.warn(&keys.keep.path, "files that are not rotated are not removed; remove this key");
    }
    let keep = keys.keep.value.and_then(|count| usize::try_from(count.0).ok());
    Some(File { path: path?, daily: daily?, keep: keep.filter(|_| daily == Some(true)) })
}

fn folder(cx: &Context<'_>, sink: &str, keys: &mut FileKeys, format: Format) -> Option<Folder> {
    let path =
        path(cx, keys, "write the directory of the tables, such as \"/var/log/postrider/bi\"");
    for (path, given) in [
        (&keys.rotation.path, keys.rotation.given),
        (&keys.keep.path, keys.keep.given),
        (&keys.shape.schema.path, keys.shape.schema.given),
    ] {
        if given {
            cx.warn(
                path,
                "tables have a file a day, stay, and have their own columns; remove this key",
            );
        }
    }
    let streams = &keys.route.streams;
    let only = [Stream::Summary.as_str()];
    let all = |list: &Strings| list.0.iter().map(|(name, _)| name.as_str()).eq(only);
    if streams.given && !streams.value.as_ref().is_some_and(all) {
        cx.error(&streams.path, "a table has rows of SER's stream summary only; remove this key");
    }
    // As if it were written.
    let path_of = format!("{sink}.streams");
    keys.route.streams.value = Some(Strings(vec![(only[0].to_owned(), path_of)]));
    Some(Folder { path: path?, format })
}

fn path(cx: &Context<'_>, keys: &mut FileKeys, hint: &str) -> Option<PathBuf> {
    let key = &mut keys.path;
    if key.value.is_none() && !key.given {
        cx.error(&key.path, format!("this key is missing; {hint}"));
    }
    key.value.take()
}
