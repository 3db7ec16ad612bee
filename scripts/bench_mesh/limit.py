"""Whether any daemon ever has more links than it may, by its own count and by the kernel's."""

import random
import re
import subprocess
import threading
import time

from rounds import now_ms, say

PORTS = range(20001, 30000)  # of meshes, and of nothing else here
EVERY_S = 0.5
CHURN_S = 2
SETTING = "network.topology.max_conns"


def sockets():
    """Established connections of the mesh by process: links, and handshakes under way."""
    shown = subprocess.run(["ss", "-tnpH", "state", "established"], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in shown.splitlines():
        ports = [int(end.rsplit(":", 1)[1]) for end in line.split()[2:4]]
        owner = re.search(r"pid=(\d+)", line)
        if owner and any(port in PORTS for port in ports):
            found[int(owner[1])] = found.get(int(owner[1]), 0) + 1
    return found


class Watch:
    """Looks at all daemons of a round again and again."""

    def __init__(self, round_):
        self.round, self.limit = round_, round_.args.limit
        self.looks = self.answers = 0
        self.most = self.most_sockets = self.over = self.sockets_over = 0
        self.ended, self.thread = threading.Event(), threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            begin = time.monotonic()
            self.once()
            self.ended.wait(max(0, EVERY_S - (time.monotonic() - begin)))

    def once(self):
        self.looks += 1
        self.limit = self.limit or self.round.system.setting(1, SETTING)
        if not self.limit:
            return  # the first has not answered yet, and so nobody is linked
        for pid, count in sockets().items():
            self.most_sockets = max(self.most_sockets, count)
            self.sockets_over += count > self.limit
        for number in list(self.round.children):
            status = self.round.system.status(number)
            if not status:
                continue  # it starts or ends
            self.answers += 1
            self.most = max(self.most, status["links"])
            if status["links"] > self.limit:
                self.over += 1
                say(f"n{number} has {status['links']} links, and may have {self.limit}")

    def end(self):
        self.ended.set()
        self.thread.join()


def limit(round_):
    """Cold start, then a daemon is killed and another one started every other second; then half of all are killed."""
    watch = Watch(round_)
    try:
        round_.start_all()
        dice, end = random.Random(round_.size), time.monotonic() + round_.args.seconds
        newcomer = round_.size
        while time.monotonic() < end:
            newcomer += 1
            round_.kill(dice.choice(list(round_.children)[1:]))
            round_.start(newcomer)
            time.sleep(CHURN_S)
        begin = now_ms()
        for number in dice.sample(list(round_.children)[1:], round_.size // 2):
            round_.kill(number)
        round_.measure_full("half", begin)
    finally:
        watch.end()
    if not watch.limit:
        raise SystemExit(f"bench: the daemons have no {SETTING}: say what to hold them to with --limit")
    record = round_.record
    record("limit", watch.limit)
    record("looks", watch.looks)
    record("answers", watch.answers)
    record("links_max", watch.most)
    record("links_over", watch.over)
    record("sockets_max", watch.most_sockets)
    record("sockets_over", watch.sockets_over)
