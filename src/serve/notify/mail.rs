//! Mail, by SMTP.
//!
//! Owns the form of the message and what the server's answers mean. A message is for one address, so that a
//! wrong one does not keep the others from theirs; all tries of it have one Message-ID. It is marked as made
//! by a program (RFC 3834), so that no program answers it.

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{SmtpTransport, Transport};

use super::post::{Carry, Letter, NotTaken};
use crate::serve::config::{Mail, MailTls, secret, small};
use crate::stream::Fault;

/// The largest file of certificates, bytes.
pub(super) const CA_BYTES_MAX: u64 = 64 * 1024;

/// Carries mail to one address.
pub struct Carrier {
    from: Mailbox,
    to: Mailbox,
    transport: SmtpTransport,
}

impl Carrier {
    /// Reads the password and certificates; connects with the first letter only. `answer` is how long the
    /// server may take for each step.
    pub fn new(mail: &Mail, to: &Mailbox, answer: Duration) -> Result<Carrier, Fault> {
        let domain = ClientId::Domain(mail.from.email.domain().to_owned());
        let mut transport = SmtpTransport::builder_dangerous(&mail.server)
            .port(mail.port)
            .hello_name(domain)
            .timeout(Some(answer))
            .tls(tls(mail)?);
        if let Some((user, file)) = &mail.login {
            let password = secret(file)?;
            transport = transport.credentials(Credentials::new(user.clone(), password.to_string()));
        }
        Ok(Carrier { from: mail.from.clone(), to: to.clone(), transport: transport.build() })
    }

    fn message(&self, letter: &Letter) -> Result<Message, lettre::error::Error> {
        let by_program = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.from.clone())
            .to(self.to.clone())
            .subject(letter.note.subject.clone())
            .message_id(Some(format!("<{}@{}>", letter.id, self.from.email.domain())))
            .raw_header(HeaderValue::new(by_program, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(format!("{}{}", letter.note.text, letter.lost.words()))
    }
}

fn tls(mail: &Mail) -> Result<Tls, Fault> {
    if mail.tls == MailTls::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(mail.server.clone());
    let wrong =
        |error: Error| Fault::usage(format!("cannot set up TLS for mail: {}", told(&error)));
    if let Some(file) = &mail.ca_file {
        let pem = small(file, CA_BYTES_MAX)?;
        let certificate = Certificate::from_pem(&pem).map_err(wrong)?;
        parameters =
            parameters.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    let parameters = parameters.build_rustls().map_err(wrong)?;
    Ok(match mail.tls {
        MailTls::Tls => Tls::Wrapper(parameters),
        MailTls::Starttls | MailTls::None => Tls::Required(parameters),
    })
}

impl Carry for Carrier {
    fn to(&self) -> String {
        self.to.email.to_string()
    }

    fn carry(&mut self, letter: &Letter) -> Result<(), NotTaken> {
        let message = self.message(letter).map_err(|error| NotTaken::Never(error.to_string()))?;
        match self.transport.send(&message) {
            Ok(_) => Ok(()),
            // 5yz says never, but an account that is wrong today may be right tomorrow: 530, 534, 535, 538.
            Err(error) if error.is_permanent() && !is_about_login(&error) => {
                Err(NotTaken::Never(told(&error)))
            }
            Err(error) => Err(NotTaken::Later(told(&error))),
        }
    }
}

fn is_about_login(error: &Error) -> bool {
    error.status().is_some_and(|code| ["530", "534", "535", "538"].contains(&&*code.to_string()))
}

/// An error with all its causes, in one line.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !line.contains(&more) {
            line = format!("{line}: {more}");
        }
        cause = error.source();
    }
    let clean = line.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(300).collect()
}
