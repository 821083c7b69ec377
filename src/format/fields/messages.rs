//! Messages of Cisco ETD.

use super::{
    Field, Kind, all,
    common::{CHANGE, CHANGE_WORD, COLLECTED, EVENT_ID, REVISION, SOURCE, TAGS, TIME},
    derived, first,
};

const ADDRESS: &[&str] =
    &["secureEmailGateway.originalCip", "secureEmailGateway.originalCIP", "clientIP"];
const URLS: &[&str] = &["urlMetadata[].url", "urls[]"];
const FILES: &[&str] = &["attachments[].filename", "attachments[].fileName"];
const HASHES: &[&str] = &["attachments[].SHA256", "attachments[].sha256"];

pub(super) const FIELDS: &[Field] = &[
    TIME,
    EVENT_ID,
    derived("verdict", derived::verdict, "the present verdict, lower case")
        .cef("cat", 1023)
        .leef("verdict")
        .cim("verdict"),
    first("originalVerdict", &["verdict.originalVerdict"])
        .custom("flexString1", 1023)
        .leef("originalVerdict")
        .cim("original_verdict"),
    first("category", &["verdict.category"]).leef("category").cim("signature"),
    all("techniques", &["verdict.techniques[].type"])
        .cef_all("reason", 1023)
        .leef("techniques")
        .cim("signature_extra"),
    first("businessRisk", &["verdict.businessRisk"]).leef("businessRisk"),
    first("isRetroVerdict", &["verdict.isRetroVerdict"])
        .kind(Kind::Flag)
        .leef("isRetroVerdict")
        .cim("is_retrospective"),
    first("isManualVerdict", &["verdict.isManualVerdict"])
        .kind(Kind::Flag)
        .leef("isManualVerdict")
        .cim("is_manual"),
    first("verdictTime", &["verdict.timestamp"]).kind(Kind::Time).leef("verdictTime"),
    first("verdictBy", &["verdict.userId", "verdict.publicApiClientId"])
        .leef("verdictBy")
        .cim("user"),
    derived("outcome", derived::outcome, "`delivered`, `quarantined` or `deleted`, by `action`")
        .cef("outcome", 63)
        .leef("outcome")
        .cim("action"),
    derived("action", derived::action, "`action.type` and `action.folder`: `move to quarantine`")
        .cef("act", 63)
        .leef("action")
        .cim("filter_action"),
    first("actionTime", &["action.timestamp"]).kind(Kind::Time).leef("actionTime"),
    first("subject", &["subject"])
        .cef("msg", 1023)
        .leef("subject")
        .cim("subject")
        .ecs("email.subject")
        .ocsf("email.subject"),
    first("from", &["fromAddress", "fromAddresses"])
        .cef("suser", 1023)
        .leef("sender")
        .cim("src_user")
        .ecs("email.from.address[]")
        .ocsf("email.from"),
    first("senderName", &["senderName"]).leef("senderName"),
    derived("senderDomain", derived::sender_domain, "of `from`, lower case")
        .leef("senderDomain")
        .cim("src_user_domain"),
    first("returnPath", &["returnPath", "envelopeFrom"])
        .leef("returnPath")
        .cim("return_addr")
        .ecs("email.sender.address")
        .ocsf("email.return_path"),
    first("envelopeFrom", &["envelopeFrom"]).leef("envelopeFrom").ocsf("email.smtp_from"),
    all("recipients", &["mailboxes[]"])
        .custom("cs2", 4000)
        .leef("recipients")
        .cim("recipient")
        .ocsf("email.delivered_to_list[]"),
    first("recipient", &["mailboxes[]", "toAddresses[]"]).cef("duser", 1023).leef("usrName"),
    derived("recipientDomains", derived::recipient_domains, "of `recipients`, lower case")
        .kind(Kind::List)
        .leef("recipientDomains")
        .cim("recipient_domain"),
    all("to", &["toAddresses[]"]).leef("to").ecs("email.to.address[]").ocsf("email.to[]"),
    all("cc", &["ccAddresses[]"]).leef("cc").ecs("email.cc.address[]").ocsf("email.cc[]"),
    all("bcc", &["bccAddresses[]"]).leef("bcc").ecs("email.bcc.address[]"),
    all("replyTo", &["replyTo[]"])
        .leef("replyTo")
        .ecs("email.reply_to.address[]")
        .ocsf("email.reply_to_list[]"),
    first("messageId", &["internetMessageId"])
        .custom("cs1", 4000)
        .leef("messageId")
        .cim("message_id")
        .ecs("email.message_id")
        .ocsf("email.message_uid"),
    first("recordId", &["id"])
        .custom("cs5", 4000)
        .leef("recordId")
        .cim("internal_message_id")
        .ecs("email.local_id")
        .ocsf("email.uid"),
    first("delivered", &["timestamp"])
        .kind(Kind::Time)
        .cef("start", 30)
        .leef("delivered")
        .ecs("email.delivery_timestamp")
        .ocsf("start_time"),
    derived("direction", derived::direction, "`inbound`, `outbound`, `internal`")
        .leef("direction")
        .ecs("email.direction"),
    derived("deviceDirection", derived::device_direction, "0 in, 1 out, none for internal mail")
        .kind(Kind::Number)
        .cef("deviceDirection", 1),
    derived("directionId", derived::direction_id, "1 in, 2 out, 3 internal, 99 other")
        .kind(Kind::Number)
        .ocsf("direction_id"),
    first("src", ADDRESS)
        .cef_ip("src", "c6a2")
        .leef("src")
        .cim("src")
        .ecs("source.ip")
        .ocsf("src_endpoint.ip"),
    first("dst", &["serverIP"])
        .cef_ip("dst", "c6a3")
        .leef("dst")
        .cim("dest")
        .ecs("destination.ip")
        .ocsf("dst_endpoint.ip"),
    first("originatingIp", &["xOriginatingIP"])
        .kind(Kind::Ip)
        .leef("originatingIp")
        .cim("orig_src")
        .ocsf("email.x_originating_ip[]"),
    first("url", URLS).cef("request", 1023),
    all("urls", URLS)
        .custom("cs3", 4000)
        .leef("urls")
        .cim("url")
        .ecs("url.original[]")
        .ocsf("email.urls[].url_string"),
    first("fileName", FILES).cef("fname", 1023),
    all("files", FILES)
        .leef("files")
        .cim("file_name")
        .ecs("email.attachments[].file.name")
        .ocsf("email.files[].name"),
    first("fileHash", HASHES).cef("fileHash", 255),
    all("fileHashes", HASHES)
        .custom("cs4", 4000)
        .leef("fileHashes")
        .cim("file_hash")
        .ecs("email.attachments[].file.hash.sha256")
        .ocsf("email.files[].hashes[].value"),
    first("ruleId", &["rule.id", "verdict.ruleId"]).leef("ruleId").cim("xref").ecs("rule.id"),
    CHANGE,
    CHANGE_WORD,
    REVISION,
    SOURCE,
    COLLECTED,
    TAGS,
];
