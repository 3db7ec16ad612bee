"""Several daemons at once: what each receives, and what crashes cost."""

import os
import sys
import tempfile
import time
from pathlib import Path

from mesh import Mesh
from procs import load, noise, same, wait


def tree(root, files):
    """A directory of small files, some of them empty, in a few folders."""
    for number in range(files):
        folder = root / f"folder {number % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file {number}").write_bytes(os.urandom(number * 37 % 20_000))
    return root


def identical(a, b):
    names = lambda root: sorted(p.relative_to(root) for p in root.rglob("*"))
    if a.is_file():
        return same(a, b)
    if names(a) != names(b):
        sys.exit(f"bench: {a} and {b} hold different names")
    for name in names(a):
        if (a / name).is_file():
            same(a / name, b / name)


def row(mesh, name, labels, bytes_):
    last = mesh.last(name)
    sources = {labels.get(s["id"], "?"): s["pieces"] for s in last["sources"]}
    given = "  ".join(f"{label} {pieces}" for label, pieces in sorted(sources.items()))
    print(f"  {name}  {last['seconds']:5.1f} s  received/size {last['bytes_received'] / max(bytes_, 1):.4f}  pieces from: {given}")


def fetch_all(mesh, home, what, ticket, readers):
    begun = time.monotonic()
    gets = [mesh.begin(name, "get", ticket, "--out", home / f"got-{name}", "--progress", "none") for name in readers]
    for get in gets:
        if get.wait():
            sys.exit("bench: a transfer failed")
    took = time.monotonic() - begun
    labels, bytes_ = mesh.labels(readers[0]), mesh.last(readers[0])["bytes"]
    print(f"\n{what}, from one to {len(readers)} at once: {took:.1f} s, load {load():.1f}")
    for name in readers:
        identical(ticket_path(mesh, ticket), home / f"got-{name}")
        row(mesh, name, labels, bytes_)


def ticket_path(mesh, ticket):
    files = mesh.json("a", "pieces")["pieces"]
    return next(Path(file["path"]) for file in files if file["ticket"] == ticket)


def many(args):
    """One node gives a large file, then a directory of small ones, to four others."""
    with tempfile.TemporaryDirectory(dir=args.dir, prefix="bench") as temp:
        home = Path(temp)
        mesh = Mesh(home, "abcde")
        file = noise(home / "file", args.mib)
        fetch_all(mesh, home, f"{args.mib} MiB", mesh.share("a", file), "bcde")
        for name in "bcde":
            (home / f"got-{name}").unlink()
        folder = tree(home / "tree", 2000)
        fetch_all(mesh, home, "a directory of 2,000 small files", mesh.share("a", folder), "bcde")
        print(f"links lost or doubted meanwhile: {mesh.losses()}")
        mesh.stop()


def done_of(mesh, name):
    last = mesh.last(name)
    return last["bytes_done"] if last else 0


def holders(args):
    """Three hold all of it, one fetches; then again, and one of the three is killed half-way."""
    with tempfile.TemporaryDirectory(dir=args.dir, prefix="bench") as temp:
        home = Path(temp)
        mesh = Mesh(home, "abcd")
        file = noise(home / "file", args.mib)
        ticket = [mesh.share(name, file) for name in "abc"][0]
        mesh.verb("d", "get", ticket, "--out", home / "got-d", "--progress", "none")
        same(file, home / "got-d")
        print(f"\n{args.mib} MiB from three that hold all of it, load {load():.1f}")
        row(mesh, "d", mesh.labels("d"), args.mib << 20)
        (home / "got-d").unlink()
        mesh.verb("d", "forget", mesh.last("d")["file_id"])
        get = mesh.begin("d", "get", ticket, "--out", home / "got-d", "--progress", "none")
        wait("a third of it", lambda: done_of(mesh, "d") > args.mib << 20 // 3)
        mesh.kill("b")
        stalled, since, before = 0, time.monotonic(), done_of(mesh, "d")
        while get.poll() is None:
            done, now = done_of(mesh, "d"), time.monotonic()
            stalled = max(stalled, now - since)
            if done != before:
                since, before = now, done
            time.sleep(0.02)
        same(file, home / "got-d")
        print(f"one of the three killed on the way: longest time without a new piece {stalled:.2f} s")
        row(mesh, "d", mesh.labels("d"), args.mib << 20)
        mesh.stop()


def crash(args):
    """The one who fetches is killed half-way and started again; then the only one who holds it."""
    size = args.mib << 20
    with tempfile.TemporaryDirectory(dir=args.dir, prefix="bench") as temp:
        home = Path(temp)
        mesh = Mesh(home, "ab")
        file = noise(home / "file", args.mib)
        ticket = mesh.share("a", file)
        get = mesh.begin("b", "get", ticket, "--out", home / "got", "--progress", "none")
        wait("half of it", lambda: done_of(mesh, "b") > size // 2)
        done = done_of(mesh, "b")
        mesh.kill("b")
        get.wait()
        begun = time.monotonic()
        mesh.start("b")
        wait("the rest", lambda: (home / "got").exists())
        took = time.monotonic() - begun
        wait("the figures", lambda: mesh.last("b")["phase"] == "done")
        received = mesh.last("b")["bytes_received"]
        same(file, home / "got")
        again = received - (size - done)
        again = f"{again / 1048576:.0f} MiB of them again" if again > 0 else "none of it again"
        print(f"\nkill -9 of the one who fetches, when it showed {done * 100 // size} %: whole {took:.1f} s after its start; "
              f"{received / 1048576:.0f} MiB of {args.mib} came after it, {again}; load {load():.1f}")
        mesh.verb("b", "forget", mesh.last("b")["file_id"])
        (home / "got").unlink()
        get = mesh.begin("b", "get", ticket, "--out", home / "got", "--progress", "none")
        wait("a third of it", lambda: done_of(mesh, "b") > size // 3)
        mesh.kill("a")
        time.sleep(2)
        begun, before = time.monotonic(), mesh.last("b")["bytes_received"]
        mesh.start("a")
        wait("more of it", lambda: mesh.last("b")["bytes_received"] > before)
        again = time.monotonic() - begun
        if get.wait():
            sys.exit("bench: the transfer failed")
        same(file, home / "got")
        print(f"kill -9 of the only holder: bytes come again {again:.2f} s after its start, and the file is whole")
        mesh.stop()
