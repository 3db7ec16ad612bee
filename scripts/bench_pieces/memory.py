"""Memory of links: idle ones, and after files went both ways on each."""

import tempfile
import time
from pathlib import Path

from mesh import Mesh
from procs import noise, rss_kib

FEW = 10  # links of the smaller mesh, beside which the larger one is measured
QUIET_S = 5  # after which a daemon has given back what it does not need


def settled(pid):
    time.sleep(QUIET_S)
    return rss_kib(pid)


def both_ways(mesh, home, ticket, name):
    mesh.verb(name, "get", ticket, "--out", home / f"got-{name}", "--progress", "none")
    theirs = mesh.share(name, noise(home / f"of-{name}", 1))
    mesh.verb("a", "get", theirs, "--out", home / f"back-{name}", "--progress", "none")


def memory(args):
    """What one daemon keeps for each of its links, what every daemon keeps anyway apart."""
    names = [chr(ord("a") + i) if i < 26 else f"n{i}" for i in range(args.links + 1)]
    with tempfile.TemporaryDirectory(dir=args.dir, prefix="bench") as temp:
        home = Path(temp)
        small = Mesh(home, names[: FEW + 1])
        few = settled(small.nodes["a"].pid)
        small.stop()
    with tempfile.TemporaryDirectory(dir=args.dir, prefix="bench") as temp:
        home = Path(temp)
        mesh = Mesh(home, names)
        hub = mesh.nodes["a"].pid
        many = settled(hub)
        ticket = mesh.share("a", noise(home / "mine", 1))
        for name in names[1 : FEW + 1]:
            both_ways(mesh, home, ticket, name)
        some = settled(hub)
        for name in names[FEW + 1 :]:
            both_ways(mesh, home, ticket, name)
        all_ = settled(hub)
        mesh.stop()
    more = args.links - FEW
    print(f"\nresident set of one daemon: {few} KiB with {FEW} idle links, {many} KiB with {args.links}: "
          f"{(many - few) / more:.1f} KiB a link, the graph's growth in it")
    print(f"after 1 MiB each way on {FEW} of them {some} KiB, on all {all_} KiB: {(all_ - some) / more:.1f} KiB a link, a known file in it")
