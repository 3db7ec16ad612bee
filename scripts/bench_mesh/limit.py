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
AFTER_S = 10  # links are still being made
# In mode auto, while a node sees no more than so many nodes it may have a link with each.
FULL_UP_TO = 32
FULL_LIMIT = 32


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
        self.round, self.limit, self.full_limit = round_, round_.args.limit, round_.args.limit
        self.looks = self.answers = 0
        self.most = self.most_sockets = self.over = 0
        self.over_since, self.longest_s = {}, 0
        self.ended, self.thread = threading.Event(), threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            begin = time.monotonic()
            self.once()
            self.ended.wait(max(0, EVERY_S - (time.monotonic() - begin)))

    def learn(self):
        """From the first daemon, as soon as it answers."""
        self.limit = self.round.system.setting(1, "network.topology.max_conns")
        auto = self.round.system.setting(1, "network.topology.mode") == "auto"
        self.full_limit = max(self.limit or 0, FULL_LIMIT) if auto else self.limit

    def once(self):
        self.looks += 1
        if not self.limit:
            self.learn()
        if not self.limit:
            return
        self.most_sockets = max(self.most_sockets, max(sockets().values(), default=0))
        for number in list(self.round.children):
            status = self.round.system.status(number)
            if status:  # else it starts or ends
                self.judge(number, status["links"], status["nodes_alive"])

    def judge(self, number, links, alive):
        self.answers += 1
        self.most = max(self.most, links)
        if links <= (self.limit if alive > FULL_UP_TO else self.full_limit):
            self.over_since.pop(number, None)
            return
        self.over += 1
        since = self.over_since.setdefault(number, time.monotonic())
        self.longest_s = max(self.longest_s, time.monotonic() - since)
        say(f"n{number} has {links} links, sees {alive} nodes, and may have {self.limit} links")

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
        time.sleep(AFTER_S)
    finally:
        watch.end()
    if not watch.limit:
        raise SystemExit("bench: the daemons have no limit: say what to hold them to with --limit")
    record = round_.record
    record("limit", watch.limit)
    record("looks", watch.looks)
    record("answers", watch.answers)
    record("links_max", watch.most)
    record("links_over", watch.over)
    record("over_s", watch.longest_s)
    record("sockets_max", watch.most_sockets)
