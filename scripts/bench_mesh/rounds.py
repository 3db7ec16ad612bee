"""One round of one system: what is done to its daemons, and what is written down."""

import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hosts
import look
from systems import PEERS, Kith, Serf, peers

LIMIT_S = 120  # until a measure is given up
SETTLE_S = 3  # lets the last event die down, so that it is not measured with the next


def now_ms():
    return int(time.time() * 1000)


def say(*words):
    print("bench:", *words, file=sys.stderr, flush=True)


class Round:
    def __init__(self, args, system, size, home, out):
        self.args, self.size, self.out, self.called = args, size, out, system
        self.hosts = hosts.Bridge() if args.what == "split" else hosts.Loopback()
        self.hosts.make(size)
        self.askers = ThreadPoolExecutor(4)
        self.children = {}  # those that run, by number
        kinds = {"kith": Kith, "serf": Serf}
        self.system = kinds[system](Path(home), self.hosts, args.set) if system in kinds else None

    def record(self, measure, value):
        print(measure, self.size, self.called, value, file=self.out, flush=True)

    # ---- daemons ----

    def start(self, number):
        self.children[number] = self.system.start(number)

    def kill(self, number):
        child = self.children.pop(number)
        child.kill()
        child.wait()

    def pids(self):
        return [child.pid for child in self.children.values()]

    def names(self):
        return {f"n{number}" for number in self.children}

    # ---- waiting ----

    def wait(self, what, begin, holds, besides=None, agree=False):
        """The latest of the times since when it holds with each that runs but one; all show the same links if they must."""
        order = [number for number in self.children if number != besides]
        # Polling costs processor time that the daemons want, and the times are in what they show.
        pause = max(0.25, len(order) / 200)
        time.sleep(pause)
        while True:
            times, lack = self.sweep(order, holds, agree)
            if times:
                return times
            if now_ms() - begin > LIMIT_S * 1000:
                say(f"{self.called}, N={self.size}: {what} did not come in {LIMIT_S} s; at n{order[0]}: {lack}")
                return begin + LIMIT_S * 1000, begin + LIMIT_S * 1000
            time.sleep(pause)

    def sweep(self, order, holds, agree):
        """The times, or what is not so with the first of these; who it is will be asked first the next time."""
        latest, first = (0, 0), None
        for number, seen in zip(list(order), self.looks(order)):
            times = seen and holds(seen)
            first = first or seen
            if not times or agree and seen.links != first.links:
                order.remove(number)
                order.insert(0, number)
                return None, self.lack(seen, first, times)
            latest = tuple(map(max, latest, times))
        return latest, None

    def looks(self, order):
        """All at nearly the same moment, but only once the first one holds."""
        yield self.system.look(order[0])
        yield from self.askers.map(self.system.look, order[1:])

    def lack(self, seen, first, times):
        if not seen:
            return "no answer"
        if times:
            return f"{len(seen.links - first.links)} links that n1 or another does not show"
        dead = sorted(self.names() - seen.alive())
        return f"not alive: {dead[:5]}" if dead else "links not confirmed or not measured, or one alive that should not be"

    def measure_full(self, what, begin):
        known, all_of_it = self.wait(what, begin, look.full(self.names()), agree=True)
        self.record(what, all_of_it - begin)
        if isinstance(self.system, Kith):
            self.record(f"{what}_known", known - begin)

    def accused(self, besides=None, among=None):
        """How many that run are not seen alive, by all others together."""
        bad = []
        for number in self.children:
            if number != besides and (seen := self.system.look(number)):
                wanted = among(number) if among else self.names()
                for name in sorted(wanted - seen.alive() - {f"n{besides}"}):
                    state, since = seen.states.get(name, ("unknown", 0))
                    bad.append(f"n{number} calls {name} {state} since {since}")
        if bad:
            say(f"{self.called}, N={self.size}: {len(bad)} wrong verdicts:", "; ".join(bad[:20]))
        return len(bad)

    # ---- the rounds ----

    def start_all(self):
        begin = now_ms()
        for number in range(1, self.size + 1):
            self.start(number)
        self.measure_full("cold_start", begin)
        self.record("cold_cpu_ms", hosts.cpu_s(self.pids()) * 1000 / self.size)

    def idle(self):
        begin, sent, cpu = time.monotonic(), hosts.wire_bytes(), hosts.cpu_s(self.pids())
        time.sleep(self.args.idle)
        sent, cpu = hosts.wire_bytes() - sent, hosts.cpu_s(self.pids()) - cpu
        shares = (time.monotonic() - begin) * self.size
        self.record("idle_bytes", sent / shares)
        self.record("idle_cpu_us", cpu * 1e6 / shares)
        for pid in self.pids():
            self.record("memory_kib", hosts.pss_kib(pid))
        if isinstance(self.system, Kith) and (seen := self.system.look(1)):
            self.record("degree", max(seen.degrees.values(), default=0))

    def mesh(self):
        if self.called in PEERS:
            for name, value in peers(self.called, self.size, "--trials", self.args.trials, "--idle", self.args.idle):
                self.record(name, value)
            return
        self.start_all()
        time.sleep(max(5, self.size / 20))
        self.idle()
        for trial in range(1, self.args.trials + 1):
            self.trial(trial)

    def pick(self, trial):
        """Any but the first, which is the seed of those that join."""
        numbers = list(self.children)
        return numbers[1 + trial % (len(numbers) - 1)]

    def trial(self, trial):
        time.sleep(SETTLE_S)
        victim = self.pick(trial)
        begin = now_ms()
        self.kill(victim)
        known, _ = self.wait("crash", begin, look.dead(f"n{victim}"))
        self.record("crash", known - begin)

        time.sleep(SETTLE_S)
        begin = now_ms()
        self.start(self.size + trial)
        self.measure_full("join", begin)

        time.sleep(SETTLE_S)
        victim = self.pick(trial + 1)
        begin = now_ms()
        self.children[victim].send_signal(signal.SIGSTOP)
        known, _ = self.wait("silent death", begin, look.dead(f"n{victim}"), victim)
        self.record("silent_death", known - begin)
        self.record("accused", self.accused(victim))
        begin = now_ms()
        self.children[victim].send_signal(signal.SIGCONT)
        self.measure_full("back", begin)

    def split(self):
        self.start_all()
        time.sleep(SETTLE_S)
        halves = {half: {f"n{n}" for n in self.children if self.hosts.half(n) == half} for half in (1, 2)}
        begin = now_ms()
        self.hosts.split()
        self.record("parted", self.parted(begin, halves) - begin)
        time.sleep(max(0, begin / 1000 + self.args.hold - time.time()))
        # Once more at its end, for what they call each other then.
        states = {}
        for number in self.children:
            seen = self.system.look(number)
            for name in halves[3 - self.hosts.half(number)]:
                state = seen.states[name][0] if seen and name in seen.states else "unknown"
                states[state] = states.get(state, 0) + 1
        self.record("accused", self.accused(among=lambda number: halves[self.hosts.half(number)]))
        say(f"{self.called}, N={self.size}: the halves called each other: {states}")
        begin = now_ms()
        self.hosts.heal()
        self.measure_full("healed", begin)

    def parted(self, begin, halves):
        latest = begin
        everyone = dict(self.children)
        for half, names in halves.items():
            self.children = {n: child for n, child in everyone.items() if f"n{n}" in names}
            latest = max(latest, self.wait("parted", begin, look.gone(halves[3 - half]))[0])
        self.children = everyone
        return latest
