//! One initiator's connection, from its login to its logout.
//!
//! Owns the order of units and their numbers. Commands are carried out one after the other as they come. One that its
//! device never answers is passed over, and what the initiator then does about it is answered.

use std::fmt;
use std::io::{self, Read, Write};

use scsi::Data;

use crate::TARGET;
use crate::login::{Terms, pairs, say};
use crate::pdu::{FINAL, NO_TAG, Pdu, op};
use crate::units::{Answer, Units};

/// The most data that one command may move, bytes.
const DATA_MAX: usize = 16 << 20;

/// Why a connection ended before its time.
#[derive(Debug)]
pub enum Error {
    /// Reading or writing failed, or a unit was longer than agreed.
    Io(io::Error),
    /// The initiator does what RFC 7143 forbids, or what this target does not offer.
    Protocol(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => error.fmt(f),
            Error::Protocol(what) => write!(f, "the initiator {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}

/// Talks to one initiator until it leaves. `portal` is the address that discovery names.
///
/// # Errors
///
/// See [`Error`]; the connection is of no use then.
pub fn converse(from: impl Read, to: impl Write, units: &Units, portal: &str) -> Result<(), Error> {
    let mut session = Session {
        from,
        to,
        units,
        portal,
        terms: Terms::default(),
        status: 0,
        expected: 0,
        busy: false,
    };
    if session.login()? {
        while session.next()? {}
    }
    Ok(())
}

struct Session<'a, R, W> {
    from: R,
    to: W,
    units: &'a Units,
    portal: &'a str,
    terms: Terms,
    /// StatSN of the next answer.
    status: u32,
    /// ExpCmdSN: number of the next command.
    expected: u32,
    /// A command is under way, and no other may come.
    busy: bool,
}

impl<R: Read, W: Write> Session<'_, R, W> {
    fn read(&mut self) -> io::Result<Option<Pdu>> {
        Pdu::read(&mut self.from)
    }

    /// Sends an answer that bears a status number of its own.
    fn answer(&mut self, pdu: Pdu) -> io::Result<()> {
        self.send(pdu)?;
        self.status = self.status.wrapping_add(1);
        Ok(())
    }

    /// Sends what only mentions the next status number.
    fn send(&mut self, pdu: Pdu) -> io::Result<()> {
        self.send_data(pdu.word(24, self.status))
    }

    /// Sends what bears no status number: data alone (RFC 7143 11.7.4). Every unit says which command may come next,
    /// and whether it may.
    fn send_data(&mut self, pdu: Pdu) -> io::Result<()> {
        let last_allowed = self.expected.wrapping_sub(u32::from(self.busy));
        pdu.word(28, self.expected).word(32, last_allowed).write(&mut self.to)
    }

    /// True once the initiator is in; false when it left before.
    fn login(&mut self) -> Result<bool, Error> {
        /// From operational negotiation to the full feature phase (byte 1: T, CSG, NSG).
        const TRANSIT: u8 = 0x80;
        let mut introduced = false;
        while let Some(pdu) = self.read()? {
            if pdu.op() != op::LOGIN {
                return Err(Error::Protocol("sends something else before its login"));
            }
            self.expected = pdu.get(24);
            let (result, mut text) = match self.terms.agree(&pdu.data) {
                Ok(text) => ([0, 0], text),
                Err(refusal) => (refusal, Vec::new()),
            };
            if !introduced && !self.terms.discovery {
                say(&mut text, "TargetPortalGroupTag", "1");
            }
            introduced = true;
            let transit = pdu.flags() & TRANSIT != 0 && result == [0, 0];
            // Stages as the initiator wants them; its next one only when it asks for it.
            let flags = if transit { pdu.flags() & 0x8f } else { pdu.flags() & 0x0c };
            let entered = transit && flags & 3 == 3;
            let answer = Pdu::new(op::LOGIN_RESPONSE, flags, pdu.tag())
                .bytes(8, &pdu.header()[8..14])
                // The session's handle: there is one session a connection, so any number does.
                .bytes(14, &u16::from(entered).to_be_bytes())
                .bytes(36, &result)
                .with(text);
            self.answer(answer)?;
            match result {
                [0, 0] if entered => return Ok(true),
                [0, 0] => {}
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Takes one unit; false when the initiator leaves.
    fn next(&mut self) -> Result<bool, Error> {
        let Some(pdu) = self.read()? else { return Ok(false) };
        // What is immediate has its number from the command that follows it.
        if !pdu.immediate() && pdu.op() != op::DATA_OUT {
            if pdu.get(24) != self.expected {
                return Err(Error::Protocol("leaves out a command's number"));
            }
            self.expected = self.expected.wrapping_add(1);
        }
        match pdu.op() {
            op::COMMAND if !self.terms.discovery => {
                self.busy = true;
                self.command(&pdu)?;
            }
            op::NOP_OUT => self.nop(pdu)?,
            op::TASK => self.task(&pdu)?,
            op::TEXT => self.text(&pdu)?,
            // Of a command that was refused before all of its data were here.
            op::DATA_OUT => {}
            op::LOGOUT => {
                self.answer(Pdu::new(op::LOGOUT_RESPONSE, FINAL, pdu.tag()))?;
                return Ok(false);
            }
            // Reason 5: not supported (RFC 7143 11.17.1).
            _ => self.answer(
                Pdu::new(op::REJECT, FINAL, NO_TAG).byte(2, 5).with(pdu.header().to_vec()),
            )?,
        }
        Ok(true)
    }

    fn nop(&mut self, ping: Pdu) -> io::Result<()> {
        if ping.tag() == NO_TAG {
            return Ok(());
        }
        let echo = Pdu::new(op::NOP_IN, FINAL, ping.tag()).word(20, NO_TAG).with(ping.data);
        self.answer(echo)
    }

    /// Every command has ended or is never answered when its management is asked for: nothing is left to abort.
    fn task(&mut self, request: &Pdu) -> io::Result<()> {
        self.busy = false;
        self.answer(Pdu::new(op::TASK_RESPONSE, FINAL, request.tag()))
    }

    fn text(&mut self, request: &Pdu) -> io::Result<()> {
        let mut text = Vec::new();
        if pairs(&request.data).any(|(key, _)| key == "SendTargets") {
            say(&mut text, "TargetName", TARGET);
            say(&mut text, "TargetAddress", &format!("{},1", self.portal));
        }
        let answer = Pdu::new(op::TEXT_RESPONSE, FINAL, request.tag()).word(20, NO_TAG).with(text);
        self.answer(answer)
    }

    fn command(&mut self, command: &Pdu) -> Result<(), Error> {
        const READ: u8 = 0x40;
        const WRITE: u8 = 0x20;
        let expected = command.get(20) as usize;
        if expected > DATA_MAX {
            return Err(Error::Protocol("asks for more data than 16 MiB"));
        }
        let cdb = cdb(&command.header()[32..]);
        let way = command.flags() & (READ | WRITE);
        let (answer, back) = match way {
            READ => {
                let mut buffer = vec![0; expected];
                let answer = self.units.execute(command.lun(), cdb, Data::In(&mut buffer));
                (answer, buffer)
            }
            WRITE => {
                let data = self.collect(command, expected)?;
                (self.units.execute(command.lun(), cdb, Data::Out(&data)), Vec::new())
            }
            0 => (self.units.execute(command.lun(), cdb, Data::None), Vec::new()),
            _ => return Err(Error::Protocol("sends a command that moves data both ways")),
        };
        Ok(self.conclude(command, answer, &back)?)
    }

    /// The data of a command: what came with it, and then what is asked for.
    fn collect(&mut self, command: &Pdu, expected: usize) -> Result<Vec<u8>, Error> {
        let mut data = command.data.clone();
        if data.len() > expected {
            return Err(Error::Protocol("sends more with a command than it announced"));
        }
        let mut asked = 0;
        while data.len() < expected {
            let want = (expected - data.len()).min(self.terms.burst);
            let ready = Pdu::new(op::R2T, FINAL, command.tag())
                .bytes(8, &command.header()[8..16])
                .word(20, asked)
                .word(36, asked)
                .word(40, data.len() as u32)
                .word(44, want as u32);
            self.send(ready)?;
            self.burst(command.tag(), &mut data, want)?;
            asked += 1;
        }
        Ok(data)
    }

    /// Takes `want` more bytes of the command `tag`.
    fn burst(&mut self, tag: u32, data: &mut Vec<u8>, want: usize) -> Result<(), Error> {
        let end = data.len() + want;
        while data.len() < end {
            let part = self.read()?.ok_or(Error::Protocol("leaves when its data are awaited"))?;
            match part.op() {
                op::DATA_OUT if part.tag() == tag => {}
                op::NOP_OUT if part.immediate() => {
                    self.nop(part)?;
                    continue;
                }
                _ => return Err(Error::Protocol("sends something else when its data are awaited")),
            }
            if part.get(40) as usize != data.len()
                || part.data.is_empty()
                || part.data.len() > end - data.len()
            {
                return Err(Error::Protocol("sends its data out of order"));
            }
            data.extend_from_slice(&part.data);
        }
        Ok(())
    }

    /// Sends what came back, then the status.
    fn conclude(&mut self, command: &Pdu, answer: Answer, back: &[u8]) -> io::Result<()> {
        /// Less was moved than the initiator offered room for (byte 1).
        const UNDERFLOW: u8 = 0x02;
        let response = Pdu::new(op::RESPONSE, FINAL, command.tag());
        let (status, sense, residual) = match answer {
            Answer::Silent => return Ok(()),
            // Response 1: target failure (RFC 7143 11.4.3).
            Answer::Failed => {
                self.busy = false;
                return self.answer(response.byte(2, 1));
            }
            Answer::Status { status, sense, residual } => (status, sense, residual),
        };
        let moved = &back[..back.len().saturating_sub(residual)];
        let mut sequence = 0;
        for part in moved.chunks(self.terms.segment) {
            let offset = sequence as usize * self.terms.segment;
            let last = offset + part.len() == moved.len();
            let data = Pdu::new(op::DATA_IN, if last { FINAL } else { 0 }, command.tag())
                .bytes(8, &command.header()[8..16])
                .word(20, NO_TAG)
                .word(36, sequence)
                .word(40, offset as u32)
                .with(part.to_vec());
            self.send_data(data)?;
            sequence += 1;
        }
        let flags = if residual > 0 { FINAL | UNDERFLOW } else { FINAL };
        let mut segment = Vec::new();
        if !sense.is_empty() {
            segment.extend((sense.len() as u16).to_be_bytes());
            segment.extend(sense);
        }
        let response = Pdu::new(op::RESPONSE, flags, command.tag())
            .byte(3, status)
            .word(36, sequence)
            .word(44, residual as u32)
            .with(segment);
        self.busy = false;
        self.answer(response)
    }
}

/// The command descriptor block without what pads it to 16 bytes, by its group code (SPC-5 4.2.5.1).
fn cdb(padded: &[u8]) -> &[u8] {
    let length = match padded[0] >> 5 {
        0 => 6,
        1 | 2 => 10,
        5 => 12,
        _ => 16,
    };
    &padded[..length]
}
