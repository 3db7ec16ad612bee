"""Wrong verdicts: some daemons stutter, and what all daemons call one another is written down."""

import json
import random
import signal
import subprocess
import sys
import threading
import time

from look import ALIVE
from systems import BROKEN, PEERS, peers

STUTTERING = 5
STUTTER_S = 4
STOPPED_S = (1, 2)
VERDICTS = ("failed", "unreachable", "left")
SETTLE_S = 10  # until the last stop cannot be the cause of anything any more
BUSY_PER_CORE = 3


class Witness:
    """All changes of state that one daemon shows, from its stream of events."""

    def __init__(self, system, number, events, lock):
        self.system, self.number, self.events, self.lock = system, number, events, lock
        self.states, self.broken = {}, False
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        try:
            # It may be silent for as long as its daemon is stopped, and longer on a busy machine.
            stream = self.system.ask(self.number, "/api/v1/events", 60)
            kind = None
            for line in stream:
                if line.startswith(b"event: "):
                    kind = line[7:].strip()
                elif line.startswith(b"data: ") and kind == b"node":
                    self.take(json.loads(line[6:]))
        except BROKEN:
            pass
        self.broken = True

    def take(self, row):
        name, now = row["label"], (row["state"], row["since_ms"])
        before = self.states.get(name, now)
        self.states[name] = now
        with self.lock:
            if now[0] != before[0]:
                self.events.append((now[1], self.number, now[0], name))
            elif now[0] == ALIVE and now[1] > before[1]:
                # It was something else meanwhile, for less than the stream's pause.
                self.events.append((now[1], self.number, "suspect", name))


def busy(cores):
    """Processes that do nothing but turn."""
    return [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(cores * BUSY_PER_CORE)]


def stutter(children, seconds, seed):
    """Stops these again and again, each at its own times."""
    dice, begin = random.Random(seed), time.monotonic()
    due = [(begin + dice.uniform(0, STUTTER_S), number, signal.SIGSTOP) for number in children]
    while due:
        at, number, what = min(due)
        due.remove((at, number, what))
        time.sleep(max(0, at - time.monotonic()))
        children[number].send_signal(what)
        if what == signal.SIGSTOP:
            due.append((at + dice.uniform(*STOPPED_S), number, signal.SIGCONT))
            if at + STUTTER_S < begin + seconds:
                due.append((at + STUTTER_S, number, signal.SIGSTOP))


def falsely(round_):
    """A phase with nothing else going on, and one beside busy loops on every core."""
    args, size = round_.args, round_.size
    if round_.called in PEERS:
        return harness(round_)
    round_.start_all()
    time.sleep(SETTLE_S)
    events, lock = [], threading.Lock()
    witnesses = []
    if round_.called == "kith":
        witnesses = [Witness(round_.system, number, events, lock) for number in round_.children]
        time.sleep(SETTLE_S)
    else:
        round_.system.events, round_.system.keep_events = events, True
    numbers = list(round_.children)
    shaky = {number: round_.children[number] for number in numbers[-STUTTERING:]}
    for phase in args.phases:
        loops = busy(args.cores) if phase == "busy" else []
        with lock:
            events.clear()
        stutter(shaky, args.seconds, size)
        time.sleep(SETTLE_S)
        for loop in loops:
            loop.kill()
            loop.wait()
        with lock:
            told = list(events)
        count(round_, phase, told, {f"n{number}" for number in shaky}, set(shaky))
    if any(witness.broken for witness in witnesses):
        raise SystemExit("bench: a stream of events broke: not all was seen")


def count(round_, phase, events, shaky, shaky_numbers):
    """By whom they were called gone, and who; and what was only doubted."""
    verdicts = [event for event in events if event[2] in VERDICTS]
    healthy = [event for event in verdicts if event[3] not in shaky]
    record = round_.record
    record(f"{phase}_healthy", len(healthy))
    record(f"{phase}_healthy_by_shaky", sum(1 for event in healthy if event[1] in shaky_numbers))
    record(f"{phase}_shaky", len(verdicts) - len(healthy))
    if round_.called == "kith":
        record(f"{phase}_doubts", sum(1 for event in events if event[2] == "suspect" and event[3] not in shaky))
    record(f"{phase}_not_alive", round_.accused())
    for at, number, state, name in healthy[:20]:
        print(f"bench: {round_.called}: at {at} n{number} called {name} {state}", file=sys.stderr)


def harness(round_):
    for phase in round_.args.phases:
        loops = busy(round_.args.cores) if phase == "busy" else []
        for name, value in peers(round_.called, round_.size, "--false", round_.args.seconds):
            if name.startswith("false_"):
                round_.record(f"{phase}_{name[6:]}", value)
        for loop in loops:
            loop.kill()
            loop.wait()
