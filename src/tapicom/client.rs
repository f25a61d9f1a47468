//! The other end: a tool that commands the authority.
//!
//! Owns one connection, by a plumb to another machine or by the socket of this one, and the numbers on it. It
//! blocks, and says one thing at a time. That a command was refused is an answer; a fault is when there is
//! none.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use std::time::Duration;

use super::door::CONSOLE;
use super::frame::{self, Body, Decoder, Frame, Side};
use super::message::{
    Command, Event, EventFilter, Greeting, Refusal, Reply, Request, Secret, VERSION,
};
use super::session::greeting;
use crate::plumb::far::{self, Far};
use crate::plumb::visit::{self, Ends, Hello};
use crate::stream::{Blame, Fault};
use crate::wire::Link;
use crate::wire::message::{RECEIPTS_FROM_BELOW, RECEIPTS_UP, STDERR, STDIN, STDOUT};

/// How long the authority may take to see that we leave.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// A connection to the authority.
pub struct Client {
    from: Box<dyn Read + Send>,
    to: Box<dyn Write + Send>,
    decoder: Decoder,
    number: u32,
    ticket: Option<Secret>,
    link: Option<Link>,
    /// What the other end speaks.
    pub greeting: Greeting,
}

fn lost() -> Fault {
    Fault::later(Blame::Link, "the authority closed the connection")
        .hint("is it running? on the appliance: tapioca serve")
}

impl Client {
    /// Over any two pipes. `software` is what we are, in words.
    pub fn over(
        software: &str,
        from: impl Read + Send + 'static,
        to: impl Write + Send + 'static,
    ) -> Result<Client, Fault> {
        let mut client = Client {
            from: Box::new(from),
            to: Box::new(to),
            decoder: Decoder::new(Side::Client),
            number: 0,
            ticket: None,
            link: None,
            greeting: Greeting { from: 0, to: 0, software: String::new() },
        };
        frame::write(&greeting(software), &mut client.to)?;
        let Body::Greeting(theirs) = client.frame()?.body else {
            return Err(Fault::stream("the authority does not greet"));
        };
        if !(theirs.from..=theirs.to).contains(&VERSION) {
            let what = format!("{} speaks another tapicom than this tool", theirs.software);
            return Err(Fault::never(Blame::Peer, what).hint("use the tool of its version"));
        }
        client.greeting = theirs;
        Ok(client)
    }

    /// By the socket of the authority, on the appliance itself: as its console.
    pub fn local(software: &str, socket: &Path) -> Result<Client, Fault> {
        let to = visit::connect(socket)?;
        let hello = Hello {
            machine: CONSOLE.into(),
            digest: String::new(),
            words: vec!["tapicom".into()],
            receipts_up: false,
            receipts_from_below: false,
        };
        let Ends { input, output, .. } = Ends::say(&to, &hello)?;
        // The visit ends with our end of the socket.
        Client::over(software, Visiting(output, to), input)
    }

    /// By a plumb, whose request says which entry of the gluepot there is tapicom.
    pub fn far(software: &str, far: &Far) -> Result<Client, Fault> {
        let link = far.call()?;
        drop([STDERR, RECEIPTS_UP].map(|handle| link.reader(handle)));
        drop(link.writer(RECEIPTS_FROM_BELOW));
        let client = Client::over(software, link.reader(STDOUT), link.writer(STDIN));
        match client {
            Ok(mut client) => {
                client.link = Some(link);
                Ok(client)
            }
            // Why there is nothing to hear, if it is known there.
            Err(fault) => {
                let why = far::verdict_within(&link, CLOSE_LIMIT);
                link.fail(fault.clone());
                Err(why.and_then(Result::err).unwrap_or(fault))
            }
        }
    }

    /// From now on commands are given with this ticket, or with none.
    pub fn with_ticket(&mut self, ticket: Option<Secret>) {
        self.ticket = ticket;
    }

    fn frame(&mut self) -> Result<Frame, Fault> {
        frame::read(&mut self.decoder, &mut self.from)?.ok_or_else(lost)
    }

