//! The search call (vendor's guide of May 2023; `x-api-key` by its newer developer pages).

use reqwest::RequestBuilder;
use serde::Serialize;

use super::call::post;
use crate::{
    config,
    fault::Fault,
    http,
    source::{Query, bearer::Bearer, when},
};

const PATH: &str = "/v1/messages/search";
pub(super) const NAME: &str = "POST /v1/messages/search";

/// The request's body. Filters are the same on each page of a slice, as the vendor demands.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    /// Both ends are inclusive.
    timestamp: [String; 2],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    verdicts: &'a [String],
    /// An empty list is an error at the vendor.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    directions: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    filename: &'a str,
    #[serde(rename = "fileSHA256", skip_serializing_if = "str::is_empty")]
    file_sha256: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_token: Option<&'a str>,
    /// Always sent: the vendor's default is not documented.
    page_size: u32,
}

pub(super) fn request(
    http: &http::Client,
    config: &config::CiscoEtd,
    query: &Query,
    bearer: &Bearer,
) -> Result<RequestBuilder, Fault> {
    let filter = query.narrow.over(&config.filter);
    let body = Body {
        // Outwards to whole milliseconds: what is not the slice's own is dropped by its time.
        timestamp: [
            when::milliseconds(query.interval.start()),
            when::milliseconds(when::ceil(query.interval.end())),
        ],
        verdicts: &filter.verdicts,
        directions: &filter.directions,
        subject: &filter.subject,
        filename: &filter.filename,
        file_sha256: &filter.file_sha256,
        url: &filter.url,
        page_token: query.page_token.as_deref(),
        page_size: query.page_size,
    };
    post(http, config, PATH, &body, bearer)
}
