"""The journal of this machine, an entry after the other, with the bytes of every field as they are, and what is known to be missing.

By the export format of journalctl (https://systemd.io/JOURNAL_EXPORT_FORMATS/), which cuts nothing and takes any byte. All entries are read,
of whatever unit: journald numbers them one after the other, so that a number that was left out is an entry that is gone.
"""

import re
import subprocess
import tempfile

FIELDS = ("MESSAGE", "PRIORITY", "_TRANSPORT", "_LINE_BREAK", "_SYSTEMD_UNIT", "_SYSTEMD_CGROUP", "UNIT", "OBJECT_SYSTEMD_UNIT")
EXPORT = ["--boot=all", "--output=export", f"--output-fields={','.join(FIELDS)}"]
UNKNOWN = -1
# Unreadable entries in a row that are stepped over.
SKIPPED_MAX = 100_000


class JournalUnreadable(Exception):
    """It does not tell what there is; that nothing is left to ship cannot be said."""


def sync():
    """Waits until journald has written all that it was given; False when it does not say so."""
    return subprocess.run(["timeout", "30", "journalctl", "--sync"], check=False, stdin=subprocess.DEVNULL).returncode == 0


def read_entries(place, tell):
    """Yields the entries after `place`, which is that of an earlier entry; all of them when there is none. What is missing before an entry
    is its `gap`: how many entries, or UNKNOWN. What journalctl complains about is told."""
    start, last, known, skipped = place and place["cursor"], place, not place, 0
    while True:
        try:
            for entry in read_export(start, tell):
                here = entry["place"] = place_of(entry)
                # The entry of the place comes first, which shows that it is still there.
                if last and here["series"] == last["series"] and here["number"] <= last["number"]:
                    known = True
                    continue
                entry["gap"] = entries_between(last, here, known)
                # journalctl leaves a field out that it cannot read; no entry is without its message otherwise.
                if "MESSAGE" not in entry and entry["gap"] != UNKNOWN:
                    entry["gap"] += 1
                last, known, skipped = here, True, 0
                yield entry
            break
        except JournalUnreadable:
            # It ends at an entry that it cannot read, and can read on after it. In a row of them the steps grow.
            if not last or skipped > SKIPPED_MAX:
                raise
            skipped += 1 + skipped // 8
            start = f"s={last['series']};i={last['number'] + 1 + skipped:x};t={last['at'] * 1000:x}"
    if skipped:
        raise JournalUnreadable("its last entries are damaged")
    if not known:
        raise JournalUnreadable("the entry that was shipped last is gone, and nothing comes after it")


def read_export(start, tell):
    """Yields entries from a cursor on, and fails when journalctl does."""
    command = ["journalctl", "--quiet", "--no-pager", *EXPORT, *([f"--cursor={start}"] if start else [])]
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints) as journalctl,
    ):
        try:
            yield from parse_export(journalctl.stdout)
            status = journalctl.wait()
        finally:
            journalctl.kill()
        complaints.seek(0)
        words = complaints.read().decode(errors="replace").strip()
        if words:
            tell(words)
        if status != 0:
            raise JournalUnreadable(words or f"journalctl ended with {status}")


def parse_export(stream):
    """Yields entries as bytes by name: a line `NAME=value`, or a line `NAME`, eight bytes that say how many follow, and these."""
    entry = {}
    while line := stream.readline():
        name, equals, value = line[:-1].partition(b"=")
        if not name:
            yield entry
            entry = {}
            continue
        if not equals:
            value = stream.read(int.from_bytes(stream.read(8), "little"))
            stream.read(1)
        entry[name.decode()] = value


def place_of(entry):
    """What is kept of an entry, to go on after it."""
    return {
        "cursor": entry["__CURSOR"].decode(),
        "series": entry["__SEQNUM_ID"].decode(),
        "number": int(entry["__SEQNUM"]),
        # Milliseconds since 1970, when journald had it.
        "at": int(entry["__REALTIME_TIMESTAMP"]) // 1000,
    }


def entries_between(last, here, known):
    """Numbers follow one another within a series, which ends with its boot at the latest. Where one ended, the heads of its files say."""
    if last is None:
        return 0
    if here["series"] == last["series"]:
        return here["number"] - last["number"] - 1
    return max(0, last_number(last["series"]) - last["number"]) if known else UNKNOWN


def last_number(series):
    headers = subprocess.run(["journalctl", "--header"], check=False, stdin=subprocess.DEVNULL, capture_output=True).stdout.decode()
    numbers = re.findall(rf"^Sequential number ID: {series}\n(?:.+\n)*?Tail sequential number: (\d+)", headers, re.MULTILINE)
    return max(map(int, numbers), default=0)
