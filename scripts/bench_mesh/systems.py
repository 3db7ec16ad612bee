"""The daemons that are compared: how one is started, and what it shows."""

import http.client
import json
import os
import re
import selectors
import subprocess
import threading
import time

import look

BROKEN = (OSError, http.client.HTTPException, ValueError)


class Kith:
    name = "kith"

    def __init__(self, home, hosts, settings):
        self.home, self.hosts, self.settings = home, hosts, settings
        (home / "config" / "network").mkdir(parents=True)
        (home / "profiles").mkdir()

    def start(self, number):
        seed = f"{self.hosts.address(1)}:20001"
        profile = f'label = "n{number}"\n[network.controller]\n' \
                  f'listen = {{ addr = "{self.hosts.address(number)}", port = {20000 + number} }}\n' \
                  f'target = {{ connect = ["{seed}"] }}\n'
        (self.home / "config" / "network" / f"n{number}.toml").write_text(profile)
        (self.profile(number) / "control.addr").unlink(missing_ok=True)  # of the one before
        sets = [word for setting in self.settings for word in ("-s", setting)]
        words = [*self.hosts.prefix(number), os.environ["KITH_NODE"], "-c", "config", "-p", f"n{number}", *sets]
        with open(self.home / f"n{number}.log", "ab") as log:
            return subprocess.Popen(words, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def profile(self, number):
        return self.home / "profiles" / f"n{number}"

    def ask(self, number, path, patience_s=10):
        """The open answer to a GET; raises one of BROKEN."""
        home = self.profile(number)
        token = (home / "control.token").read_text().strip()
        connection = http.client.HTTPConnection((home / "control.addr").read_text().strip(), timeout=patience_s)
        with self.hosts.entered(number):
            connection.connect()
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Connection": "close"})
        return connection.getresponse()

    def json(self, number, path):
        """Nothing if it does not answer."""
        try:
            with self.ask(number, path) as answer:
                return json.load(answer) if answer.status == 200 else None
        except BROKEN:
            return None

    def look(self, number):
        shown = self.json(number, "/api/v1/graph")
        return shown and look.graph(shown)

    def status(self, number):
        return self.json(number, "/api/v1/status")

    def setting(self, number, key):
        """The value in force, or nothing."""
        rows = (self.json(number, "/api/v1/config") or {}).get("settings", [])
        return next((row["value"] for row in rows if row["key"] == key), None)


class Serf:
    """Knows who is there from the lines of its log, stamped as they come."""

    name = "serf"
    EVENT = re.compile(rb"EventMember(Join|Failed|Leave|Reap): (\S+)")
    STATES = {b"Join": look.ALIVE, b"Failed": "failed", b"Leave": "left", b"Reap": "left"}

    def __init__(self, home, hosts, settings):
        self.hosts = hosts
        self.seen = {}  # by daemon: states by name
        self.events = []  # (Unix ms, daemon, state, of whom), kept only when somebody wants them
        self.keep_events = False
        self.pipes = selectors.DefaultSelector()
        self.opened = []
        threading.Thread(target=self.read, daemon=True).start()

    def start(self, number):
        # With its defaults for a LAN; only it is asked to try its seed again sooner than after 30 s, so that a daemon
        # started before its seed does not look slow.
        words = [*self.hosts.prefix(number), os.environ["SERF"], "agent", f"-node=n{number}",
                 f"-bind={self.hosts.address(number)}:{20000 + number}", f"-rpc-addr=127.0.0.1:{30000 + number}",
                 f"-retry-join={self.hosts.address(1)}:20001", "-retry-interval=1s"]
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(child.stdout.fileno(), False)
        self.seen[number] = {}
        self.opened.append((number, child.stdout))
        return child

    def read(self):
        rest = {}
        while True:
            while self.opened:
                number, pipe = self.opened.pop()
                self.pipes.register(pipe, selectors.EVENT_READ, number)
            for key, _ in self.pipes.select(0.05):
                data = os.read(key.fd, 1 << 16)
                if not data:
                    self.pipes.unregister(key.fileobj)
                    continue
                *lines, rest[key.data] = (rest.get(key.data, b"") + data).split(b"\n")
                for line in lines:
                    self.take(key.data, line)

    def take(self, number, line):
        if event := self.EVENT.search(line):
            now, state, whom = int(time.time() * 1000), self.STATES[event[1]], event[2].decode()
            self.seen[number] = {**self.seen[number], whom: (state, now)}
            if self.keep_events:
                self.events.append((now, number, state, whom))

    def look(self, number):
        states = self.seen.get(number)
        return states and look.Look(states)


def number_in(text):
    """Just the number of a version line."""
    return re.search(r"\d[\w.~-]*", text)[0]


def versions(systems):
    said = []
    for name, variable in [("kith", "KITH_NODE"), ("serf", "SERF")]:
        if name in systems:
            flag = "--version" if name == "kith" else "version"
            done = subprocess.run([os.environ[variable], flag], capture_output=True, text=True, check=True)
            said.append(f"{name} {number_in(done.stdout)}")
    for name, series in [("foca", "2"), ("chitchat", "0.13")]:
        if name in systems:
            said.append(f"{name} {series}")
    return ", ".join(said)


PEERS = ("foca", "chitchat")


def peers(system, size, *flags):
    """What the harness of the libraries prints, as (name, value)."""
    words = [os.environ["PEERS"], system, size, *flags]
    child = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        name, value = line.split()
        yield name, float(value)
    if child.wait():
        raise SystemExit(f"bench: {' '.join(map(str, words))} ended with {child.returncode}")


