"""Processes: starting, stopping and measuring them."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
NODE = os.environ.get("KITH_NODE", str(TARGET / "node"))
FLOOR = str(TARGET / "examples" / "floor")
LIMIT_S = 120  # until a measure is given up
TICK = os.sysconf("SC_CLK_TCK")
children = []


def start(*args, **kw):
    """A child that ends with this program."""
    child = subprocess.Popen([str(a) for a in args], start_new_session=True, **kw)
    children.append(child)
    return child


def stop(*which):
    for child in which:
        if child.poll() is None:
            child.terminate()
    for child in which:
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child in children:
            children.remove(child)


def tree(pid):
    """The process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += tree(int(child))
    return found


def cpu_s(*pids):
    total = 0
    for pid in (p for root in pids for p in tree(root)):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def peak_mib(*pids):
    """Largest resident set of any of these (and below) since `forget_peaks`."""
    worst = 0
    for pid in (p for root in pids for p in tree(root)):
        status = Path(f"/proc/{pid}/status").read_text()
        worst = max(worst, int(re.search(r"VmHWM:\s+(\d+)", status).group(1)))
    return worst / 1024


def forget_peaks(*pids):
    for pid in (p for root in pids for p in tree(root)):
        try:
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        except OSError:
            pass


def wait(what, done):
    end = time.monotonic() + LIMIT_S
    while not done():
        if time.monotonic() > end:
            sys.exit(f"bench: waited {LIMIT_S} s in vain for {what}")
        time.sleep(0.005)


def same(a, b):
    subprocess.run(["cmp", str(a), str(b)], check=True)


def load():
    return os.getloadavg()[0]


def rss_kib(pid):
    """Resident set now."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1))


def noise(file, mib):
    """A file of random bytes."""
    with open(file, "wb") as out:
        for _ in range(mib):
            out.write(os.urandom(1 << 20))
    return file


def at(values, q):
    """The value below which the part `q` of them lies."""
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * q))]
