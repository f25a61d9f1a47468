#!/usr/bin/env python3
"""reader.py - get data back from tapioca tape volumes, with Python alone.

    reader.py check  SOURCE...                    read every block, name every bad one
    reader.py list   SOURCE...                    streams, their parts, and every entry of their indexes
    reader.py stream SOURCE... --stream UUID      one stream's bytes on standard output
    reader.py file   SOURCE... PATH               one archive entry on standard output, for `tar -x`

A SOURCE is a tape device (/dev/nst0), or a directory that holds one dump of each file of a tape, named file000,
file001 and so on, as made by `dd if=/dev/nst0 of=file000 bs=1M` once for every file. All volumes a stream lies on
can be given together; two dumps of the same damaged tape too: what is bad in one is then taken from the other.

`check`, `list`:  type size mtime path medium block [target]; text in them is written as in the index (\\xHH).
`stream`, `file`: what is missing is named on standard error; --fill-zeros writes zeros for it instead of stopping.
The exit status is 0 if all was well, 1 if anything was bad or missing, 2 if the command was not understood.

Needs Python 3.9 and nothing else. The format is described in FORMAT.md, which lies on every volume beside this reader.
"""
import argparse
import array
import bisect
import errno
import os
import re
import struct
import sys
import uuid
import zlib
from collections import namedtuple

MAGIC = b"TAPIOCA1"
HEADER = struct.Struct("<8sc3sI16s16sQQIII16sI")
HEADER_BYTES = 96
SMALLEST, LARGEST, STEP = 65536, 1048576, 4096      # what a block size may be
INDEX_LIMIT = 4 << 30                               # bytes an index may unpack to
LINE_LIMIT = 1 << 20                                # bytes a line of an index may have
FACT_LIMIT = 50000000                               # seek points, and runs, that are kept in memory
FILL_LIMIT = 64 << 40                               # the largest gap that is filled with zeros
CHUNK = 1 << 20
ENTRY_KINDS = (b"f", b"d", b"l", b"h", b"p", b"c", b"b", b"s")
TOOLS = {"zstd": "zstd -d", "lz4": "lz4 -d"}


class Bad(Exception):
    """Something on the tape, or the command, is not as it should be: one clear line."""


# ---------------------------------------------------------------- text and numbers

def safe(data):
    """Bytes as text that is safe to print: what is not printable UTF-8 becomes \\xHH."""
    text = data.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else "".join("\\x%02x" % b for b in c.encode("utf-8")) for c in text)


def unescape(field):
    """The bytes behind a text field."""
    if field == b"\\e":
        return b""
    if re.search(rb"\\(?!x[0-9A-Fa-f]{2})", field):
        raise Bad("a text field has a bad escape: %s" % safe(field[:80]))
    return re.sub(rb"\\x(..)", lambda m: bytes([int(m.group(1), 16)]), field)


def whole(text):
    """A decimal number below 2^64."""
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    if not re.fullmatch("[0-9]{1,20}", text, re.ASCII) or int(text) >= 1 << 64:
        raise Bad("not a number: %s" % safe(text[:40].encode()))
    return int(text)


def parse_text(payload):
    """The `key: value` lines of a text payload as a dictionary; the first of equal keys counts."""
    facts = {}
    for line in payload.split(b"\n"):
        match = re.fullmatch(rb"([A-Za-z0-9_-]{1,64}): (\S*)", line)
        if match:
            facts.setdefault(match.group(1).decode(), safe(match.group(2)))
    return facts


def number(facts, key):
    """The number a text payload gives for key, or None."""
    try:
        return whole(facts[key])
    except (KeyError, Bad):
        return None


def identity(facts, key):
    try:
        return uuid.UUID(facts[key])
    except (KeyError, ValueError):
        return None


# ---------------------------------------------------------------- blocks

Block = namedtuple("Block", "kind length set stream address offset volume part previous checksum payload tidy")


def checksum_right(raw):
    return zlib.crc32(raw[HEADER_BYTES:], zlib.crc32(raw[:92])) == int.from_bytes(raw[92:96], "little")


def open_block(raw, size):
    """The block in these bytes, if its magic, checksum and length are right."""
    if len(raw) != size:
        raise Bad("is %d bytes long, not %d" % (len(raw), size))
    (magic, kind, zero1, length, group, stream, address, offset, volume, part, previous, zero2,
     checksum) = HEADER.unpack_from(raw)
    if magic[:7] != MAGIC[:7]:
        raise Bad("magic is wrong: not a tapioca block")
    if not checksum_right(raw):
        raise Bad("checksum is wrong")
    if magic != MAGIC:
        raise Bad("is of format version %s, which this reader does not know" % safe(magic[7:]))
    if length > size - HEADER_BYTES:
        raise Bad("length is %d, more than a block holds" % length)
    payload = raw[HEADER_BYTES:HEADER_BYTES + length]
    tidy = not any(zero1 + zero2) and not raw[HEADER_BYTES + length:].strip(b"\0")
    return Block(safe(kind), length, uuid.UUID(bytes=group), uuid.UUID(bytes=stream), address, offset, volume, part,
                 previous, checksum, payload, tidy)


def own_address(raw, size):
    """The address a block says it has, if its magic and checksum are right, else None."""
    if len(raw) == size and raw[:8] == MAGIC and checksum_right(raw):
        return int.from_bytes(raw[48:56], "little")
    return None


def open_page(raw):
    """The facts in the text page, if its own checksum is right."""
    if not raw.startswith(b"TAPIOCA VOLUME"):
        raise Bad("is not a text page: it does not begin with TAPIOCA VOLUME")
    text = raw.rstrip(b"\n")
    cut = text.rfind(b"\n") + 1
    match = re.fullmatch(rb"page-checksum: ([0-9a-fA-F]{8})", text[cut:])
    if not match:
        raise Bad("the text page does not end with its checksum")
    if int(match.group(1), 16) != zlib.crc32(raw[:cut]):
        raise Bad("checksum of the text page is wrong")
    return parse_text(raw[:cut])


