"""Where daemons run: the loopback of one network namespace, or for a split a namespace of its own for each."""

import contextlib
import ctypes
import os
import subprocess
from pathlib import Path

CLONE_NEWNET = 0x40000000
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
libc = ctypes.CDLL(None, use_errno=True)


def run(*words, text=None):
    subprocess.run([str(word) for word in words], check=True, input=text, text=True, stdout=subprocess.DEVNULL)


def enter(namespace):
    """Moves this thread into the network namespace of that open file."""
    if libc.setns(namespace.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"cannot enter {namespace.name}")


class Loopback:
    """All on one address; a daemon's number is in its port."""

    def make(self, size):
        run("ip", "link", "set", "lo", "up")

    def address(self, number):
        return "127.0.0.1"

    def prefix(self, number):
        return []

    def entered(self, number):
        return contextlib.nullcontext()


class Bridge:
    """A host for each on one bridge; the address tells the half it is in."""

    def make(self, size):
        self.size = size
        self.outside = open("/proc/self/ns/net")
        run("mount", "-t", "tmpfs", "none", "/run")  # only this process and its children see it
        run("ip", "link", "add", "bridge", "type", "bridge")
        run("ip", "link", "set", "bridge", "up")
        for number in range(1, size + 1):
            host = f"n{number}"
            run("ip", "netns", "add", host)
            run("ip", "link", "add", f"b{number}", "type", "veth", "peer", "name", "eth0", "netns", host)
            run("ip", "link", "set", f"b{number}", "master", "bridge", "up")
            run("ip", "-n", host, "address", "add", f"{self.address(number)}/16", "dev", "eth0")
            run("ip", "-n", host, "link", "set", "eth0", "up")
            run("ip", "-n", host, "link", "set", "lo", "up")

    def half(self, number):
        return 1 if number <= self.size // 2 else 2

    def address(self, number):
        return f"10.77.{self.half(number)}.{number}"

    def prefix(self, number):
        return ["nsenter", f"--net=/run/netns/n{number}"]

    @contextlib.contextmanager
    def entered(self, number):
        """For what this thread opens meanwhile."""
        with open(f"/run/netns/n{number}") as namespace:
            enter(namespace)
        try:
            yield
        finally:
            enter(self.outside)

    def split(self):
        """Each host drops what comes from the other half, as a cut cable between two switches would."""
        for number in range(1, self.size + 1):
            rule = f"ip saddr 10.77.{3 - self.half(number)}.0/24 drop;"
            table = f"table ip cut {{ chain cut {{ type filter hook input priority 0; {rule} }}; }}"
            run(*self.prefix(number), "nft", table)

    def heal(self):
        for number in range(1, self.size + 1):
            run(*self.prefix(number), "nft", "delete", "table", "ip", "cut")


def cpu_s(pids):
    """Processor time these used so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks * TICK_S


def pss_kib(pid):
    """Proportional set size: what is shared counts in parts."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def wire_bytes():
    """What went over the loopback so far, headers and bare acknowledgements included."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.split()[0] == "lo:")
