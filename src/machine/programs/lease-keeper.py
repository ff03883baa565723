#!/usr/bin/python3
"""Takes and keeps the lease of this machine's service. Started by `hold-lease`; SIGTERM, which systemd sends it once the app has stopped, makes it
give the lease back. systemd is told when the lease is held, and each time that it was renewed.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lease import Conflict, Lease, Lost, Standing, Trouble, Unavailable

BUCKET, KEY = os.environ["LANDFALL_ARTIFACTS"], os.environ["LANDFALL_LEASE_KEY"]
APP = "landfall-app.service"
# Whoever may not list a bucket is told this of an object that is not there. What does stand is not written over: a first write says so.
ABSENT = ("NoSuchKey", "404", "AccessDenied", "403")
OVERTAKEN = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409", "NoSuchKey", "404")


class Stopping(BaseException):
    """systemd ends this program. No `Exception`, which botocore would take for one of the connection's."""


class World:
    """S3, systemd, and a clock that nobody sets."""

    def __init__(self, client):
        self.client = client
        self.now = time.monotonic

    async def sleep(self, seconds):
        time.sleep(seconds)

    async def read(self):
        answer = self.call(ABSENT, self.client.get_object)
        if answer is None:
            return None
        try:
            note = json.loads(answer["Body"].read())
        except (BotoCoreError, OSError) as error:
            raise Trouble(str(error)) from None
        return Standing(answer["ETag"], note["owner"], note["term"])

    async def write(self, etag, owner, term_s):
        # No two are alike, so that no tag ever comes again.
        note = json.dumps({"owner": owner, "term": term_s, "mark": secrets.token_hex(16)})
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        answer = self.call(OVERTAKEN, self.client.put_object, Body=note.encode(), ContentType="application/json", **condition)
        if answer is None:
            raise Conflict("something else stands there")
        return answer["ETag"]

    def call(self, expected, method, **what):
        """The answer; None for one of the errors that are expected."""
        try:
            return method(Bucket=BUCKET, Key=KEY, **what)
        except ClientError as error:
            if error.response["Error"]["Code"] in expected:
                return None
            raise Trouble(str(error)) from None
        except BotoCoreError as error:
            raise Trouble(str(error)) from None

    def alive(self):
        # The first is for a start that takes its time, the second for what has started.
        notify(f"EXTEND_TIMEOUT_USEC={os.environ.get('WATCHDOG_USEC', 0)}\nWATCHDOG=1")

    def say(self, text):
        print(text, flush=True)


def main():
    signal.signal(signal.SIGTERM, stop)
    config = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 1})
    world = World(botocore.session.get_session().create_client("s3", config=config))
    lease = Lease(world, os.environ["LANDFALL_INSTANCE"], int(os.environ["LANDFALL_LEASE_TERM_MS"]) / 1000)
    try:
        run(lease.take(int(os.environ["LANDFALL_LEASE_WAIT_MS"]) / 1000))
        notify("READY=1")
        world.say("it has its lease")
        run(lease.keep())
    except Unavailable as reason:
        world.say(str(reason))
        return 1
    except Lost as reason:
        # Another one runs by now: there is no time left to ask.
        subprocess.run(["systemctl", "stop", "--no-block", APP], check=False)
        subprocess.run(["systemctl", "kill", "--signal=KILL", APP], check=False)
        world.say(f"{reason}: the app was killed")
        return 1
    except Stopping:
        if subprocess.run(["systemctl", "is-active", APP], stdout=subprocess.PIPE, text=True, check=False).stdout.strip() in ("inactive", "failed"):
            run(lease.give_back())
        else:
            world.say("the app runs: its lease is not given back")
    return 0


def run(coroutine):
    """Here all that takes time is waited for."""
    try:
        coroutine.send(None)
    except StopIteration:
        return


def stop(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopping


def notify(text):
    """https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
        way.sendto(text.encode(), os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))


if __name__ == "__main__":
    sys.exit(main())
