#!/usr/bin/python3
"""From the journal to CloudWatch Logs, a stream for each unit: `<instance>/<unit>`. Started by `ship-logs`; SIGTERM makes it ship all
there is, and end: with status 1 when something is left.

The place in the journal is kept only once all before it was taken, or was set aside as a dead letter, so that a batch may come twice and no
line is lost unseen. What can never be taken does not keep back what comes after it; anything else is tried again for ever.
"""

import base64
import json
import os
import random
import signal
import sys
import time
from datetime import datetime, timezone

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from journal_reader import UNKNOWN, JournalUnreadable, read_entries, sync
from log_events import BYTES_MAX, EVENTS_MAX, Event, cut_batches, events_of, stream_of

GROUP, INSTANCE = os.environ["LANDFALL_LOG_GROUP"], os.environ["LANDFALL_INSTANCE"]
STATE_FILE = os.environ["LANDFALL_STATE"] + "/log-state.json"
DEAD_FILE = os.environ["LANDFALL_STATE"] + "/dead-letters.jsonl"
PAUSE_S = 2
BACK_OFF_S_MAX = 60
REFUSALS = ("InvalidParameterException", "SerializationException", "ValidationException", "413")
# Once told to end: for so long nothing may go forward.
STALLED_S_MAX = 20
# What is said of the whole machine is said where its app speaks.
OWN_STREAM = "app"


class Ending(Exception):
    """Told to end, and what is left cannot be shipped."""


class Refused(Exception):
    """CloudWatch Logs will never take these events as they are."""


