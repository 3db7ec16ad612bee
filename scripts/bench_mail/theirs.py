"""A network of Reticulum on the loopback: transports (rnsd) and the two ends of LXMF."""

import json
import os
import subprocess
import sys
from pathlib import Path

from procs import ROOT, start, stop, wait

VENV = Path(os.environ.get("BENCH_MAIL_VENV", ROOT / "target" / "bench-mail-venv")) / "bin"
PEER = Path(__file__).with_name("lxmf_peer.py")
PORT = 22500  # of the first transport


def config(home, transport, listen=None, connect=()):
    """Nothing but the loopback: no shared instance, no interface that looks for others."""
    lines = ["[reticulum]", f"enable_transport = {transport}", "share_instance = No", "[logging]", "loglevel = 3", "[interfaces]"]
    if listen:
        lines += ["[[listen]]", "type = TCPServerInterface", "enabled = yes", "listen_ip = 127.0.0.1", f"listen_port = {listen}"]
        # A transport that was killed knows no ways any more; only in this mode it asks others for them.
        lines += ["mode = gateway"] if transport == "Yes" else []
    for port in connect:
        lines += [f"[[to{port}]]", "type = TCPClientInterface", "enabled = yes", "target_host = 127.0.0.1", f"target_port = {port}"]
    (home / "rns").mkdir(parents=True, exist_ok=True)
    (home / "rns" / "config").write_text("\n".join(lines) + "\n")


class Peer:
    """One end, and how it is told things."""

    def __init__(self, home, listen=None, connect=()):
        self.home = home
        config(home, "No", listen, connect)
        self.run()

    def run(self):
        log = open(self.home / "log", "ab")
        self.child = start(VENV / "python", PEER, self.home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.answer()

    def answer(self):
        line = self.child.stdout.readline()
        if not line:
            sys.exit(f"bench: an end of LXMF died:\n{(self.home / 'log').read_text()[-2000:]}")
        return json.loads(line)

    def __call__(self, do, **words):
        self.child.stdin.write(json.dumps({"do": do, **words}) + "\n")
        self.child.stdin.flush()
        return self.answer()

    def kill(self):
        self.child.kill()
        self.child.wait()


class Reticulum:
    """`chain` transports one after another between the ends; or `apart` of them, each linked to both ends."""

    def __init__(self, home, chain=0, apart=0):
        self.home, self.transports = home, {}
        for number in range(chain or apart):
            port = PORT + number
            config(self.at(port), "Yes", port, [port - 1] if chain and number else [])
            self.begin(port)
        ports = sorted(self.transports)
        if not ports:
            self.reader = Peer(home / "reader", listen=PORT)
            self.sender = Peer(home / "sender", connect=[PORT])
        else:
            self.reader = Peer(home / "reader", connect=ports if apart else ports[-1:])
            self.sender = Peer(home / "sender", connect=ports if apart else ports[:1])
        self.to = self.reader("hash")
        self.reader("announce")
        self.sender("announce")  # so that the reader can check signatures
        wait("LXMF to know the way", lambda: self.sender("hops", to=self.to) is not None)
        wait("LXMF to know the way back", lambda: self.reader("hops", to=self.sender("hash")) is not None)
        self.hops = self.sender("hops", to=self.to)

    def at(self, port):
        return self.home / f"transport{port}"

    def begin(self, port):
        log = open(self.at(port) / "log", "ab")
        self.transports[port] = start(VENV / "rnsd", "--config", self.at(port) / "rns", stdout=log, stderr=log)
        wait("rnsd to listen", lambda: listening(port))

    def kill(self, port):
        """As kill -9."""
        self.transports[port].kill()
        self.transports[port].wait()

    def used(self):
        """The port of the transport that the sender's letters take, of those apart."""
        name = self.sender("via", to=self.to)
        return next((port for port in self.transports if str(port) in name), None)

    def stop(self):
        for peer in [self.sender, self.reader]:
            peer.kill()
        stop(*self.transports.values())


def listening(port):
    """Whether somebody listens there, without connecting: that would be a peer to them."""
    wanted = f":{port:04X} 00000000:0000 0A"
    return any(wanted in line for line in open("/proc/net/tcp"))
