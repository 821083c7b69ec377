//! The cookies by which a load balancer keeps a channel at one node. Pure.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};

/// A load balancer needs one or two.
const MOST: usize = 16;
const LONGEST: usize = 4 * 1024;

/// Cookies by name; where they are for is not looked at, as they only go back to whom they came
/// from.
#[derive(Debug, Default)]
pub(super) struct Cookies(BTreeMap<String, String>);

impl Cookies {
    /// Takes what an answer sets. A balancer may set another value with each answer; the newest
    /// counts.
    pub(super) fn take(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(SET_COOKIE) {
            let Ok(text) = cookie.to_str() else { continue };
            let mut parts = text.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let is_over = parts.any(|part| part.eq_ignore_ascii_case("max-age=0"));
            if is_over {
                self.0.remove(name);
            } else if name.len() + value.len() <= LONGEST
                && (self.0.len() < MOST || self.0.contains_key(name))
            {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// The value of `Cookie`.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let pairs: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut header = HeaderValue::from_str(&pairs.join("; ")).ok()?;
        header.set_sensitive(true);
        Some(header).filter(|_| !pairs.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_of_each_goes_back() {
        let mut cookies = Cookies::default();
        assert_eq!(cookies.header(), None);
        let mut set = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(SET_COOKIE, HeaderValue::from_static(line));
            }
            cookies.take(&headers);
            cookies.header().map(|header| header.to_str().unwrap().to_owned())
        };
        let both = set(&["NODE=a; Path=/; HttpOnly", "AWSALB=1=x; Secure", "nonsense"]);
        assert_eq!(both.as_deref(), Some("AWSALB=1=x; NODE=a"));
        assert_eq!(set(&["AWSALB=2"]).as_deref(), Some("AWSALB=2; NODE=a"));
        assert_eq!(set(&["AWSALB=; Max-Age=0"]).as_deref(), Some("NODE=a"));
    }
}
