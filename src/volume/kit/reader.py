#!/usr/bin/env python3
"""reader.py - get data back from tapioca tape volumes, with Python alone.

    reader.py check  SOURCE...                    read every block, name every bad one
    reader.py list   SOURCE...                    streams, their parts, and every entry of their indexes
    reader.py stream SOURCE... --stream UUID      one stream's bytes on standard output
    reader.py file   SOURCE... PATH               one archive entry on standard output, for `tar -x`

A SOURCE is a tape device (/dev/nst0), or a directory that holds one dump of each file of a tape, named file000,
file001 and so on, as made by `dd if=/dev/nst0 of=file000 bs=1M` once for every file. Give all volumes of a stream
together; two dumps of the same damaged tape too: what is bad in one is then taken from the other.

`list` shows an entry as: type size mtime path medium block [target]; text in it is written as in the index (\\xHH).
What is missing of a stream or file is named on standard error; --fill-zeros writes zeros for it instead of stopping.
The exit status is 0 if all was well, 1 if anything was bad or missing, 2 if the command was not understood.
Needs Python 3.9 and nothing else. The format is described in FORMAT.md, which lies on every volume beside this reader.
"""
import argparse
import array
import bisect
import itertools
import os
import re
import struct
import sys
import uuid
import zlib
from collections import namedtuple

MAGIC = b"TAPIOCA1"
HEADER = struct.Struct("<8sc3xI16s16sQQIII16xI")
SIZES = range(65536, 1048576 + 1, 4096)         # what a block size may be
INDEX_LIMIT, LINE_LIMIT = 4 << 30, 64 << 10     # bytes an index, and a line of it, may unpack to
FACT_LIMIT = 20000000                           # seek points, and runs, that are kept in memory
CHUNK = 1 << 20


class Bad(Exception):
    """Something on the tape, or the command, is not as it should be: one clear line."""


def safe(data):
    """Bytes, or a name of the system, as text that is safe to print: what is not printable UTF-8 becomes \\xHH."""
    text = os.fsencode(data).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else "".join("\\x%02x" % b for b in c.encode()) for c in text)


