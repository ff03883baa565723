"""From entries of the journal to events of CloudWatch Logs: which stream, which text, and how many at once.

A line's text is the line. Where that cannot be, a mark stands before it, and no line can bear one by itself:
`[landfall: goes on]` is a part of a line, and the rest follows in the next event; `[landfall: escaped]` holds bytes that are no UTF-8 as
`\\xNN`, and a backslash as two; `[landfall] …` is said by this machine.
"""

import re

# What PutLogEvents takes: so many events, so many bytes in all with 26 for each event, 24 hours from the first to the last, and one event
# of at most as many bytes as a batch. https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
EVENTS_MAX = 10_000
BYTES_MAX = 1_048_576
OVERHEAD = 26
SPAN_MS_MAX = 24 * 3_600_000
# With room for a mark. LineMax in journald.conf is less, so that a line of text that journald has not cut is one event.
TEXT_BYTES_MAX = BYTES_MAX - OVERHEAD - 64
MARK = b"[landfall"
# A unit, or the end of its control group's path; without what no name of a stream can have.
OUR_UNIT = re.compile(rb"(?:^|/)landfall-([\w.@-]+)\.[a-z]+$")
# From emergency to error, as syslog(3) counts.
ERRORS = (b"0", b"1", b"2", b"3")


class Event:
    """A piece of text at a time, and the bytes of the line that it is of."""

    __slots__ = ("timestamp", "text", "size", "raw")

    def __init__(self, timestamp, text, raw):
        self.timestamp, self.text, self.raw = timestamp, text, raw
        self.size = len(text.encode()) + OVERHEAD


def stream_of(entry):
    """The unit's name for what our units said, and for what systemd and journald said of them; None for what is nobody's business."""
    # Each of these stands once in a file for all entries that have it. Should one be damaged, another tells.
    for field in ("_SYSTEMD_UNIT", "_SYSTEMD_CGROUP", "UNIT", "OBJECT_SYSTEMD_UNIT"):
        if unit := OUR_UNIT.search(entry.get(field, b"")):
            return unit[1].decode()
    transport = entry.get("_TRANSPORT")
    # Memory that ran out, disks that fail; and what journald lost, dropped or found damaged.
    if transport == b"kernel" and entry.get("PRIORITY") in ERRORS:
        return "kernel"
    return "journal" if transport == b"driver" else None


def events_of(entry):
    """The events of an entry, more than one for a line that is too long for one; none for a line without a byte, which no event can be."""
    raw = entry.get("MESSAGE", b"")
    if not raw:
        return []
    escaped = has_to_be_escaped(raw)
    pieces = split_line(raw, escaped)
    # journald says where it has cut a line itself.
    cut = entry.get("_LINE_BREAK") == b"line-max"
    texts = [escape(piece) if escaped else piece.decode() for piece in pieces]
    return [Event(entry["place"]["at"], mark(text, escaped, cut or place < len(texts)), raw) for place, text in enumerate(texts, 1)]


def has_to_be_escaped(raw):
    try:
        raw.decode()
        return raw.startswith(MARK)
    except UnicodeDecodeError:
        return True


def escape(raw):
    return raw.replace(b"\\", b"\\\\").decode(errors="backslashreplace")


def split_line(raw, escaped):
    """Pieces whose text an event can hold. An escaped byte is four characters; what is not escaped is cut between characters."""
    size = TEXT_BYTES_MAX // 4 if escaped else TEXT_BYTES_MAX
    pieces = []
    while len(raw) > size:
        end = size
        # A byte 10…… is within a character.
        while not escaped and raw[end] & 0b1100_0000 == 0b1000_0000:
            end -= 1
        pieces.append(raw[:end])
        raw = raw[end:]
    return [*pieces, raw]


def mark(text, escaped, goes_on):
    """The text with what has to be said of it before it."""
    words = [word for word, said in (("escaped", escaped), ("goes on", goes_on)) if said]
    return f"[landfall: {', '.join(words)}] {text}" if words else text


def cut_batches(events):
    """Yields batches that one call takes. By time, as AWS wants them; what came at the same millisecond stays as it came."""
    batch, size = [], 0
    for event in sorted(events, key=lambda one: one.timestamp):
        full = len(batch) == EVENTS_MAX or size + event.size > BYTES_MAX
        if batch and (full or event.timestamp - batch[0].timestamp > SPAN_MS_MAX):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += event.size
    if batch:
        yield batch
