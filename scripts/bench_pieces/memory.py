"""Memory of links: idle ones, and after files went both ways on each."""

import tempfile
from pathlib import Path

from mesh import Mesh
from procs import noise, rss_kib


def memory(args):
    """What one daemon keeps for each of its links."""
    names = [chr(ord("a") + i) for i in range(26)] + [chr(ord("A") + i) for i in range(args.links - 25)]
    with tempfile.TemporaryDirectory(dir=args.dir, prefix="bench") as temp:
        home = Path(temp)
        few = Mesh(home, names[:2])
        begin = rss_kib(few.nodes["a"].pid)
        few.stop()
        mesh = Mesh(home, names)
        hub = mesh.nodes["a"].pid
        idle = rss_kib(hub)
        mine = mesh.share("a", noise(home / "mine", 1))
        gets = [mesh.begin(name, "get", mine, "--out", home / f"got-{name}", "--progress", "none") for name in names[1:]]
        gets = [get.wait() for get in gets]
        for name in names[1:]:
            theirs = mesh.share(name, noise(home / f"of-{name}", 1))
            mesh.verb("a", "get", theirs, "--out", home / f"back-{name}", "--progress", "none")
        after = rss_kib(hub)
        links = len(names) - 1
        print(f"\nresident set of one daemon: {begin} KiB with 1 link, {idle} KiB with {links}: {(idle - begin) / (links - 1):.1f} KiB a link, "
              f"graph and all;\nafter 1 MiB each way on each link {after} KiB: {(after - idle) / links:.1f} KiB a link more")
        mesh.stop()