def unescape(field):
    """The bytes behind a text field."""
    return b"" if field == b"\\e" else re.sub(rb"\\x([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), field)


def parse_text(payload):
    """The `key: value` lines of a text as a dictionary, the values still escaped; the first of equal keys counts."""
    lines = (line.partition(b": ") for line in payload.split(b"\n"))
    return {safe(key): safe(value) for key, colon, value in reversed(list(lines)) if colon}


Block = namedtuple("Block", "kind set stream address offset volume part previous checksum payload reach")


def open_block(raw, size):
    """The block in these bytes, if it is whole."""
    if len(raw) != size:
        raise Bad("is %d bytes long, not %d" % (len(raw), size))
    magic, kind, length, group, stream, *numbers, checksum = HEADER.unpack_from(raw)
    if magic != MAGIC:
        raise Bad("magic is %s, not %s" % (safe(magic), safe(MAGIC)))
    if checksum != zlib.crc32(raw[HEADER.size:], zlib.crc32(raw[:92])):
        raise Bad("checksum is wrong")
    if length > size - HEADER.size:
        raise Bad("length is %d, more than a block holds" % length)
    return Block(safe(kind), str(uuid.UUID(bytes=group)), str(uuid.UUID(bytes=stream)), *numbers, checksum,
                 raw[HEADER.size:HEADER.size + length], numbers[1] + length * (kind == b"D"))


def told_address(raw, size):
    """The address a block says it has, if it is whole, else -1."""
    try:
        return open_block(raw, size).address
    except Bad:
        return -1


def open_page(raw):
    """The facts in the text page, if its own checksum is right."""
    cut = raw.rstrip(b"\n").rfind(b"\n") + 1
    match = re.fullmatch(rb"page-checksum: ([0-9A-Fa-f]{8})\n+", raw[cut:])
    if not raw.startswith(b"TAPIOCA VOLUME") or not match or int(match[1], 16) != zlib.crc32(raw[:cut]):
        raise Bad("is not a text page with the right checksum")
    return parse_text(raw[:cut])


# A source has: name; size of its blocks; files: {number: (address of the first block, address of its filemark)};
# trouble with all of it; blocks(file, address): (address, bytes, None) or (address, None, trouble) to the file's end

class Dumps:
    """A directory of dumps. Addresses are counted; where dd lost blocks, the headers of others put the count right."""

    def __init__(self, folder):
        self.name, self.files, self.lost, self.trouble, counted = safe(folder), {}, {}, None, 0
        self.paths = {int(entry.name[4:]): entry.path for entry in os.scandir(folder)
                      if re.fullmatch("file[0-9]{3,6}", entry.name) and os.path.getsize(entry.path)}
        self.size = self._find_size()
        for file in sorted(self.paths):
            count = -(-os.path.getsize(self.paths[file]) // self.size)
            told = ((self._told(file, n), n) for n in range(min(count, 4)))
            start = next((address - n for address, n in told if address >= n), counted)
            if file == 0 or file - 1 in self.files:
                start = min(start, counted)
            lost = self._told(file, count - 1) + 1 - start - count
            self.lost[file] = lost if 0 <= lost < 65536 else 0      # more than that is not to be believed
            end = start + count + self.lost[file]
            self.files[file], counted = (start, end), end + 1

    def _find_size(self):
        """The size for which a block near the beginning of a dump is whole."""
        for path in self.paths.values():
            with open(path, "rb") as dump:
                head = dump.read(4 * SIZES[-1])
            for n, size in itertools.product(range(4), SIZES):
                if head.startswith(MAGIC, n * size) and told_address(head[n * size:(n + 1) * size], size) >= 0:
                    return size
        raise Bad("no good block near the beginning of files named file000, file001, ...")

    def _told(self, file, n):
        with open(self.paths[file], "rb") as dump:
            dump.seek(n * self.size)
            return told_address(dump.read(self.size), self.size)

    def blocks(self, file, address):
        start, end = self.files[file]
        n = max(0, address - start - self.lost[file])
        here = start + n                    # or more, if blocks before this were lost
        with open(self.paths[file], "rb") as dump:
            dump.seek(n * self.size)
            while raw := dump.read(self.size):
                if int.from_bytes(raw[48:56], "little") != here and here < (told := told_address(raw, self.size)) < end:
                    if told > address:
                        yield max(here, address), None, "missing, with all blocks before %d" % told
                    here = told
                if here >= address:
                    yield here, raw, None
                here += 1


class Tape:
    """A tape in a drive."""

    def __init__(self, device):
        self.name, self.files, self.trouble = safe(device), {0: (0, 4)}, None
        self.position = None                # address the drive stands at, if known
        self.open(device)
        self.size = next((len(raw) for _, raw, _ in self.blocks(0, 0) if raw), 0)
        if self.size not in SIZES:
            raise Bad("its first block has %d bytes: not a tapioca volume" % self.size)
        self.seek(0)
        start, more, files = 0, True, []
        while more:
            more = self.next_file()
            after = self.tell()
            files += [(start, after - more)] * (after - more > start)       # nothing: the end of data
            start = after
        self.files, self.position = dict(enumerate(files)), None

    def open(self, device):
        import fcntl
        self.ioctl, self.handle = fcntl.ioctl, os.open(device, os.O_RDONLY)
        self._operate(20, 0)                # MTSETBLK: blocks of any length

    def _operate(self, what, count):
        self.ioctl(self.handle, 0x40086D01, struct.pack("@hi", what, count))        # MTIOCTOP

    def seek(self, address):
        self._operate(22, address)          # MTSEEK

    def tell(self):
        return struct.unpack("@l", self.ioctl(self.handle, 0x80086D03, bytes(8)))[0]        # MTIOCPOS

    def next_file(self):
        """Go behind the next filemark; False if there is none."""
        try:
            self._operate(1, 1)             # MTFSF
            return True
        except OSError as error:
            status = struct.unpack("@5l2i", self.ioctl(self.handle, 0x80306D02, bytes(48)))[3]      # MTIOCGET
            self.trouble = None if status & 0x08000000 else "the drive finds no more files: %s" % error     # GMT_EOD
            return False

    def read(self):
        return os.read(self.handle, SIZES[-1])

    def blocks(self, file, address):
        failures = 0
        for here in range(address, self.files[file][1]):
            try:
                if self.position != here:
                    self.seek(here)
                self.position = None
                raw = self.read()
            except OSError as error:
                failures += 1
                yield here, None, "cannot be read: %s" % error.strerror
                if failures == 16:
                    yield here + 1, None, "not tried, nor the rest of this file: too many errors in a row"
                    return
                continue
            self.position, failures = here + 1, 0
            if not raw:                     # a filemark
                return
            yield here, raw, None


class Volume:
    """A source, and what its label or text page say of it."""

    def __init__(self, source):
        self.source, self.size, self.room = source, source.size, source.size - HEADER.size
        page, self.label, first = {}, {}, None
        for file, (start, _) in source.files.items():
            for address, raw, _ in itertools.islice(source.blocks(file, start), 0 if first else 4):
                try:
                    if address == 0:
                        page = open_page(raw or b"")
                    else:
                        first = first or open_block(raw or b"", self.size)
                        self.label = parse_text(first.payload) if first.kind == "L" else {}
                except Bad:
                    pass                    # `check` will say it
        if first is None:
            raise Bad("no good block near the beginning of its files: not a tapioca volume")
        self.set, self.number = first.set, first.volume
        facts = self.label or page          # the label counts
        self.tag = facts.get("volume-tag", "\\e")
        self.name = source.name if self.tag == "\\e" else self.tag

    def blocks(self, file, address=None, stream=None):
        """From an address to the end of a file: (address, block, None), or (address, None, what is wrong with it)."""
        start = self.source.files[file][0]
        address = start if address is None else address
        before = 0 if address == start else None        # checksum of the block before, if known
        for address, raw, trouble in self.source.blocks(file, address):
            block = None
            try:
                if raw and address == 0:
                    open_page(raw)
                    if self.label and self.label.get("page-crc32") != "%08x" % zlib.crc32(raw):
                        raise Bad("has not the checksum that the label gives for the text page")
                elif raw:
                    block = open_block(raw, self.size)
                    for name, right in dict(set=self.set, address=address, previous=before, part=file,
                                            volume=self.number, stream=stream).items():
                        if right not in (None, getattr(block, name)) and not trouble:
                            trouble = "out of place: its %s is %s, not %s" % (name, getattr(block, name), right)
            except Bad as bad:
                trouble = str(bad)
            good = block and (block.set, block.address) == (self.set, address)
            before = block.checksum if good else 0 if address == 0 else None
            yield address, None if trouble else block, trouble


class Part:
    """A part, as the first and last good blocks of its file tell of it."""

    def __init__(self, volume, file):
        self.volume, self.file = volume, file
        self.address, self.mark = volume.source.files[file]
        first = next((block for _, block, _ in volume.blocks(file) if block), None)
        if first is None:
            raise Bad("%s: file %d has no good block" % (volume.name, file))
        self.stream, self.begin, self.end, self.index, stop = first.stream, {}, {}, None, None
        address = self.mark
        while address > first.address and None in (stop, self.index):       # from the end backwards
            address -= 1
            block = self.block(address)
            if block and block.kind == "E":
                self.end, stop = parse_text(block.payload), block.offset
            elif block and block.kind == "I":
                address = self.index = max(first.address, address - block.offset // volume.room)
            elif block:
                stop = block.reach if stop is None else stop
                break
        if first.kind == "B":
            self.begin = parse_text(first.payload)
        self.start = first.offset if first.kind in "BDS" else stop or 0
        self.stop = max(self.start, stop or 0)
        self.state = self.end.get("state", "?") if self.end else "cut off"
        self.name = "%s: part %d" % (volume.name, file)

    def __str__(self):
        return "%s (file %d, blocks %d to %d) of stream %s %s: %s, bytes %d to %d" % (
            self.name, self.file, self.address, self.mark - 1, self.stream, self.begin.get("name", "?"), self.state,
            self.start, self.stop)

    def block(self, address):
        """The block at an address, if it is good and in its place."""
        where, block, _ = next(self.volume.blocks(self.file, address, self.stream), (None, None, None))
        return block if where == address else None

    def data(self, position):
        """The data from a stream offset on: (offset, bytes, None), or (None, None, what is wrong with a block)."""
        address, offset = self.address, self.start
        while True:                         # a jump is never too far: what lies in between only pushes data back
            jump = min(address + (position - offset) // self.volume.room, self.mark - 1)
            block = next(filter(None, map(self.block, range(jump, address, -1))), None)
            if not block or block.kind not in "DS" or not offset <= block.offset <= position:
                break
            address, offset = block.address, block.offset
        for where, block, trouble in self.volume.blocks(self.file, address, self.stream):
            if trouble:
                yield None, None, "%s: block %d: %s" % (self.volume.name, where, trouble)
            elif block.kind == "D" and block.reach > position:
                yield block.offset, block.payload, None

    def index_lines(self):
        """The lines of the index, unpacked bit by bit, never holding more than a line and a chunk of it."""
        unpacker, total, rest = zlib.decompressobj(), 0, b""
        for _, block, trouble in self.volume.blocks(self.file, self.index, self.stream) if self.index else ():
            if trouble or block.kind != "I":
                break
            piece = block.payload
            while piece:
                try:
                    text = unpacker.decompress(piece, CHUNK)
                except zlib.error as error:
                    raise Bad("%s: index: %s" % (self.name, error))
                piece, total = unpacker.unconsumed_tail, total + len(text)
                *lines, rest = (rest + text).split(b"\n")
                if unpacker.unused_data or total > INDEX_LIMIT or len(rest) > LINE_LIMIT:
                    raise Bad("%s: index: it, or a line of it, is too long" % self.name)
                yield from lines
        if not unpacker.eof or rest:
            raise Bad("%s: index: it is not here, or not to its end" % self.name)


NUMBER, TEXT = rb"([0-9]{1,19})", rb"(\\e|(?:[^\x00-\x20\x7F\\]|\\x[0-9A-Fa-f]{2})+)"
BASE64 = rb"([A-Za-z0-9+/]+={0,2})"
ENTRY = [rb"([fdlhpcbs])", NUMBER, NUMBER, NUMBER, rb"(-?[0-9]{1,19}\.[0-9]{9})", rb"(-|[0-9A-Fa-f]{64})", TEXT]
PATTERNS = {**dict.fromkeys(b"fdpcbs", ENTRY), **dict.fromkeys(b"lh", ENTRY + [TEXT]), ord("!"): [b"(!)", TEXT, TEXT],
            ord("~"): [b"(~)", NUMBER, NUMBER, NUMBER], ord("%"): [b"(%)", NUMBER, NUMBER, b"(more|last)", BASE64],
             ord("-"): [b"(-)", TEXT], ord("i"): [b"(i)", NUMBER, TEXT],
            ord("@"): [b"(@)", NUMBER, NUMBER, rb"([1-9][0-9]{0,18})", TEXT, TEXT, NUMBER, NUMBER, TEXT]}
PATTERNS = {letter: re.compile(b" ".join(fields)) for letter, fields in PATTERNS.items()}


class Facts:
    """What the indexes of some parts say."""

    def __init__(self, parts, layers=0):
        self.parts, self.runs = parts, []
        self.points = [(array.array("Q"), array.array("Q")) for _ in range(layers)]
        for count, fields in enumerate(self.lines(b"~@", lambda text: None)):
            if count == FACT_LIMIT:
                raise Bad("the indexes say more than this reader can hold")
            if fields[0] == b"@":
                tag, volume = map(safe, fields[4:6])
                self.runs.append((*map(int, fields[1:4]), int(fields[7]), volume if tag == "\\e" else tag))
            elif 1 <= int(fields[1]) <= layers:
                for column, value in zip(self.points[int(fields[1]) - 1], fields[2:]):
                    column.append(int(value))
        self.runs.sort()

    def lines(self, letters, warn):
        """The fields of all lines that begin with one of these letters, text fields still escaped."""
        for part in self.parts:
            try:
                for line in part.index_lines():
                    if line and line[0] in letters:
                        match = PATTERNS[line[0]].fullmatch(line)
                        if match:
                            yield match.groups()
                        else:
                            warn("%s: index: bad line %s" % (part.name, safe(line[:120])))
            except Bad as bad:
                if part.end or part is self.parts[-1]:          # else the part after a cut-off one tells of it
                    warn(str(bad))

    def sealed(self):
        """How many lines only the recipients of the stream can read; this reader cannot."""
        return sum(1 for _ in self.lines(b"%", lambda text: None))

    def find(self, offset):
        """(medium, address of the block) where to begin reading for a byte of the payload."""
        for inputs, outputs in self.points:
            n = bisect.bisect_right(inputs, offset) - 1
            offset = outputs[n] if n >= 0 else 0
        n = bisect.bisect_right(self.runs, (offset, float("inf"))) - 1
        start, stop, stride, address, medium = self.runs[n] if n >= 0 else (0, 0, 1, 0, "")
        return (medium, address + (offset - start) // stride) if offset < stop else ("-", "-")


class Stream:
    """The parts of one stream, in order, wherever they lie."""

    def __init__(self, parts):
        self.id, self.parts = parts[0].stream, sorted(parts, key=lambda p: (p.start, -p.stop))
        self.begin = next((p.begin for p in self.parts if p.begin), {})
        self.layers = [layer for layer in self.begin.get("layers", "\\e").split(",") if layer != "\\e"]
        last = max(self.parts, key=lambda p: (p.state == "complete", p.stop))
        self.stop, self.problems, here = last.stop, [], 0
        for part in self.parts:
            if part.start > here:
                self.problems.append("bytes %d to %d lie in no part that is here" % (here, part.start - 1))
            here = max(here, part.stop)
        if last.state != "complete":
            self.problems.append("%s after byte %d, and no more is here" % (last.state, self.stop))

    def facts(self):
        copies = {(part.volume.number, part.file): part for part in reversed(self.parts)}   # only the longest of each
        return Facts(list(copies.values())[::-1], len(self.layers))

    def read(self, here, stop):
        """The bytes from here to stop: (offset, bytes, None), or for a gap (offset, None, (its end, reasons))."""
        while here < stop:
            before, reasons, ahead = here, [], [stop]
            for part in self.parts:
                ahead += [edge for edge in (part.start, part.stop) if edge > here]
                if not part.start <= here < part.stop:
                    continue
                for offset, data, trouble in part.data(here):
                    if trouble:
                        reasons = (reasons + [trouble])[:8]
                    elif offset > here:
                        ahead.append(offset)
                        break
                    else:
                        yield here, data[here - offset:stop - offset], None
                        here = min(stop, offset + len(data))
                        if here == stop:
                            return
                if here > before:
                    break
            else:                           # no part has the byte
                yield here, None, (min(ahead), reasons or ["they lie in no block that is here"])
                here = min(ahead)


class Commands:
    """The commands, their output and warnings, and whether all was well."""

    def __init__(self, options):
        self.options, self.failed, self.out = options, False, sys.stdout.buffer

    def say(self, text, failed=False):
        self.failed = self.failed or failed
        self.out.write(text.encode("utf-8") + b"\n")

    def warn(self, text):
        self.failed = True
        self.out.flush()
        print("reader.py: " + text, file=sys.stderr)

    def volumes(self):
        for path in self.options.source:
            try:
                source = Dumps(path) if os.path.isdir(path) else Tape(path)
                if source.trouble:
                    self.warn("%s: %s" % (source.name, source.trouble))
                yield Volume(source)
            except (Bad, OSError) as error:
                self.warn("%s: %s" % (safe(path), error))

    def streams(self):
        """The streams that are asked for: all, or those whose UUID begins with --stream."""
        groups = {}
        for volume in self.volumes():
            for file in filter(None, volume.source.files):
                try:
                    part = Part(volume, file)
                    groups.setdefault((volume.set, part.stream), []).append(part)
                except Bad as bad:
                    self.warn(str(bad))
        wanted = (self.options.stream or "").lower()
        return [Stream(parts) for (_, stream), parts in groups.items() if stream.startswith(wanted)]

    def one(self, found, what):
        if len(found) != 1:
            raise Bad("%s %s%s" % ("more than one stream has" if found else "no stream here has", what,
                                   "".join("\n  " + stream.id for stream in found)))
        return found[0]

    def list(self):
        for stream in self.streams():
            state = "NOT COMPLETE: " + "; ".join(stream.problems)
            self.say("stream %s %s kind %s layers %s: %s" % (
                stream.id, stream.begin.get("name", "?"), stream.begin.get("kind", "?"), ",".join(stream.layers)
                or "none", state if stream.problems else "complete, %d bytes" % stream.stop), bool(stream.problems))
            for part in stream.parts:
                self.say("  %s" % part)
            facts = stream.facts()
            for kind, *fields in facts.lines(b"!-fdlhpcbs", self.warn):
                if kind not in b"!-":
                    offset, _, size, mtime, _, path, *target = fields
                    place = "%s %s" % facts.find(int(offset))
                    fields = [size, mtime, path, place, *target]
                self.say(" ".join(map(safe, [kind, *fields])))
            if sealed := facts.sealed():
                self.say("  sealed: %d lines of the index, which this reader cannot open" % sealed)

    def stream(self):
        stream = self.one(self.streams(), "a UUID that begins with " + safe(self.options.stream))
        self.write(stream, 0, stream.stop)
        for problem in stream.problems:
            self.warn("stream %s %s" % (stream.id, problem))

    def write(self, stream, start, stop):
        """Write bytes of a stream; a gap is named, and filled or the end."""
        for offset, data, gap in stream.read(start, stop):
            self.out.write(data or b"")
            if gap:
                end, why = gap
                self.warn("stream %s: bytes %d to %d are missing: %s" % (stream.id, offset, end - 1, "; ".join(why)))
                if not self.options.fill_zeros:
                    raise Bad("stopped at byte %d; --fill-zeros goes on with zeros for what is missing" % offset)
                for done in range(offset, end, CHUNK):
                    self.out.write(bytes(min(CHUNK, end - done)))

    def file(self):
        path, found, troubles = os.fsencode(self.options.path), {}, []
        for stream in self.streams():
            for _, offset, span, _, _, _, name, *_ in stream.facts().lines(b"fdlhpcbs", troubles.append):
                if unescape(name) in (path, unescape(path)):        # as it is, or as `list` shows it
                    found[stream] = int(offset), int(offset) + int(span)        # the later one counts
        for trouble in () if found else troubles:
            self.warn(trouble)
        if not found and any(stream.facts().sealed() for stream in self.streams()):
            self.warn("an index is sealed, and this reader cannot open it: use `reader.py stream SOURCE... --stream UUID"
                      " | age -d -i IDENTITY`, take off the other layers, and `tar -x PATH`")
        stream = self.one(list(found), "an entry %s (see --stream)" % safe(path))
        if stream.layers:
            tools = " | ".join(layer + " -d" for layer in reversed(stream.layers))
            raise Bad("the stream has layers: use `reader.py stream SOURCE... --stream %s | %s | tar -x PATH`"
                      % (stream.id, tools))
        self.write(stream, *found[stream])

    def check(self):
        total = bad = parts = 0
        for volume in self.volumes():
            self.say("%s: set %s, volume %s, tag %s, blocks of %d bytes" % (
                volume.source.name, volume.set, volume.number, volume.tag, volume.size))
            for file in range(max(volume.source.files) + 1):
                if file not in volume.source.files:
                    self.say("%s: file%03d is not here" % (volume.name, file), True)
                    continue
                blocks, faults = self.check_file(volume, file)
                total, bad, parts = total + blocks, bad + faults, parts + (file > 0)
        self.say("total: %d blocks, %d bad or missing, %d parts: %s" % (
            total, bad, parts, "NOT all good" if self.failed else "all good"))

    def check_file(self, volume, file):
        """Judge every block of a file, and its data blocks by the index too; count them, and the bad ones."""
        total, bad, part, facts, reached = 0, 0, None, None, None
        try:
            part = Part(volume, file) if file else None
            facts = Facts([part]) if part and part.end else None
            for _ in facts.lines(PATTERNS, lambda text: self.say(text, True)) if facts else ():
                pass                        # it is only judged
        except Bad as error:
            self.say(str(error), True)
        for address, block, trouble in volume.blocks(file, stream=part and part.stream):
            if block and block.kind not in ("BDSIE" if file else "LK"):
                trouble = "is of kind %s, which has no place here" % block.kind
            elif block and block.kind in "DSE" and reached not in (None, block.offset):
                trouble = "is for byte %d of the stream, not byte %d" % (block.offset, reached)
            elif block and block.kind == "D" and facts and facts.runs and facts.find(block.offset)[1] != address:
                trouble = "holds byte %d of the stream, which the index puts elsewhere" % block.offset
            reached = block.reach if block and block.kind in "BDS" else reached if block else None
            total, bad = total + 1, bad + bool(trouble)
            if trouble:
                self.say("%s: block %d: %s" % (volume.name, address, trouble), True)
        if part:
            self.say(str(part), not part.end)
        return total, bad


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["check", "list", "stream", "file"])
    parser.add_argument("source", nargs="+", help="for `file`, the path comes last")
    parser.add_argument("--stream", metavar="UUID", help="or its beginning")
    parser.add_argument("--fill-zeros", action="store_true", help="write zeros for what is missing")
    options = parser.parse_intermixed_args(arguments)
    options.path = options.source.pop() if options.command == "file" else None
    if not options.source or options.command == "stream" and options.stream is None:
        parser.error("the command needs more: see --help")
    commands = Commands(options)
    try:
        getattr(commands, options.command)()
        commands.out.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except (Bad, OSError) as error:
        commands.warn(str(error))
    return 1 if commands.failed else 0


if __name__ == "__main__":
    sys.exit(main())
