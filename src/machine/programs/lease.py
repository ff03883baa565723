"""Who of several machines runs what may never run twice: a lease, which is an object of S3 that is only written on condition of what stands there.

No clock is compared with another's. Whoever wants the lease watches the object: a holder that has written nothing for its whole term, by the watcher's
clock, has stopped. That it has is for systemd to see to, by `landfall-lease.service`: after each write it waits for the next word of the keeper for
so long only, and stops the app; what of it is left when its time to stop is over is killed. Two such waits and the stop are less than the term
(`src/machine/lease.ts`).

What takes time is a coroutine, so that the time of a test can pass in it.
"""

RENEW_S = 10
LOOK_S = 1
RETRY_S = 2
GIVES_BACK = 3


class Standing:
    """The object as it was read. Nobody holds a lease that was given back."""

    __slots__ = ("etag", "owner", "term_s")

    def __init__(self, etag, owner, term_s):
        self.etag, self.owner, self.term_s = etag, owner, term_s


class Conflict(Exception):
    """Something else stands there than what was to be written over."""


class Trouble(Exception):
    """What was asked may have been done or not."""


class Unavailable(Exception):
    """Somebody else has it, or it cannot be known who has."""


class Lost(Exception):
    """It was held, and is somebody else's."""


class Lease:
    """`world` reads and writes the object, has a clock, and hands on to systemd that the keeper is alive."""

    def __init__(self, world, owner, term_s):
        self.world, self.owner, self.term_s = world, owner, term_s
        self.etag = None

    async def take(self, wait_s):
        """Returns once it is this machine's. Raises Unavailable when it was not to be had for so long; a holder that is silent is waited out."""
        began = heard = since = self.world.now()
        watched, said = None, ""
        while True:
            self.world.alive()
            try:
                standing = await self.world.read()
                if standing and standing.etag != watched:
                    watched, since = standing.etag, self.world.now()
                    heard = since
                if self.may_take(standing, since):
                    self.etag = await self.write(standing and standing.etag)
                    return
                why = f"{standing.owner} has it"
            except Conflict:
                why, heard = "somebody else was faster", self.world.now()
            except Trouble as trouble:
                why, heard = str(trouble), self.world.now()
            if why != said:
                self.world.say(f"it waits for its lease: {why}")
            said = why
            if heard - began >= wait_s:
                raise Unavailable(f"it did not get its lease within {wait_s:g} s: {why}")
            await self.world.sleep(LOOK_S)

    def may_take(self, standing, since):
        """What this machine itself held before it was started again is its own: systemd never runs one unit twice."""
        return not standing or standing.owner in (None, self.owner) or self.world.now() - since >= standing.term_s

    async def keep(self):
        """Renews it for ever. Raises Lost. What cannot be written is tried again until systemd has heard nothing for too long."""
        while True:
            await self.world.sleep(RENEW_S)
            while not await self.renew():
                await self.world.sleep(RETRY_S)
            self.world.alive()

    async def renew(self):
        try:
            try:
                self.etag = await self.write(self.etag)
                return True
            except Conflict:
                # A write of our own, whose answer did not arrive? It counts once it has been written again.
                standing = await self.world.read()
                if not standing or standing.owner != self.owner:
                    raise Lost(f"its lease is {standing.owner}'s" if standing and standing.owner else "its lease is gone") from None
                self.etag = standing.etag
        except Trouble as trouble:
            self.world.say(f"its lease could not be renewed: {trouble}")
        return False

    async def give_back(self):
        """So that the next machine need not wait for the end of the term. To be called once nothing of the app is left."""
        why = ""
        for _ in range(GIVES_BACK):
            try:
                standing = await self.world.read()
                if standing and standing.owner == self.owner:
                    await self.world.write(standing.etag, None, 0)
                return
            except Conflict as overtaken:
                # By a renewal of its own that was under way when it was asked to stop.
                why = overtaken
            except Trouble as trouble:
                why = trouble
                break
        self.world.say(f"its lease could not be given back, and runs out: {why}")

    def write(self, etag):
        return self.world.write(etag, self.owner, self.term_s)
