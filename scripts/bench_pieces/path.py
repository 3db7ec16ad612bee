"""Round trips of heartbeats while a file is fetched over a slow path."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mesh import Mesh
from procs import at, load, noise, same


def heartbeat(args):
    """A path of 20 MiB/s between two namespaces."""
    if os.geteuid():
        return print("heartbeat SKIPPED: network namespaces need root", file=sys.stderr)
    hosts = {side: f"kith-b{os.getpid()}-{side}" for side in "ab"}
    run = lambda *words: subprocess.run([str(w) for w in words], check=True)
    try:
        for host in hosts.values():
            run("ip", "netns", "add", host)
            run("ip", "-n", host, "link", "set", "lo", "up")
        run("ip", "link", "add", "v0", "netns", hosts["a"], "type", "veth", "peer", "name", "v0", "netns", hosts["b"])
        addrs = {side: f"10.79.0.{i + 1}" for i, side in enumerate("ab")}
        for side, host in hosts.items():
            run("ip", "-n", host, "addr", "add", f"{addrs[side]}/24", "dev", "v0")
            run("ip", "-n", host, "link", "set", "v0", "up")
            run("tc", "-n", host, "qdisc", "add", "dev", "v0", "root", "tbf", "rate", "168mbit", "burst", "64kb", "limit", "256kb")
        with tempfile.TemporaryDirectory(dir=args.dir, prefix="bench") as temp:
            home = Path(temp)
            mesh = Mesh(home, "ab", {side: ["ip", "netns", "exec", host] for side, host in hosts.items()}, addrs)
            file = noise(home / "file", args.path_mib)
            ping = lambda: mesh.json("b", "ping", "a")["rtt_us"] / 1000
            idle = [ping() for _ in range(50)]
            ticket = mesh.share("a", file)
            begun = time.monotonic()
            get = mesh.begin("b", "get", ticket, "--out", home / "got", "--progress", "none")
            busy = []
            while get.poll() is None:
                busy.append(ping())
            took = time.monotonic() - begun
            if get.returncode:
                sys.exit("bench: the transfer failed")
            same(file, home / "got")
            losses = mesh.losses()
            mesh.stop()
            print(f"\nheartbeats on a path of 20 MiB/s: {args.path_mib / took:.1f} MiB/s of a file beside them, load {load():.1f}")
            for what, times in [("idle", idle), ("beside", busy)]:
                print(f"  {what:8} p50 {at(times, .5):6.2f} ms  p95 {at(times, .95):6.2f} ms  max {max(times):6.2f} ms  ({len(times)} of them)")
            print(f"  links lost or doubted meanwhile: {losses}")
    finally:
        for host in hosts.values():
            subprocess.run(["ip", "netns", "del", host], stderr=subprocess.DEVNULL)
