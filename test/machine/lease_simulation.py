"""Machines that want one lease, with time, network and S3 simulated from a seed: `lease.py` as it is, and beside it what systemd does by the units.
Prints what went wrong in each run, and how often the app was where, as lines of JSON. Arguments: the folder of `lease.py`, the first seed, how many,
and settings as JSON.
"""

import heapq
import json
import random
import sys

sys.path.insert(0, sys.argv[1])
from lease import Conflict, Lease, Lost, Standing, Trouble, Unavailable  # noqa: E402

HOUR_S, CALM_S = 3600.0, 1000.0
SETTINGS = {
    # Of landfall-lease.service, of the app's unit, and of src/machine/lease.ts.
    "watchdog_s": 30,
    "stop_s": 10,
    "kill_after_s": 10,
    "term_s": 100,
    "wait_s": 130,
    "restart_s": 1,
    # By how much a clock goes wrong: a hundred times what a machine's does.
    "drift": 0.01,
    # What does not fit in is left out, to see that it is found.
    "watches": True,
    "binds": True,
    "asks_app": True,
    **json.loads(sys.argv[4] if len(sys.argv) > 4 else "{}"),
}


class Simulation:
    """Events in their order. What happens at once happens in the order in which it was planned."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.now, self.planned, self.count = 0.0, [], 0
        self.wrong = []
        self.running = {}
        self.starts = 0
        self.handovers = 0
        self.last = None
        self.store = Store(self)
        # Nothing goes wrong any more.
        self.calm = False

    def at(self, delay, act):
        self.count += 1
        heapq.heappush(self.planned, (self.now + delay, self.count, act))

    def run(self, until):
        while self.planned and self.planned[0][0] <= until:
            self.now, _, act = heapq.heappop(self.planned)
            act()

    def app_started(self, machine):
        if self.running:
            self.wrong.append(f"at {self.now:.1f} s {machine} starts while {', '.join(self.running)} runs")
        self.running[machine] = self.now
        self.starts += 1
        self.handovers += self.last not in (None, machine)
        self.last = machine

    def app_ended(self, machine):
        self.running.pop(machine, None)


class Store:
    """S3: an object is read and written at one moment, which lies somewhere between question and answer, or after the asker has given up."""

    def __init__(self, simulation):
        self.simulation, self.object, self.writes = simulation, None, 0
        self.down_until = 0.0

    def read(self):
        return self.object

    def write(self, etag, owner, term_s):
        if (self.object.etag if self.object else None) != etag:
            return "conflict"
        self.writes += 1
        self.object = Standing(f"{self.writes}", owner, term_s)
        return self.object.etag


class Wait:
    """Given to whoever drives a coroutine: calls `act` with what is to be called back with a value or an error."""

    def __init__(self, act):
        self.act = act

    def __await__(self):
        return (yield self.act)


class Machine:
    """One instance: its keeper, what systemd makes of its words, and the app."""

    def __init__(self, simulation, name):
        self.simulation, self.name = simulation, name
        self.rate = 1 + simulation.random.uniform(-SETTINGS["drift"], SETTINGS["drift"])
        self.offset = simulation.random.uniform(0, 1e6)
        # Each start of the keeper, each word of it, each start and stop of the app makes what was planned before void.
        self.keeper, self.word, self.app_turn = 0, 0, 0
        self.held = self.app = self.stopping = self.ending = self.off = False
        self.resumes_at = self.cut_until = 0.0
        self.stalls = self.falls_silent = False

    def boot(self):
        self.start_keeper()

    # What systemd does.

    def start_keeper(self):
        if self.off or self.ending:
            return
        self.keeper += 1
        self.held = False
        self.await_word()
        number = self.keeper
        lease = Lease(World(self, number), self.name, SETTINGS["term_s"])
        self.drive(number, self.main(number, lease))

    async def main(self, number, lease):
        try:
            await lease.take(SETTINGS["wait_s"])
            self.ready(number)
            await lease.keep()
        except Lost:
            self.end_app()
        except Unavailable:
            pass
        self.keeper_ended(number)

    def ready(self, number):
        if number == self.keeper:
            self.held = True
            self.await_word()
            self.start_app()

    def await_word(self):
        self.word += 1
        word = self.word
        self.simulation.at(SETTINGS["watchdog_s"] * self.rate, lambda: word == self.word and self.keeper_ended(self.keeper))

    def keeper_ended(self, number):
        """By itself, or killed because nothing was heard of it."""
        if number != self.keeper or self.off:
            return
        self.keeper += 1
        self.word += 1
        self.held = False
        if SETTINGS["binds"]:
            self.stop_app()
        self.simulation.at(SETTINGS["restart_s"], self.start_keeper)

    def start_app(self):
        if self.off or self.ending or not self.held or self.app:
            return
        self.app, self.stopping = True, False
        self.simulation.app_started(self.name)

    def stop_app(self, then=None):
        """It takes as long as it likes, and is killed in the end."""
        if not self.app:
            return then() if then else None
        self.stopping = True
        turn = self.app_turn
        most = (SETTINGS["stop_s"] + SETTINGS["kill_after_s"]) * self.rate
        takes = self.simulation.random.choice([most, self.simulation.random.uniform(0, most)])

        def ended():
            if turn == self.app_turn:
                self.end_app()
            if then:
                then()

        self.simulation.at(takes, ended)

    def end_app(self):
        if self.app:
            self.app_turn += 1
            self.app = self.stopping = False
            self.simulation.app_ended(self.name)
            # What had to wait for the end of it.
            self.simulation.at(0, self.start_app)

    # What befalls it.

    def drain(self):
        """Its group ends it: the app, then the keeper, then the power."""
        if self.ending or self.off:
            return
        self.ending = True
        if not SETTINGS["asks_app"]:
            self.give_back()
        self.stop_app(self.give_back)

    def give_back(self):
        if self.off:
            return
        self.keeper += 1
        self.word += 1
        number = self.keeper
        lease = Lease(World(self, number), self.name, SETTINGS["term_s"])
        self.drive(number, lease.give_back())
        self.simulation.at(60, self.cut_power)

    def cut_power(self):
        self.off = True
        self.keeper += 1
        self.end_app()

    def reboot(self):
        if self.ending or self.off:
            return
        self.keeper += 1
        self.word += 1
        self.held = False
        self.end_app()
        self.simulation.at(self.simulation.random.uniform(5, 60), self.start_keeper)

    def kill_keeper(self):
        """Also one that gives the lease back when somebody else than systemd ends it asks first whether the app runs."""
        if not SETTINGS["asks_app"] and self.held:
            lease = Lease(World(self, self.keeper), self.name, SETTINGS["term_s"])
            self.drive(self.keeper, lease.give_back())
        self.keeper_ended(self.keeper)

    def pause_keeper(self, seconds):
        self.resumes_at = self.simulation.now + seconds

    def drive(self, number, coroutine):
        def go(value=None, error=None):
            if number != self.keeper or self.off:
                coroutine.close()
                return
            # A process that was stopped goes on where it was.
            if self.simulation.now < self.resumes_at:
                self.simulation.at(self.resumes_at - self.simulation.now, lambda: go(value, error))
                return
            try:
                act = coroutine.throw(error) if error else coroutine.send(value)
            except StopIteration:
                return
            act(go)

        go()


class World:
    """What `Lease` is given on a machine."""

    def __init__(self, machine, number):
        self.machine, self.number = machine, number

    def now(self):
        return self.machine.simulation.now / self.machine.rate + self.machine.offset

    def alive(self):
        machine = self.machine
        if self.number == machine.keeper:
            machine.await_word()
        if machine.falls_silent:
            machine.falls_silent = False
            machine.pause_keeper(HOUR_S)

    def say(self, _):
        pass

    async def sleep(self, seconds):
        await Wait(lambda go: self.machine.simulation.at(seconds * self.machine.rate, go))
        await self.tire()

    async def tire(self):
        """A process may be stopped anywhere: before it asks, and between an answer and what it makes of it."""
        simulation, machine = self.machine.simulation, self.machine
        if not simulation.calm and simulation.random.random() < 0.001:
            machine.pause_keeper(simulation.random.uniform(0, 200))
            await Wait(lambda go: simulation.at(0, go))

    async def read(self):
        answer = await self.ask(lambda store: (store.read(),))
        return answer[0]

    async def write(self, etag, owner, term_s):
        answer = await self.ask(lambda store: store.write(etag, owner, term_s))
        if answer == "conflict":
            raise Conflict
        machine = self.machine
        if machine.stalls:
            machine.stalls, machine.falls_silent = False, True
            machine.pause_keeper(machine.simulation.random.uniform(0, SETTINGS["watchdog_s"]))
            await Wait(lambda go: machine.simulation.at(0, go))
        return answer

    async def ask(self, act):
        answer = await Wait(lambda go: self.send(act, go))
        if answer is None:
            raise Trouble(f"no answer for {self.machine.name}")
        await self.tire()
        return answer

    def send(self, act, go):
        """The answer; nothing when there was none in ten seconds."""
        simulation, machine = self.machine.simulation, self.machine
        random_, store = simulation.random, simulation.store
        tail = 0 if simulation.calm else 60
        there = tail * random_.random() ** 24 + 0.01
        back = tail * random_.random() ** 24 + 0.01
        cut = simulation.now < machine.cut_until
        # A network that is cut may keep what was sent, and carry it when it is whole again.
        lost = cut and random_.random() < 0.7
        there = max(there, machine.cut_until - simulation.now + there if cut else 0)
        answered = {"yet": False}

        def arrives():
            if simulation.now < store.down_until:
                if random_.random() < 0.5:
                    act(store)
                return
            answer = act(store)
            if not simulation.calm and random_.random() < 0.02:
                return
            simulation.at(back, lambda: finish(answer))

        def finish(answer):
            if not answered["yet"]:
                answered["yet"] = True
                go(answer)

        if not lost:
            simulation.at(there, arrives)
        simulation.at(10 * machine.rate, lambda: finish(None))


def simulate(seed):
    simulation = Simulation(seed)
    random_ = simulation.random
    machines = []

    def launch():
        machine = Machine(simulation, f"i-{len(machines) + 1}")
        machines.append(machine)
        simulation.at(random_.uniform(10, 90), machine.boot)

    def standing():
        return [machine for machine in machines if not machine.off and not machine.ending]

    def replace():
        """As a group does: the next one comes before, with, or after the end of the one before it; sometimes without a word to that one."""
        old = random_.choice(standing() or machines)
        end = old.cut_power if random_.random() < 0.3 else old.drain
        simulation.at(random_.uniform(0, 200), end)
        simulation.at(random_.uniform(0, 200), launch)

    def stall(one):
        """The worst case: a write is in S3, its keeper learns of it as late as it can, and is not heard of again. And another one wants the lease."""
        simulation.at(random_.uniform(100, 200), lambda: setattr(one, "stalls", True))
        simulation.at(random_.uniform(300, 500), one.cut_power)
        if len(standing()) < 3:
            launch()

    def befall():
        alive = [machine for machine in machines if not machine.off]
        if alive:
            one = random_.choice(alive)
            random_.choice(
                [
                    replace,
                    one.reboot,
                    one.kill_keeper,
                    lambda: stall(one),
                    lambda: one.pause_keeper(random_.choice([5, 40, 200, 1000]) * random_.random()),
                    lambda: setattr(one, "cut_until", simulation.now + random_.choice([5, 40, 200, 1000]) * random_.random()),
                    lambda: setattr(simulation.store, "down_until", simulation.now + random_.choice([5, 40, 300]) * random_.random()),
                ]
            )()
        if not standing():
            launch()
        simulation.at(random_.expovariate(1 / 90), befall)

    if not SETTINGS["watches"]:
        Lease.may_take = lambda *_: True
    launch()
    simulation.at(200, befall)
    simulation.run(HOUR_S)
    # All is well from here on: somebody has to have it soon.
    simulation.planned = [event for event in simulation.planned if event[2] is not befall]
    heapq.heapify(simulation.planned)
    simulation.calm = True
    simulation.at(400, lambda: standing() or launch())
    simulation.store.down_until = 0
    for machine in machines:
        machine.cut_until = 0
    simulation.run(HOUR_S + CALM_S)
    if not simulation.running:
        simulation.wrong.append("nobody runs it in the end")
    return {"seed": seed, "wrong": simulation.wrong[:3], "starts": simulation.starts, "handovers": simulation.handovers, "machines": len(machines)}


if __name__ == "__main__":
    first, count = int(sys.argv[2]), int(sys.argv[3])
    for number in range(first, first + count):
        print(json.dumps(simulate(number)))