    fn ask(&mut self, command: Command) -> Result<Reply, Fault> {
        self.number += 1;
        let number = self.number;
        let request = Request { ticket: self.ticket.clone(), command };
        let said = Frame { number, body: Body::Command(Box::new(request)) };
        frame::write(&said, &mut self.to)?;
        loop {
            match self.frame()? {
                Frame { number: of, body: Body::Reply(reply) } if of == number => {
                    return Ok(*reply);
                }
                // The last of a subscription that we have enough of.
                Frame { number: of, body: Body::Event(..) | Body::Ended(_) } if of < number => {}
                _ => return Err(Fault::stream("the authority answers what was not asked")),
            }
        }
    }

    /// The answer to a command. Events are subscribed to by [`subscribe`](Client::subscribe).
    pub fn call(&mut self, command: Command) -> Result<Reply, Fault> {
        match command {
            Command::Events(_) => Err(Fault::never(Blame::Ours, "events are subscribed to")),
            command => self.ask(command),
        }
    }

    /// Events, as they happen. A refusal is an outcome.
    pub fn subscribe(
        &mut self,
        filter: EventFilter,
    ) -> Result<Result<Subscription<'_>, Refusal>, Fault> {
        match self.ask(Command::Events(filter))? {
            Reply::Subscribed => {
                Ok(Ok(Subscription { number: self.number, client: self, last: 0, ended: false }))
            }
            Reply::Refused(refusal) => Ok(Err(refusal)),
            _ => Err(Fault::stream("the authority does not say whether events follow")),
        }
    }
}

impl Drop for Client {
    /// Says that nothing follows, and lets the other end close in peace.
    fn drop(&mut self) {
        self.to = Box::new(std::io::sink());
        self.from = Box::new(std::io::empty());
        let Some(link) = self.link.take() else { return };
        let closed = match far::verdict_within(&link, CLOSE_LIMIT) {
            Some(_) => far::finish(&link),
            None => Err(Fault::later(Blame::Link, "the authority does not close")),
        };
        if let Err(fault) = closed {
            tracing::debug!(%fault, "tapicom did not end properly");
            link.fail(fault);
        }
    }
}

/// Events of one subscription. Dropped, it ends, and the connection goes on.
pub struct Subscription<'a> {
    client: &'a mut Client,
    number: u32,
    last: u64,
    ended: bool,
}

impl Subscription<'_> {
    /// Waits for the next event; none: no more will come. A refusal says why.
    pub fn next_event(&mut self) -> Result<Option<Result<Event, Refusal>>, Fault> {
        if self.ended {
            return Ok(None);
        }
        loop {
            match self.client.frame()? {
                Frame { number, body: Body::Event(at, event) } if number == self.number => {
                    self.follow(at, &event)?;
                    return Ok(Some(Ok(*event)));
                }
                Frame { number, body: Body::Ended(ended) } if number == self.number => {
                    self.ended = true;
                    return Ok(ended.refusal.map(Err));
                }
                // The last of one that we had enough of.
                Frame { number, body: Body::Event(..) | Body::Ended(_) }
                    if number < self.number => {}
                _ => return Err(Fault::stream("the authority tells something else than events")),
            }
        }
    }

    /// A gap in the numbers is one that we were told of.
    fn follow(&mut self, at: u64, event: &Event) -> Result<(), Fault> {
        let count = match event {
            Event::Lost { count } => *count,
            _ => 1,
        };
        if self.last.checked_add(count) != Some(at) {
            return Err(Fault::stream("events are missing, and the authority does not say so"));
        }
        self.last = at;
        Ok(())
    }

    /// Ends it, and takes what was under way.
    pub fn end(mut self) -> Result<(), Fault> {
        self.say_enough()?;
        while self.next_event()?.is_some() {}
        Ok(())
    }

    fn say_enough(&mut self) -> Result<(), Fault> {
        let enough = Frame { number: self.number, body: Body::Enough };
        if self.ended { Ok(()) } else { frame::write(&enough, &mut self.client.to) }
    }
}

impl Drop for Subscription<'_> {
    fn drop(&mut self) {
        if let Err(fault) = self.say_enough() {
            tracing::debug!(%fault, "a subscription is left");
        }
    }
}

/// What a visitor gets, as long as it is there.
struct Visiting<R>(R, #[allow(dead_code, reason = "its end is the end of the visit")] UnixStream);

impl<R: Read> Read for Visiting<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}