# ---------------------------------------------------------------- sources
#
# A source has: name, block_size;
#   files()         every file in turn: (number, blocks), where blocks gives (address, bytes or None, trouble)
#   layout()        where the files lie: TapeFile(number, start, end), end being one past the last block
#   read_from(a)    blocks as above, from address a to the end of the file it lies in

TapeFile = namedtuple("TapeFile", "number start end")
Dump = namedtuple("Dump", "number path count start end")


class DumpSource:
    """A directory of dumps. Addresses are counted; where a dump lost blocks, good block headers put the count right."""

    def __init__(self, folder):
        self.name = folder
        found = []
        for entry in os.scandir(folder):
            match = re.fullmatch("file([0-9]{3,9})", entry.name, re.ASCII)
            if match and entry.is_file():
                found.append((int(match.group(1)), entry.path, entry.stat().st_size))
        found.sort()
        while found and found[-1][2] == 0:
            found.pop()                     # what dd leaves when it is started at the end of data
        if not found:
            raise Bad("%s: no dumps named file000, file001, ... in it" % show_name(folder))
        self.block_size = self._find_block_size(found)
        self.dumps = []
        expected = 0
        for index, path, size in found:
            dump = self._place(index, path, size, expected)
            self.dumps.append(dump)
            expected = dump.end + 1

    def _find_block_size(self, found):
        """The size for which a block near the beginning of a dump has the right checksum."""
        for index, path, _ in found:
            with open(path, "rb") as file:
                head = file.read(4 * LARGEST)
            for nth in range(1 if index == 0 else 0, 4):
                for size in range(SMALLEST, LARGEST + 1, STEP):
                    if own_address(head[nth * size:(nth + 1) * size], size) is not None:
                        return size
        with open(found[0][1], "rb") as file:
            told = number(parse_text(file.read(LARGEST)), "block-bytes")
        return told if told in range(SMALLEST, LARGEST + 1, STEP) else 524288

    def _place(self, index, path, size, expected):
        """A dump with the addresses it begins and ends at, as its own blocks tell them, or else as counted."""
        count = -(-size // self.block_size)
        start, end = expected, None
        with open(path, "rb") as file:
            for nth in range(min(count, 4) if index else 0):
                told = self._told(file, nth)
                after = self._told(file, nth + 1) if nth + 1 < count else None
                if told is not None and told >= nth and (after == told + 1 or nth + 1 == count):
                    start = told - nth
                    break
            told = self._told(file, count - 1) if count else None
            if told is not None and told >= start + count - 1:
                end = told + 1
        return Dump(index, path, count, start, end or start + count)

    def _told(self, file, nth):
        file.seek(nth * self.block_size)
        return own_address(file.read(self.block_size), self.block_size)

    def layout(self):
        return [TapeFile(d.number, d.start, d.end) for d in self.dumps if d.count]

    def files(self):
        expected = wanted = 0
        for dump in self.dumps:
            yield dump.number, self._file(dump, expected, wanted)
            expected, wanted = dump.end + 1, dump.number + 1

    def _file(self, dump, expected, wanted):
        lost = "" if dump.number == wanted else " (file%03d is not in the dump)" % wanted
        if dump.start > expected:
            yield expected, None, "%s missing%s" % (span_text(expected, dump.start - 1), lost)
        elif dump.start < expected:
            yield expected, None, "file%03d begins again at address %d" % (dump.number, dump.start)
        elif lost:
            yield expected, None, "missing%s" % lost
        yield from self._blocks(dump, 0, dump.start)

    def read_from(self, address):
        for dump in self.dumps:
            if dump.start <= address < dump.end:
                nth, told = self._nearest(dump, address)
                for where, raw, trouble in self._blocks(dump, nth, told):
                    if where >= address or raw is None:
                        yield where, raw, trouble
                return

    def _nearest(self, dump, address):
        """(position in the dump, address) of a block at or before the address."""
        nth = min(address - dump.start, dump.count - 1)
        with open(dump.path, "rb") as file:
            while nth > 0:
                told = self._told(file, nth)
                if told is not None and told <= address:
                    return nth, told
                nth -= 1 if told is None else min(nth, told - address)
        return 0, dump.start

    def _blocks(self, dump, nth, address):
        size = self.block_size
        with open(dump.path, "rb") as file:
            file.seek(nth * size)
            raw = file.read(size)
            while raw:
                following = file.read(size)
                if raw[48:56] != address.to_bytes(8, "little"):
                    told = own_address(raw, size)
                    steady = own_address(following, size) == told + 1 if told is not None and following else True
                    if told is not None and told > address and steady:
                        yield address, None, "%s missing: lost from the dump" % span_text(address, told - 1)
                        address = told
                    elif told is not None and told < address and steady and following:
                        yield address, None, "the dump begins again at address %d here" % told
                        address = told
                yield address, raw, None
                raw, address = following, min(address + 1, (1 << 64) - 1)


class Drive:
    """The few calls to the Linux tape driver that are needed; blocks of any length."""
    OPERATE, STATUS, POSITION = 0x40086D01, 0x80306D02, 0x80086D03     # MTIOCTOP, MTIOCGET, MTIOCPOS
    FORWARD_FILE, SET_BLOCK, SEEK = 1, 20, 22                          # MTFSF, MTSETBLK, MTSEEK

    def __init__(self, device):
        import fcntl
        self.ioctl = fcntl.ioctl
        self.handle = os.open(device, os.O_RDONLY)
        try:
            self._operate(self.SET_BLOCK, 0)
        except OSError:
            pass                            # then it must be set already, which the first block will tell

    def _operate(self, what, count):
        self.ioctl(self.handle, self.OPERATE, struct.pack("@hi", what, count))

    def read(self):
        return os.read(self.handle, LARGEST)

    def seek(self, address):
        self._operate(self.SEEK, address)

    def tell(self):
        return struct.unpack("@l", self.ioctl(self.handle, self.POSITION, bytes(8)))[0]

    def next_file(self):
        """Go behind the next filemark; False if the end of data came first."""
        try:
            self._operate(self.FORWARD_FILE, 1)
            return True
        except OSError:
            return False

    def at_end(self):
        """Whether the drive says it stands at the end of data."""
        try:
            return bool(struct.unpack("@5l2i", self.ioctl(self.handle, self.STATUS, bytes(48)))[3] & 0x08000000)
        except OSError:
            return False


class TapeSource:
    """A tape in a drive."""

    def __init__(self, device, drive=None):
        self.name = device
        self.drive = drive or Drive(device)
        self.position = None                # address the drive stands at, if known
        self.ended = False                  # whether the last read_from came to the end of data
        self.block_size = next((len(raw) for _, raw, _ in self.read_from(0) if raw), 0)
        if self.block_size not in range(SMALLEST, LARGEST + 1, STEP):
            raise Bad("%s: its first block has %d bytes: not a tapioca volume, or not in variable block mode"
                      % (show_name(device), self.block_size))

    def files(self):
        count = address = 0
        while True:
            yield count, self.read_from(address)
            if self.ended or self.position == address + 1:      # no more, or two filemarks in a row
                return
            count, address = count + 1, self.position

    def layout(self):
        self.position, found = None, []
        self.drive.seek(0)
        start, more = 0, True
        while more:
            more = self.drive.next_file()
            after = self.drive.tell()
            end = after - 1 if more else after
            if end <= start:
                break
            found.append(TapeFile(len(found), start, end))
            start = after
        return found

    def read_from(self, address):
        failures, self.ended = 0, False
        while True:
            try:
                if self.position != address:
                    self.drive.seek(address)
                self.position = None
                raw = self.drive.read()
            except OSError as error:
                failures += 1
                if error.errno == errno.ENOSPC or self.drive.at_end():
                    self.ended = True
                    return
                yield address, None, "cannot be read: %s" % error.strerror
                if failures == 16:
                    yield address + 1, None, "not tried: too many errors in a row, the rest of the tape is given up"
                    self.ended = True
                    return
                address += 1
                continue
            failures = 0
            self.position = address + 1
            if not raw:
                return                      # a filemark
            yield address, raw, None
            address += 1


def span_text(first, last):
    return "is" if first >= last else "and all up to %d are" % last


def show_name(path):
    return safe(os.fsencode(path))


def open_source(path):
    try:
        if os.path.isdir(path):
            return DumpSource(path)
        if os.path.exists(path) and not os.path.isfile(path):
            return TapeSource(path)
    except OSError as error:
        raise Bad("%s: %s" % (show_name(path), error.strerror))
    raise Bad("%s: neither a tape device nor a directory of dumps" % show_name(path))


# ---------------------------------------------------------------- volumes and parts

class Volume:
    """A source, and what its text page and label say of it."""

    def __init__(self, source):
        self.source = source
        self.size = source.block_size
        self.name = show_name(source.name)
        self.label = self.page = None
        for address, raw, _ in source.read_from(0):
            if address > 1:
                break
            if raw is not None:
                self._learn(address, raw)
        facts = self.label or self.page or {}
        self.set = identity(facts, "set-id")
        self.id = identity(facts, "volume-id")
        self.number = number(facts, "volume-number")
        self.tag = facts.get("volume-tag", "?")
        if self.set is None:
            self._learn_from_blocks()

    def _learn(self, address, raw):
        try:
            if address == 0:
                self.page = open_page(raw)
            else:
                block = open_block(raw, self.size)
                if block.kind == "L" and block.address == 1:
                    self.label = parse_text(block.payload)
        except Bad:
            pass                            # `check` will say it

    def _learn_from_blocks(self):
        """Without page and label, the first good block tells the set."""
        for file in self.source.layout():
            for tries, (_, raw, _) in enumerate(self.source.read_from(file.start)):
                try:
                    block = open_block(raw or b"", self.size)
                    self.set, self.number = block.set, block.volume
                    return
                except Bad:
                    if tries > 16:
                        break

    def medium(self):
        return self.name if self.tag in ("?", "\\e") else "%s (%s)" % (self.name, self.tag)

    def open(self, raw, address):
        """The block in these bytes if it is good (section 3)."""
        block = open_block(raw, self.size)
        if self.set is not None and block.set != self.set:
            raise Bad("is a stranger: it belongs to set %s, this volume to %s" % (block.set, self.set))
        if block.address != address:
            raise Bad("says its address is %d" % block.address)
        return block

    def good_blocks(self, address):
        """From an address to the end of the file: (address, block, None) or (address, None, what is wrong)."""
        for where, raw, trouble in self.source.read_from(address):
            block = None
            if raw is not None:
                try:
                    block = self.open(raw, where)
                except Bad as bad:
                    trouble = str(bad)
            yield where, block, trouble

    def block_at(self, address):
        for where, block, _ in self.good_blocks(address):
            return block if where == address else None
        return None

    def parts(self):
        """Every part on the volume, from the first and last blocks of each file if these will do."""
        found = []
        for file in self.source.layout():
            if file.number == 0:
                continue
            part = self._part_by_its_ends(file)
            found += [part] if part else self._parts_by_reading(file)
        return found

    def _part_by_its_ends(self, file):
        first = self.block_at(file.start)
        if first is None or first.kind != "B":
            return None
        part = Part(self, file.number, first)
        failures, address = 0, file.end - 1
        while address > file.start and failures < 64:
            block = self.block_at(address)
            if block is None:
                failures += 1
            elif not part.owns(block) or block.kind == "B":
                return None
            else:
                part.note(block)
                if block.kind != "I":
                    return part
            address -= 1
        return part if address <= file.start else None

    def _parts_by_reading(self, file):
        parts = []
        for _, block, _ in self.good_blocks(file.start):
            if block and (block.kind == "B" or not parts):
                parts.append(Part(self, file.number, block))
            elif block and parts[-1].owns(block):
                parts[-1].note(block)
        return parts


class Part:
    """What is known of a part from those of its blocks that were looked at."""

    def __init__(self, volume, file, block):
        self.volume, self.file = volume, file
        self.stream, self.number = block.stream, block.part
        self.first = self.last = block.address
        self.begin, self.end = {}, None
        self.anchor = None                  # (address, offset) where some data block lies, or its successor
        self.low = self.high = None         # stream offsets seen
        self.index_first = None
        self.note(block)

    def owns(self, block):
        return (block.stream, block.part) == (self.stream, self.number)

    def note(self, block):
        self.last = max(self.last, block.address)
        if block.kind in "BDS":
            reach = block.offset + (block.length if block.kind == "D" else 0)
            self.low = block.offset if self.low is None else min(self.low, block.offset)
            self.high = reach if self.high is None else max(self.high, reach)
            if self.anchor is None or block.address < self.anchor[0]:
                self.anchor = (block.address + (block.kind != "D"), block.offset)
        if block.kind == "B" and not self.begin:
            self.begin = parse_text(block.payload)
        elif block.kind == "I" and block.offset == 0:
            self.index_first = block.address
        elif block.kind == "E" and self.end is None:
            self.end = parse_text(block.payload)
            self.index_first = number(self.end, "index-block")

    @property
    def start(self):
        told = [number(self.begin, "from"), number(self.end or {}, "from"), self.low]
        return next((n for n in told if n is not None), 0)

    @property
    def stop(self):
        told = number(self.end or {}, "to")
        return max(self.start, told if told is not None else self.high or 0)

    @property
    def state(self):
        return "cut off" if self.end is None else self.end.get("state", "of unknown state")

    @property
    def layers(self):
        """Names of the layers, innermost first; None if the begin block is lost."""
        if "layers" not in self.begin:
            return None
        return [] if self.begin["layers"] == "\\e" else self.begin["layers"].split(",")

    def describe(self):
        return "part %d (file %d, blocks %d to %d) of stream %s %s: %s, bytes %d to %d" % (
            self.number, self.file, self.first, self.last, self.stream, self.begin.get("name", "?"), self.state,
            self.start, self.stop)

    def data_from(self, position, address=None):
        """The data from a stream offset on: (offset, bytes, None), or (None, None, what is wrong with a block)."""
        if address is None:
            address = self.first
            if self.anchor and position >= self.anchor[1]:
                # never too far: sync records and short blocks only push data further back
                address = self.anchor[0] + (position - self.anchor[1]) // (self.volume.size - HEADER_BYTES)
        for where, block, trouble in self.volume.good_blocks(address):
            if block and not self.owns(block):
                if block.kind == "B":
                    return
                trouble = "belongs to another part"
            if trouble:
                yield None, None, "%s block %d %s" % (self.volume.medium(), where, trouble)
            elif block.kind in "IE":
                return
            elif block.kind == "D" and block.offset + block.length > position:
                yield block.offset, block.payload, None

    def index_lines(self):
        """The lines of the index, unpacked bit by bit."""
        if self.index_first is None:
            raise Bad("%s: part %d has no index: it was cut off; read the stream itself to see what is in it"
                      % (self.volume.medium(), self.number))
        try:
            yield from unpack_lines(self._index_pieces(), number(self.end or {}, "index-raw-bytes"))
        except Bad as bad:
            raise Bad("%s: index of part %d: %s" % (self.volume.medium(), self.number, bad))

    def _index_pieces(self):
        wanted = number(self.end or {}, "index-bytes")
        got = 0
        if not self.first <= self.index_first <= self.last:
            raise Bad("the end block puts it at block %d, outside the part" % self.index_first)
        for where, block, trouble in self.volume.good_blocks(self.index_first):
            if trouble or not self.owns(block):
                raise Bad("block %d %s" % (where, trouble or "belongs to another part"))
            if block.kind != "I":
                break
            if block.offset != got:
                raise Bad("block %d holds byte %d of it, not byte %d" % (where, block.offset, got))
            got += block.length
            yield block.payload
        if wanted is not None and got != wanted:
            raise Bad("it has %d bytes, not the %d of the end block" % (got, wanted))


# ---------------------------------------------------------------- the index

def unpack_lines(pieces, wanted=None):
    """Lines of a zlib stream that comes in pieces, never holding more than a line and a chunk of it."""
    unpacker, total, rest, fed = zlib.decompressobj(), 0, b"", False
    for piece in pieces:
        fed = fed or bool(piece)
        more = True
        while piece or more:
            if unpacker.eof:
                if piece or unpacker.unused_data:
                    raise Bad("there are bytes after its end")
                break
            try:
                text = unpacker.decompress(piece, CHUNK)
            except zlib.error as error:
                raise Bad("it does not unpack: %s" % error)
            piece, more = unpacker.unconsumed_tail, len(text) == CHUNK
            total += len(text)
            if total > INDEX_LIMIT:
                raise Bad("it unpacks to more than %d bytes, and is not read further" % INDEX_LIMIT)
            lines = (rest + text).split(b"\n")
            rest = lines.pop()
            yield from lines
            if len(rest) > LINE_LIMIT:
                raise Bad("a line is longer than %d bytes" % LINE_LIMIT)
    if fed and (not unpacker.eof or rest):
        raise Bad("it ends too early")
    if wanted is not None and total != wanted:
        raise Bad("it unpacks to %d bytes, not the %d of the end block" % (total, wanted))


Entry = namedtuple("Entry", "kind offset span size mtime digest path target")
Run = namedtuple("Run", "start stop stride tag volume partition address sure")


def parse_entry(line):
    """The entry in an index line; path and target still escaped."""
    fields = line.split(b" ")
    if len(fields) != (8 if fields[0] in (b"l", b"h") else 7):
        raise Bad("bad index line: %s" % safe(line[:120]))
    if not re.fullmatch(rb"-?[0-9]{1,20}\.[0-9]{9}|-", fields[4]) or not re.fullmatch(rb"[0-9a-f]{64}|-", fields[5]):
        raise Bad("bad index line: %s" % safe(line[:120]))
    target = fields[7] if len(fields) == 8 else None
    for text in fields[6:]:
        unescape(text)
    return Entry(safe(fields[0]), whole(fields[1]), whole(fields[2]), whole(fields[3]), safe(fields[4]),
                 safe(fields[5]), fields[6], target)


class Places:
    """The seek points and runs of a stream: where a byte of the payload lies on the media."""

    def __init__(self, layers):
        self.layers, self.points, self.runs, self.facts = layers, {}, [], 0

    def add(self, line):
        fields = line.split(b" ")
        self.facts += 1
        if self.facts > FACT_LIMIT:
            raise Bad("the index has too many seek points and runs")
        if fields[0] == b"~" and len(fields) == 4:
            layer, before, after = map(whole, fields[1:])
            inputs, outputs = self.points.setdefault(layer, (array.array("Q"), array.array("Q")))
            inputs.append(before)
            outputs.append(after)
        elif fields[0] == b"@" and len(fields) == 9:
            start, stop, stride = map(whole, fields[1:4])
            if stride == 0 or stop < start:
                raise Bad("bad index line: %s" % safe(line[:120]))
            self.runs.append(Run(start, stop, stride, safe(fields[4]), safe(fields[5]), whole(fields[6]),
                                 whole(fields[7]), safe(fields[8])))
        else:
            raise Bad("bad index line: %s" % safe(line[:120]))

    def finish(self):
        self.runs.sort()
        for layer, (inputs, outputs) in self.points.items():
            if any(a > b for a, b in zip(inputs, inputs[1:])):
                pairs = sorted(zip(inputs, outputs))
                self.points[layer] = (array.array("Q", (p[0] for p in pairs)), array.array("Q", (p[1] for p in pairs)))

    def stream_offset(self, offset):
        """Through the layers: the stream offset by which the reading has to begin."""
        for layer in range(1, self.layers + 1):
            inputs, outputs = self.points.get(layer, ((), ()))
            nth = bisect.bisect_right(inputs, offset) - 1
            offset = outputs[nth] if nth >= 0 else 0
        return offset

    def run_of(self, offset):
        """The run a stream offset lies in, and the address of its block."""
        nth = bisect.bisect_right(self.runs, (offset, float("inf"))) - 1
        if nth < 0 or not self.runs[nth].start <= offset < self.runs[nth].stop:
            return None, None
        run = self.runs[nth]
        return run, run.address + (offset - run.start) // run.stride


# ---------------------------------------------------------------- streams

class Stream:
    """The parts of one stream, in order, wherever they lie."""

    def __init__(self, group, stream, parts):
        self.set, self.id = group, stream
        self.parts = sorted(parts, key=lambda p: (p.start, -p.stop))
        begin = next((p.begin for p in self.parts if p.begin), {})
        self.name, self.kind = begin.get("name", "?"), begin.get("kind", "?")
        self.layers = next((p.layers for p in self.parts if p.layers is not None), None)
        last = max(self.parts, key=lambda p: (p.state == "complete", p.stop))
        self.last, self.stop = last, last.stop

    def end_problem(self):
        """Why the stream does not end where its parts do; None if it does."""
        last = self.last
        return {"complete": None,
                "continued": "goes on after byte %d in a part that is not here" % last.stop,
                "aborted": "was aborted by its source at byte %d (%s): a fragment"
                           % (last.stop, (last.end or {}).get("why", "?")),
                "cut off": "was cut off after byte %d" % last.stop}.get(last.state, "has an end of unknown state")

    def problems(self):
        position, found = 0, []
        for part in self.parts:
            if part.start > position:
                found.append("bytes %d to %d lie in no part that is here" % (position, part.start - 1))
            position = max(position, part.stop)
        return found + ([self.end_problem()] if self.end_problem() else [])

    def indexed_parts(self):
        """Parts to take the index of: of copies of the same part only the first."""
        seen = set()
        for part in self.parts:
            key = (part.volume.id or part.volume, part.number, part.start)
            if key not in seen:
                seen.add(key)
                yield part

    def places(self, warn):
        places = Places(len(self.layers or []))
        for part in self.indexed_parts():
            try:
                for line in part.index_lines():
                    if line[:1] in (b"~", b"@"):
                        places.add(line)
            except Bad as bad:
                warn(str(bad))
        places.finish()
        return places

    def read(self, start, stop, first_part=None, first_address=None):
        """The bytes from start to stop: (offset, bytes, None), or for a gap (offset, None, (its end, reasons))."""
        position = start
        while position < stop:
            before, reasons, ahead = position, [], [stop]
            for part in sorted(self.parts, key=lambda p: p is not first_part):
                if not part.start <= position < part.stop:
                    ahead += [part.start] if part.start > position else []
                    continue
                where = first_address if part is first_part and position == start else None
                resumes = part.stop
                for offset, data, trouble in part.data_from(position, where):
                    if trouble:
                        reasons.append(trouble)
                    elif offset > position:
                        resumes = min(resumes, offset)
                        break
                    else:
                        piece = data[position - offset:stop - offset]
                        if piece:
                            yield position, piece, None
                            position += len(piece)
                        if position >= stop:
                            return
                if position > before:
                    break
                ahead.append(resumes)
            if position == before:
                end = min(ahead)
                yield position, None, (end, reasons or ["they lie in no block that is here"])
                position = end


def open_streams(volumes):
    groups = {}
    for volume in volumes:
        for part in volume.parts():
            groups.setdefault((volume.set, part.stream), []).append(part)
    return [Stream(group, stream, parts) for (group, stream), parts in groups.items()]


def pick(streams, wanted):
    """The one stream whose UUID begins with wanted."""
    prefix = wanted.lower().replace("-", "")
    found = [s for s in streams if s.id.hex.startswith(prefix)]
    if not found:
        raise Bad("no stream %s here" % show_name(wanted))
    if len(found) > 1:
        raise Bad("more than one stream begins with %s: %s" % (
            show_name(wanted), ", ".join("%s (set %s)" % (s.id, s.set) for s in found)))
    return found[0]


# ---------------------------------------------------------------- commands

class Command:
    """Shared by the commands: output, warnings, and whether all was well."""

    def __init__(self, options):
        self.options, self.failed = options, False
        self.notes = set()
        self.out = sys.stdout.buffer

    def say(self, text):
        self.out.write(text.encode("utf-8") + b"\n")

    def warn(self, text):
        self.failed = True
        self.out.flush()
        print("reader.py: " + text, file=sys.stderr)

    def volumes(self):
        opened = []
        for path in self.options.source:
            try:
                opened.append(Volume(open_source(path)))
            except Bad as bad:
                self.warn(str(bad))
        sets = {v.set for v in opened}
        if len(sets) > 1:
            for volume in opened:
                print("reader.py: note: %s belongs to set %s" % (volume.medium(), volume.set), file=sys.stderr)
        return opened

    def list(self):
        for stream in open_streams(self.volumes()):
            problems = stream.problems()
            self.failed = self.failed or bool(problems)
            self.say("stream %s %s kind %s layers %s: %s" % (
                stream.id, stream.name, stream.kind, "?" if stream.layers is None else ",".join(stream.layers) or "none",
                "NOT COMPLETE: " + "; ".join(problems) if problems else "complete, %d bytes" % stream.stop))
            for part in stream.parts:
                self.say("  %s: %s" % (part.volume.medium(), part.describe()))
            places = stream.places(lambda text: None)           # the second reading of the index says it
            for part in stream.indexed_parts():
                self._list_index(part, places)

    def _list_index(self, part, places):
        try:
            for line in part.index_lines():
                if line[:1] == b"!":
                    self.say("! " + safe(line[2:]))
                elif line.split(b" ", 1)[0] in ENTRY_KINDS:
                    try:
                        self._list_entry(parse_entry(line), places)
                    except Bad as bad:
                        self.warn(str(bad))
        except Bad as bad:
            self.warn(str(bad))

    def _list_entry(self, entry, places):
        run, address = places.run_of(places.stream_offset(entry.offset))
        medium = "-" if run is None else run.tag if run.tag not in ("-", "\\e") else run.volume
        fields = [entry.kind, str(entry.size), entry.mtime, safe(entry.path), medium,
                  "-" if address is None else str(address)]
        self.say(" ".join(fields + ([safe(entry.target)] if entry.target is not None else [])))

    def stream(self):
        stream = pick(open_streams(self.volumes()), self.options.stream)
        self._write(stream, stream.read(0, stream.stop))
        if stream.end_problem():
            self.warn("stream %s %s" % (stream.id, stream.end_problem()))

    def _write(self, stream, pieces):
        """Write the bytes; a gap is named, and filled or the end."""
        for offset, data, gap in pieces:
            if gap is None:
                self.out.write(data)
                continue
            end, reasons = gap
            self.warn("stream %s: bytes %d to %d are missing (%d bytes): %s" % (
                stream.id, offset, end - 1, end - offset, "; ".join(reasons)))
            if not self.options.fill_zeros:
                raise Bad("stopped at byte %d; --fill-zeros goes on with zeros for what is missing" % offset)
            if end - offset > FILL_LIMIT:
                raise Bad("stopped at byte %d: the gap is too large to fill" % offset)
            for done in range(offset, end, CHUNK):
                self.out.write(bytes(min(CHUNK, end - done)))

    def file(self):
        streams = open_streams(self.volumes())
        if self.options.stream:
            streams = [pick(streams, self.options.stream)]
        raw = os.fsencode(self.options.path)
        found = self._search(streams, raw)
        if not found and b"\\" in raw:
            try:
                found = self._search(streams, unescape(raw))    # as `list` shows it
            except Bad:
                pass
        if not found:
            for trouble in sorted(self.notes):
                print("reader.py: note: %s" % trouble, file=sys.stderr)
            raise Bad("no entry %s in the indexes" % safe(raw))
        if len({id(stream) for stream, _ in found}) > 1:
            raise Bad("%s is in more than one stream, choose with --stream: %s" % (
                safe(raw), ", ".join(sorted({str(s.id) for s, _ in found}))))
        stream, entry = found[-1]
        if len(found) > 1:
            print("reader.py: note: %d entries have this path, this is the last" % len(found), file=sys.stderr)
        self._write_entry(stream, entry)

    def _search(self, streams, path):
        found = []
        for stream in streams:
            for part in stream.indexed_parts():
                try:
                    for line in part.index_lines():
                        if line.split(b" ", 1)[0] in ENTRY_KINDS:
                            entry = self._match(line, path)
                            found += [(stream, entry)] if entry else []
                except Bad as bad:
                    self.notes.add(str(bad))
        return found

    @staticmethod
    def _match(line, path):
        try:
            entry = parse_entry(line)
        except Bad:
            return None
        return entry if unescape(entry.path).rstrip(b"/") == path.rstrip(b"/") else None

    def _write_entry(self, stream, entry):
        if stream.layers:
            tools = " | ".join(TOOLS.get(layer, "(what undoes %s)" % layer) for layer in reversed(stream.layers))
            raise Bad("the stream has layers: use `reader.py stream SOURCE... --stream %s | %s | tar -x PATH`"
                      % (stream.id, tools))
        if entry.kind == "h":
            print("reader.py: note: a hard link; its content is in the entry %s" % safe(entry.target), file=sys.stderr)
        part = address = None
        if entry.span:
            part, address = self._locate(stream, entry)
        self._write(stream, stream.read(entry.offset, entry.offset + entry.span, part, address))

    def _locate(self, stream, entry):
        """The part and block that the index says the entry begins in, if it is so."""
        run, address = stream.places(lambda text: None).run_of(entry.offset)
        if run is None:
            self.warn("the index does not say in which block byte %d lies; looking for it" % entry.offset)
            return None, None
        for part in stream.parts:
            named = run.volume == str(part.volume.id) or run.volume == "-" and run.tag == part.volume.tag
            if named and part.start <= entry.offset < part.stop:
                block = part.volume.block_at(address)
                if (block and block.kind == "D" and part.owns(block)
                        and block.offset <= entry.offset < block.offset + block.length):
                    return part, address
        self.warn("the index says that byte %d lies in block %d of %s (%s): no good block with it is there; looking "
                  "elsewhere" % (entry.offset, address, run.tag, run.volume))
        return None, None

    def check(self):
        totals = [0, 0, 0]
        for volume in self.volumes():
            checker = Checker(volume, self.say)
            checker.run()
            self.failed = self.failed or checker.complaints > 0
            for nth, count in enumerate((checker.blocks, len(checker.bad), len(checker.parts))):
                totals[nth] += count
        self.say("total: %d blocks, %d bad or missing, %d parts: %s" % (
            *totals, "NOT all good" if self.failed else "all good"))


# ---------------------------------------------------------------- check

class Checker:
    """Reads a whole volume and says whatever is not as FORMAT.md has it."""

    def __init__(self, volume, say):
        self.volume, self.say = volume, say
        self.blocks, self.bad, self.complaints = 0, set(), 0
        self.parts = []
        self.counts = {}                    # part -> PartCount

    def complain(self, address, text):
        self.complaints += 1
        self.bad.add(address)
        self.say("BAD %s block %d %s" % (self.volume.medium(), address, text))

    def fault(self, text):
        self.complaints += 1
        self.say("BAD %s %s" % (self.volume.medium(), text))

    def run(self):
        volume = self.volume
        self.say("%s: set %s, volume %s, tag %s, blocks of %d bytes" % (
            volume.name, volume.set, volume.number, volume.tag, volume.size))
        for file, blocks in volume.source.files():
            if file == 0:
                self.first_file(blocks)
            else:
                self.part_file(file, blocks)
        for part in self.parts:
            if part.end is None:
                self.fault(part.describe())
            else:
                self.say("%s: %s" % (volume.name, part.describe()))
                self.check_index(part)
        self.say("%s: %d blocks, %d bad or missing, %d parts" % (
            volume.name, self.blocks, len(self.bad), len(self.parts)))

    def opened(self, blocks):
        """(address, block or None, bytes); what is bad has been named."""
        for address, raw, trouble in blocks:
            block = None
            self.blocks += raw is not None
            if trouble:
                self.complain(address, trouble)
            elif address == 0:
                self.check_page(raw)
            else:
                try:
                    block = self.volume.open(raw, address)
                except Bad as bad:
                    self.complain(address, str(bad))
            if block:
                self.check_header(block)
            yield address, block

    def check_header(self, block):
        if not block.tidy:
            self.complain(block.address, "has bytes that should be zero and are not")
        if self.volume.number is not None and block.volume != self.volume.number:
            self.complain(block.address, "says volume %d, not %d" % (block.volume, self.volume.number))
        if block.kind in "LBSE":
            for line in block.payload.split(b"\n")[:-1]:
                if not re.fullmatch(rb"[A-Za-z0-9_-]{1,64}: \S+", line):
                    self.complain(block.address, "has a bad line of text: %s" % safe(line[:80]))
            if not block.payload.endswith(b"\n"):
                self.complain(block.address, "has text that does not end with a newline")

    def check_page(self, raw):
        volume = self.volume
        try:
            if len(raw) != volume.size:
                raise Bad("is %d bytes long, not %d" % (len(raw), volume.size))
            facts = open_page(raw)
            raw.decode("utf-8")
            told = volume.label and volume.label.get("page-crc32", "")
            if told is not None and told.lower() != "%08x" % zlib.crc32(raw):
                raise Bad("does not have the checksum the label gives for the text page")
            for key, value in (volume.label or {}).items():
                if facts.get(key, value if key == "page-crc32" else None) != value:
                    raise Bad("the text page and the label differ in %s" % key)
        except UnicodeDecodeError:
            self.complain(0, "the text page is not UTF-8")
        except Bad as bad:
            self.complain(0, str(bad))

    def first_file(self, blocks):
        before, reached = None, 0
        for address, block in self.opened(blocks):
            if block is None:
                if address:
                    before, reached = None, None
                continue
            if block.kind != ("L" if address == 1 else "K"):
                self.complain(address, "is of kind %s, which has no place here" % block.kind)
            elif address == 1:
                self.check_label(block)
            else:
                if reached is not None and block.offset != reached:
                    self.complain(address, "holds byte %d of the kit, not byte %d" % (block.offset, reached))
                reached = block.offset + block.length
            if block.part or block.stream.int:
                self.complain(address, "names a part or stream, in file 0")
            allowed = [0] if address == 1 else [before, 0] if address == 2 else [before]
            if (before is not None or address == 1) and block.previous not in allowed:
                self.complain(address, "is out of place: the block before it is not the one it names")
            before = block.checksum

    def check_label(self, block):
        facts = parse_text(block.payload)
        if facts.get("format") != "1":
            self.complain(1, "the label says format %s, not 1" % facts.get("format"))
        if number(facts, "block-bytes") != self.volume.size:
            self.complain(1, "the label says block-bytes %s" % facts.get("block-bytes"))
        if identity(facts, "set-id") != block.set:
            self.complain(1, "the label and its header name different sets")

    def part_file(self, file, blocks):
        part = count = None
        damaged = False
        for address, block in self.opened(blocks):
            if block is None:
                damaged = True
                if count:
                    count.lose()
            elif block.kind == "B" or part is None:
                if block.kind != "B" and not damaged:
                    self.complain(address, "is of kind %s where a part should begin" % block.kind)
                part = Part(self.volume, file, block)
                count = self.counts[part] = PartCount(self, part, damaged and block.kind != "B")
                self.parts.append(part)
                count.add(block)
            elif not part.owns(block):
                self.complain(address, "belongs to part %d of stream %s, not here" % (block.part, block.stream))
                count.lose()
            else:
                part.note(block)
                count.add(block)

    def check_index(self, part):
        places, count = Places(len(part.layers or [])), self.counts[part]
        try:
            for line in part.index_lines():
                if line[:1] in (b"~", b"@"):
                    places.add(line)
                elif line.split(b" ", 1)[0] in ENTRY_KINDS:
                    parse_entry(line)
                elif line[:2] != b"! ":
                    raise Bad("%s: index of part %d: unknown line %s" % (self.volume.medium(), part.number,
                                                                         safe(line[:80])))
        except Bad as bad:
            self.fault(str(bad))
            return
        places.finish()
        for start, stop, address in count.runs:
            last = address + (stop - 1 - start) // (self.volume.size - HEADER_BYTES)
            for offset, block in ((start, address), (stop - 1, last)):
                run, told = places.run_of(offset)
                if told != block or run.volume not in ("-", str(self.volume.id)):
                    self.fault("index of part %d: byte %d lies in block %d, the index says %s" % (
                        part.number, offset, block, "nothing" if run is None else "%d of %s" % (told, run.volume)))


class PartCount:
    """Follows the blocks of a part in order and checks each against those before it."""

    def __init__(self, checker, part, damaged):
        self.checker, self.part, self.damaged = checker, part, damaged
        self.before = None if damaged else 0        # checksum of the block before, None if not known
        self.reached = None                         # stream offset, None if not known
        self.data = self.index = 0                  # data blocks, bytes of index
        self.sync = "-"
        self.short = False                          # whether a data block was not full
        self.stage = 0
        self.runs = []                              # [from, to, address] of data blocks in a row
        self.in_run = False

    def lose(self):
        self.before = self.reached = None
        self.damaged, self.in_run = True, False

    def add(self, block):
        def complain(text):
            self.checker.complain(block.address, text)
        if self.before is not None and block.previous != self.before:
            complain("is out of place: the block before it is not the one it names")
        self.before = block.checksum
        stage = {"B": 0, "D": 1, "S": 1, "I": 2, "E": 3}.get(block.kind)
        if stage is None:
            complain("is of kind %s, which has no place in a part" % block.kind)
            return
        if stage < self.stage or self.stage == 3:
            complain("of kind %s comes too late in its part" % block.kind)
        self.stage = stage
        if block.kind in "DSE" and self.reached is not None and block.offset != self.reached:
            complain("has stream offset %d, not %d" % (block.offset, self.reached))
        facts = parse_text(block.payload) if block.kind in "BSE" else {}
        getattr(self, "add_" + block.kind)(block, facts, complain)
        self.in_run = block.kind == "D"

    def add_B(self, block, facts, complain):
        self.reached = block.offset
        if number(facts, "from") != block.offset:
            complain("says from %s, its header says %d" % (facts.get("from"), block.offset))
        if identity(facts, "stream-id") != block.stream:
            complain("and its header name different streams")
        if self.checker.volume.id and identity(facts, "volume-id") != self.checker.volume.id:
            complain("names another volume")

    def add_D(self, block, facts, complain):
        full = block.length == self.checker.volume.size - HEADER_BYTES
        if self.short:
            complain("comes after a data block that is not full")
        self.short = not full
        self.data += 1
        self.reached = block.offset + block.length
        if not self.in_run:
            self.runs.append([block.offset, self.reached, block.address])
        self.runs[-1][1] = self.reached

    def add_S(self, block, facts, complain):
        self.reached = block.offset
        if number(facts, "reached") != block.offset:
            complain("says reached %s, its header says %d" % (facts.get("reached"), block.offset))
        if not self.damaged and facts.get("previous-sync") != self.sync:
            complain("says previous-sync %s, not %s" % (facts.get("previous-sync"), self.sync))
        self.sync = str(block.address)

    def add_I(self, block, facts, complain):
        if not self.damaged and block.offset != self.index:
            complain("holds byte %d of the index, not byte %d" % (block.offset, self.index))
        if self.index == 0:
            self.index_first = block.address
        self.index += block.length

    def add_E(self, block, facts, complain):
        if number(facts, "to") != block.offset:
            complain("says to %s, its header says %d" % (facts.get("to"), block.offset))
        if facts.get("state") not in ("complete", "continued", "aborted"):
            complain("says state %s" % facts.get("state"))
        if self.damaged:
            return
        counted = {"from": self.part.start, "data-blocks": self.data, "index-bytes": self.index}
        if self.index:
            counted["index-block"] = self.index_first
        for key, value in counted.items():
            if number(facts, key) != value:
                complain("says %s %s, counted were %d" % (key, facts.get(key), value))


# ---------------------------------------------------------------- command line

def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="reader.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in ("check", "list", "stream", "file"):
        command = commands.add_parser(name)
        command.add_argument("source", nargs="+", metavar="SOURCE")
        if name in ("stream", "file"):
            command.add_argument("--stream", required=name == "stream", metavar="UUID", help="or its beginning")
            command.add_argument("--fill-zeros", action="store_true", help="write zeros for what is missing")
        if name == "file":
            command.add_argument("path", metavar="PATH")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse_arguments(arguments)
    command = Command(options)
    try:
        getattr(command, options.command)()
        command.out.flush()
    except Bad as bad:
        command.warn(str(bad))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        print("reader.py: %s: %s" % (show_name(error.filename or "error"), error.strerror), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 1 if command.failed else 0


if __name__ == "__main__":
    sys.exit(main())
