//! Relay users of Proofpoint SER, as they are configured.

use super::{
    Field, Kind, all,
    common::{CHANGE, CHANGE_WORD, COLLECTED, EVENT_ID, RECORD_ID, REVISION, SOURCE, TAGS, TIME},
    first,
};

pub(super) const FIELDS: &[Field] = &[
    TIME,
    EVENT_ID,
    first("relayUser", &["name"]).cef("duser", 1023).leef("usrName").cim("user").ecs("user.name"),
    first("relayUserId", &["relayUserId"])
        .cef("duid", 1023)
        .leef("relayUserId")
        .cim("user_id")
        .ecs("user.id"),
    first("userStatus", &["status"]).custom("cs1", 4000).leef("userStatus").cim("user_status"),
    first("credentialsExpire", &["credentialExpirationDate"])
        .custom("cs2", 4000)
        .leef("credentialsExpire")
        .cim("credentials_expire"),
    all("allowedAddresses", &["allowedAddress[].mailFrom", "allowedAddress[].headerFrom"])
        .custom("cs3", 4000)
        .leef("allowedAddresses"),
    all("allowedIps", &["allowedIps[]"]).custom("cs4", 4000).leef("allowedIps").ecs("related.ip[]"),
    first("internalOnly", &["internalOnly"]).kind(Kind::Flag).leef("internalOnly"),
    CHANGE,
    CHANGE_WORD,
    REVISION,
    RECORD_ID,
    SOURCE,
    COLLECTED,
    TAGS,
];
