//! The members that can be named, and the groups of them that have a name of their own.

/// What a name of the configuration stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Members by path, steps joined by dots. Lists are gone into.
    Members(Vec<String>),
    /// The query strings of all URLs, wherever they stand.
    Queries,
}

impl Target {
    /// The members in words.
    pub fn described(self) -> Vec<String> {
        match self {
            Self::Members(paths) => paths,
            Self::Queries => vec!["query strings of all URLs".to_owned()],
        }
    }
}

/// The group of query strings, which are parts of members.
pub const QUERIES: &str = "url_query";

/// In front of a member that is not known here, as one that the vendor has added.
pub const ADDED: &str = "any:";

/// Members under a name of their own.
pub const GROUPS: [(&str, &[&str]); 6] = [
    (
        "sender",
        &[
            "fromAddress",
            "fromAddresses",
            "senderName",
            "envelopeFrom",
            "returnPath",
            "replyTo",
            "fromEnvelope",
            "fromHeader",
            "allowedAddress",
        ],
    ),
    (
        "recipients",
        &[
            "toAddresses",
            "ccAddresses",
            "bccAddresses",
            "envelopeTo",
            "deliveredTo",
            "mailboxes",
            "recipient",
        ],
    ),
    ("url", &["urls", "urlMetadata"]),
    ("attachment_names", &["attachments.filename", "attachments.fileName"]),
    (
        "client_ip",
        &[
            "clientIP",
            "xOriginatingIP",
            "secureEmailGateway.originalCip",
            "secureEmailGateway.originalCIP",
        ],
    ),
    ("techniques_text", &["verdict.techniques.description"]),
];

/// The vendors' members that are known. An object may be named, too: then all below it is meant.
pub const MEMBERS: [&str; 97] = [
    // Cisco ETD, messages.
    "id",
    "timestamp",
    "internetMessageId",
    "subject",
    "senderName",
    "fromAddress",
    "fromAddresses",
    "envelopeFrom",
    "returnPath",
    "toAddresses",
    "ccAddresses",
    "bccAddresses",
    "envelopeTo",
    "deliveredTo",
    "mailboxes",
    "replyTo",
    "clientIP",
    "serverIP",
    "xOriginatingIP",
    "direction",
    "domain",
    "urls",
    "urlMetadata.url",
    "attachments.filename",
    "attachments.fileName",
    "attachments.contentType",
    "attachments.SHA256",
    "rule.id",
    "rule.type",
    "rule.version",
    "secureEmailGateway.headerName",
    "secureEmailGateway.originalCip",
    "secureEmailGateway.gatewayType",
    "verdict.originalVerdict",
    "verdict.latestVerdict",
    "verdict.verdict",
    "verdict.category",
    "verdict.timestamp",
    "verdict.isRetroVerdict",
    "verdict.isManualVerdict",
    "verdict.userId",
    "verdict.publicApiClientId",
    "verdict.ruleId",
    "verdict.ruleType",
    "verdict.businessRisk",
    "verdict.techniques.type",
    "verdict.techniques.severity",
    "verdict.techniques.description",
    "action.type",
    "action.folder",
    "action.timestamp",
    "action.isAutoRemediated",
    "action.userId",
    "action.publicApiClientId",
    // Cisco ETD, audit.
    "user.id",
    "user.ip",
    "user.userAgent",
    // Proofpoint SER, summary and entitlement.
    "applicationName",
    "applicationUserName",
    "fromEnvelope",
    "fromHeader",
    "status.success",
    "status.failure",
    "status.tempFailure",
    "status.partialSuccess",
    "status.inProgress",
    "status.total",
    "status.recipientsTotal",
    "status.messageSizeTotal",
    "status.deliveredSizeTotal",
    "deliveredSizeTotal",
    "details.2.X.X",
    "details.3.X.X",
    "details.4.X.X",
    "details.5.X.X",
    "details.deliveredSizeTotal",
    "annual_throughput",
    "license_start",
    "license_end",
    // The SER Admin API: usage, failures, relay users.
    "relayUserId",
    "name",
    "recipient",
    "dsnCode",
    "reason",
    "policyType",
    "finalAction",
    "finalRule",
    "count",
    "lastFailedDate",
    "allowedAddress.mailFrom",
    "allowedAddress.headerFrom",
    "allowedIps",
    "contactEmail",
    "preferredUsername",
    "credentialExpirationDate",
    "rewriteRules",
    "postrider_original",
];

/// What a name stands for; `None` for one that is not known. `[]` behind a list may be written.
pub fn target(name: &str) -> Option<Target> {
    if name == QUERIES {
        return Some(Target::Queries);
    }
    let members = |paths: &[&str]| {
        Target::Members(paths.iter().map(|path| (*path).replace("[]", "")).collect())
    };
    if let Some(added) = name.strip_prefix(ADDED) {
        let own = added == "postrider" || added.starts_with("postrider.");
        return (!added.is_empty() && !own).then(|| members(&[added]));
    }
    if let Some((_, paths)) = GROUPS.iter().find(|(group, _)| *group == name) {
        return Some(members(paths));
    }
    let path = name.replace("[]", "");
    let plain = super::plain(&path);
    let known = MEMBERS.iter().map(|member| super::plain(member)).any(|member| {
        member.strip_prefix(&plain).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    known.then(|| members(&[&path]))
}

/// All names that can be written, groups first.
pub fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(QUERIES).chain(GROUPS.iter().map(|(name, _)| *name)).chain(MEMBERS)
}

/// Where a line of the log export has a member of this plain path: under `update`, and some of them
/// under another name.
pub(super) fn told(path: &str) -> Vec<String> {
    const NAMES: [(&str, &str); 5] = [
        ("verdict.userid", "verdict.user"),
        ("verdict.latestverdict", "verdict.verdict"),
        ("verdict.originalverdict", "verdict.verdict"),
        ("action.userid", "action.user"),
        ("action.type", "action.action"),
    ];
    let other = NAMES.iter().filter(|(name, _)| *name == path).map(|(_, other)| *other);
    other.chain([path]).map(|path| format!("update.{path}")).collect()
}

/// Whether a member of this plain name has URLs in it, and nothing else.
pub(super) fn is_url(plain: &str) -> bool {
    let first = plain.split('.').next();
    matches!(first, Some("urls" | "urlmetadata" | "url"))
}
