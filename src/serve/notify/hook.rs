//! A webhook: a note as JSON, by POST.
//!
//! Owns the form of the JSON and what the receiver's answers mean. Follows no redirection, which could lead
//! the token elsewhere, and reads nothing of an answer but its status.
//!
//! ```json
//! { "id": "…", "kind": "problem", "subject": "…", "text": "…",
//!   "dropped": { "count": 0, "subjects": [] }, "data": { } }
//! ```

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Error};
use zeroize::Zeroizing;

use super::mail::{CA_BYTES_MAX, told};
use super::post::{Carry, Letter, NotTaken};
use crate::serve::config::{Webhook, secret, small};
use crate::stream::Fault;

/// Carries notes to an address.
pub struct Carrier {
    url: String,
    bearer: Option<Zeroizing<String>>,
    agent: Agent,
}

impl Carrier {
    /// Reads the token and certificates; connects with the first letter only. `answer` is how long all of an
    /// exchange may take.
    pub fn new(webhook: &Webhook, answer: Duration) -> Result<Carrier, Fault> {
        let bearer = webhook.bearer_file.as_deref().map(secret).transpose()?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(answer))
            .proxy(None)
            .user_agent(concat!("tapioca/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls(webhook)?)
            .build();
        let bearer = bearer.map(|token| Zeroizing::new(format!("Bearer {}", *token)));
        Ok(Carrier { url: webhook.url.clone(), bearer, agent: config.new_agent() })
    }
}

fn tls(webhook: &Webhook) -> Result<TlsConfig, Fault> {
    let config = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()));
    let Some(file) = &webhook.ca_file else { return Ok(config.build()) };
    let pem = small(file, CA_BYTES_MAX)?;
    let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(Fault::usage(format!("there is no certificate in {}", file.display()))
            .hint("PEM is wanted: -----BEGIN CERTIFICATE-----"));
    }
    Ok(config.root_certs(RootCerts::from(certificates)).build())
}

fn body(letter: &Letter) -> String {
    serde_json::json!({
        "id": letter.id,
        "kind": letter.note.kind,
        "subject": letter.note.subject,
        "text": letter.note.text,
        "dropped": { "count": letter.lost.count, "subjects": letter.lost.subjects },
        "data": letter.note.json,
    })
    .to_string()
}

impl Carry for Carrier {
    /// Only the host: some receivers want their token in the path.
    fn to(&self) -> String {
        let url = self.url.parse::<hyper::Uri>().ok();
        let host = url.as_ref().and_then(|url| url.authority());
        format!(
            "webhook at {}",
            host.map_or("", |host| host.as_str().rsplit('@').next().unwrap_or(""))
        )
    }

    fn carry(&mut self, letter: &Letter) -> Result<(), NotTaken> {
        let mut request = self.agent.post(&self.url).header("Content-Type", "application/json");
        if let Some(bearer) = &self.bearer {
            request = request.header("Authorization", bearer.as_str());
        }
        let later = |error: Error| NotTaken::Later(told(&error));
        let status = request.send(body(letter)).map_err(later)?.status();
        let why = || format!("it answers {status}");
        match status.as_u16() {
            200..=299 => Ok(()),
            // Too slow, too early, too often; or not allowed, until somebody puts the token right.
            401 | 403 | 404 | 407 | 408 | 425 | 429 | 500.. => Err(NotTaken::Later(why())),
            _ => Err(NotTaken::Never(why())),
        }
    }
}
