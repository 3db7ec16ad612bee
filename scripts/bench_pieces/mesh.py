"""Daemons of kith that are linked with one another."""

import json
import os
import re
import subprocess
import sys

from procs import NODE, start, stop, wait


class Mesh:
    """Daemons named by these letters; each knows the first one."""

    def __init__(self, home, names, enter=None, addrs=None, keep=True):
        self.home, self.names, self.keep = home, names, keep
        self.enter = enter or {name: () for name in names}
        self.addrs = addrs or {name: "127.0.0.1" for name in names}
        self.nodes = {}
        for name in names:
            self.start(name)
        wait("kith to link", lambda: all(self.links(name) >= len(names) - 1 for name in names))

    def start(self, name):
        number = self.names.index(name)
        args = [*self.enter[name], NODE, "--port", 21000 + number, "-s", f"label={name}"]
        args += ["-s", f"network.controller.listen.addr={self.addrs[name]}", "-s", f"state.dir={self.home / name}"]
        args += ["--connect", f"{self.addrs[self.names[0]]}:21000"] if number else []
        log = open(self.home / f"{name}.log", "ab")
        self.nodes[name] = start(*args, stdout=log, stderr=log)

    def kill(self, name):
        """As kill -9."""
        node = self.nodes[name]
        node.kill()
        node.wait()

    def env(self, name):
        return dict(os.environ, KITH_STATE=str(self.home / name))

    def verb(self, name, *words, check=True):
        words = [str(word) for word in words]
        done = subprocess.run([*self.enter[name], NODE, *words], env=self.env(name), capture_output=True, text=True)
        if check and done.returncode:
            sys.exit(f"bench: node {' '.join(words)} failed:\n{done.stderr}")
        return done.stdout

    def begin(self, name, *words):
        """A verb that goes on by itself."""
        return start(*self.enter[name], NODE, *words, env=self.env(name), stdout=subprocess.DEVNULL)

    def json(self, name, *words):
        text = self.verb(name, *words, "--json", check=False)
        return json.loads(text) if text else None

    def links(self, name):
        status = self.json(name, "status")
        return status["links"] if status else -1

    def share(self, name, path):
        return self.verb(name, "share", path).strip()

    def last(self, name):
        """The last transfer there."""
        transfers = (self.json(name, "transfers") or {"transfers": []})["transfers"]
        return transfers[-1] if transfers else None

    def labels(self, name):
        """Labels by id."""
        return {node["id"]: node["label"] for node in self.json(name, "graph")["nodes"]}

    def pids(self, *names):
        return [self.nodes[name].pid for name in names or self.names]

    def losses(self):
        """Links that went down and nodes that were doubted, as the logs tell."""
        lines = [line for name in self.names for line in open(self.home / f"{name}.log", errors="replace")]
        return sum(1 for line in lines if re.search(r"link to .* down|silent|unreachable", line))

    def stop(self):
        stop(*self.nodes.values())