class Shipper:
    def __init__(self, client):
        self.client = client
        self.state = load_state()
        self.moved_at = time.monotonic()
        self.ending = False
        # Events that were refused, with reason and answer, until that has been said in their stream.
        self.refused = []
        # Dead letters that the saved state does not count yet.
        self.dead = 0
        self.complaints = set()

    def run(self):
        """Ships for ever, or until it is told to end and nothing is left. Returns the process' status."""
        while True:
            last_round = self.ending
            try:
                synced = not last_round or sync()
                while self.ship_some():
                    pass
                if last_round:
                    return 0 if synced else 1
                self.pause(PAUSE_S)
            except JournalUnreadable as error:
                self.complain(f"the journal cannot be read: {error}")
                if last_round:
                    return 1
                self.pause(PAUSE_S)
            except Ending:
                say(f"{self.count_left()} lines could not be shipped and are left on this machine's disk")
                return 1

    def count_left(self):
        try:
            return sum(1 for entry in read_entries(self.state["place"], self.complain) if stream_of(entry))
        except JournalUnreadable:
            return "an unknown number of"

    def pause(self, seconds):
        """Ends early when this is told to end; from then on only as long as something was taken not long ago."""
        if self.ending:
            if time.monotonic() - self.moved_at > STALLED_S_MAX:
                raise Ending
            time.sleep(min(seconds, 2))
        elif signal.sigtimedwait({signal.SIGTERM}, seconds):
            self.ending = True
            self.moved_at = time.monotonic()

    def ship_some(self):
        """Ships as many entries as one call takes. False when none was left."""
        chunk = Chunk(self.state["place"])
        trouble = None
        try:
            for entry in read_entries(self.state["place"], self.complain):
                if not chunk.add(entry):
                    break
        except JournalUnreadable as error:
            trouble = error
        if chunk.place is self.state["place"]:
            if trouble:
                raise trouble
            return False
        for stream, events in chunk.events.items():
            self.deliver(stream, events)
        self.state |= {
            "place": chunk.place,
            "events": self.state["events"] + chunk.count,
            "dead": self.state["dead"] + self.dead,
            "missing": self.state["missing"] + chunk.missing,
        }
        self.dead = 0
        try:
            save_state(self.state)
        except OSError as error:
            # What was shipped is known as long as this runs; to ship it again and again would be no better.
            self.complain(f"the place in the journal cannot be kept: {error}")
        return True

    def deliver(self, stream, events):
        for batch in cut_batches(events):
            self.put(stream, batch)
        if not self.refused:
            return
        while True:
            try:
                keep_dead_letters(stream, self.refused)
                break
            except OSError as error:
                self.complain(f"dead letters cannot be kept: {error}")
                self.pause(PAUSE_S)
        self.dead += len(self.refused)
        _, reason, answer = self.refused[0]
        words = f"[landfall] refused and kept on this machine's disk: {len(self.refused)} lines. The first is {reason}: {answer}"
        self.refused = []
        say(f"{stream}: {words}")
        self.put(stream, [Event(now_ms(), words[:1000], None)])

    def put(self, stream, batch):
        """Has the batch taken, but for what is refused: of a batch that is refused as a whole, the half without the cause is taken."""
        try:
            info = self.call(stream, batch).get("rejectedLogEventsInfo", {})
        except Refused as refusal:
            if len(batch) > 1:
                self.put(stream, batch[: len(batch) // 2])
                self.put(stream, batch[len(batch) // 2 :])
            elif batch[0].raw is not None:
                self.refused.append((batch[0], "refused", str(refusal)))
            return
        old = max(info.get("tooOldLogEventEndIndex", 0), info.get("expiredLogEventEndIndex", 0))
        self.refused += [(event, "too old", json.dumps(info)) for event in batch[:old]]
        self.refused += [(event, "too new", json.dumps(info)) for event in batch[info.get("tooNewLogEventStartIndex", len(batch)) :]]

    def call(self, stream, batch):
        """The answer to one call that was taken, however long that takes. Raises Refused, and Ending."""
        name = f"{INSTANCE}/{stream}"
        events = [{"timestamp": event.timestamp, "message": event.text} for event in batch]
        back_off, said = 1, None
        while True:
            try:
                answer = self.client.put_log_events(logGroupName=GROUP, logStreamName=name, logEvents=events)
                self.moved_at = time.monotonic()
                return answer
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code in REFUSALS:
                    raise Refused(error) from error
                words = self.make_stream(name) if code == "ResourceNotFoundException" else str(error)
            except BotoCoreError as error:
                words = str(error)
            if words:
                if words != said:
                    say(words)
                said = words
                # Many machines that were throttled together are not to come back together.
                self.pause(back_off * random.uniform(0.5, 1))
                back_off = min(2 * back_off, BACK_OFF_S_MAX)

    def make_stream(self, name):
        """What went wrong, if something did."""
        try:
            self.client.create_log_stream(logGroupName=GROUP, logStreamName=name)
            return None
        except (BotoCoreError, ClientError) as error:
            return str(error)

    def complain(self, words):
        """Once, not as often as it is looked at again."""
        if words not in self.complaints:
            say(words)
        self.complaints.add(words)


class Chunk:
    """Events of entries that follow one another, by stream, as many as one call could take; and the place after them."""

    def __init__(self, place):
        self.place, self.events, self.count, self.size, self.missing = place, {}, 0, 0, 0

    def add(self, entry):
        """Of an entry all or nothing; False when it has no room any more."""
        stream = stream_of(entry)
        events = [(stream, event) for event in events_of(entry)] if stream else []
        if entry["gap"]:
            events.insert(0, (OWN_STREAM, gap_event(entry, self.place)))
        count, size = len(events), sum(event.size for _, event in events)
        if self.count and (self.size + size > BYTES_MAX or self.count + count > EVENTS_MAX):
            return False
        for name, event in events:
            self.events.setdefault(name, []).append(event)
        self.place, self.count, self.size = entry["place"], self.count + count, self.size + size
        self.missing += max(0, entry["gap"])
        return True


def gap_event(entry, last):
    count = "an unknown number of" if entry["gap"] == UNKNOWN else entry["gap"]
    at = entry["place"]["at"]
    since = f" after {clock(last['at'])} and" if last else ""
    return Event(at, f"[landfall] lost: {count} entries of this machine's journal,{since} before {clock(at)}; removed to make room, or damaged", None)


def keep_dead_letters(stream, refused):
    """One line of JSON each, all of them on the disk or none."""
    data = b"".join(dead_letter(stream, *one) for one in refused)
    with open(DEAD_FILE, "ab", buffering=0) as file:
        end = file.tell()
        try:
            if file.write(data) != len(data):
                raise OSError("no room is left")
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise


def dead_letter(stream, event, reason, answer):
    raw = base64.b64encode(event.raw if event.raw is not None else event.text.encode()).decode()
    letter = {"instance": INSTANCE, "unit": stream, "at": clock(event.timestamp), "bytes": raw, "reason": reason, "said": answer}
    return json.dumps(letter).encode() + b"\n"


def load_state():
    try:
        with open(STATE_FILE, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        pass
    except ValueError as error:
        say(f"{STATE_FILE} cannot be read, so all of the journal is shipped again: {error}")
    return {"place": None, "events": 0, "dead": 0, "missing": 0}


def save_state(state):
    """All of it or nothing, also when the power goes."""
    with open(f"{STATE_FILE}.new", "w", encoding="utf-8") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{STATE_FILE}.new", STATE_FILE)
    folder = os.open(os.path.dirname(STATE_FILE), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def now_ms():
    return time.time_ns() // 1_000_000


def clock(ms):
    return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def say(words):
    print(words, flush=True)


def main():
    # It is looked for where nothing is under way.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    # Repeating is ours to do: for ever, and with what was said about it.
    config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1}, parameter_validation=False)
    sys.exit(Shipper(botocore.session.get_session().create_client("logs", config=config)).run())


main()
