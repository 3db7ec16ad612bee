"""Measures meshes: of kith, serf, foca and chitchat in turns. Run it as scripts/bench.sh mesh, split, false or limit."""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from falsely import STUTTERING, falsely
from figures import Figures
from limit import limit
from rounds import Round
from systems import PEERS, versions

SYSTEMS = ("kith", "serf", *PEERS)
# What can be done, of whom, with how many by default, in how many rounds.
WHAT = {
    "mesh": (SYSTEMS, SYSTEMS, [5, 50], 3),
    "split": (("kith", "serf"), ("kith", "serf"), [10], 3),
    "false": (SYSTEMS, ("kith", "serf"), [50], 1),
    "limit": (("kith",), ("kith",), [200], 1),
}


def load():
    return os.getloadavg()[0]


def number(text):
    if not text.isdecimal() or not 1 <= int(text) <= 999_999:
        raise argparse.ArgumentTypeError(f"a whole number of at least 1 is wanted, not '{text}'")
    return int(text)


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__)
    add = parser.add_argument
    add("what", choices=WHAT)
    add("sizes", nargs="*", type=number, metavar="N")
    add("--rounds", type=number)
    add("--trials", type=number, default=3)
    add("--idle", type=number, default=20)
    add("--for", dest="seconds", type=number)
    add("--only")
    add("--set", action="append", default=[])
    add("--limit", type=number)
    add("--phases", default="quiet,busy")
    args = parser.parse_intermixed_args()
    able, usual, sizes, rounds = WHAT[args.what]
    args.systems = args.only.split(",") if args.only else list(usual)
    args.sizes = args.sizes or sizes
    args.rounds = args.rounds or rounds
    args.seconds = args.seconds or {"false": 600, "limit": 60}.get(args.what, 20)
    args.hold = args.seconds
    args.phases = args.phases.split(",")
    args.cores = os.cpu_count()
    if strange := set(args.systems) - set(able):
        parser.error(f"{args.what} does not know {', '.join(strange)}; it knows {', '.join(able)}")
    if strange := set(args.phases) - {"quiet", "busy"}:
        parser.error(f"there is no phase {', '.join(strange)}; there are quiet and busy")
    least = STUTTERING + 1 if args.what == "false" else 3
    if min(args.sizes) < least or max(args.sizes) > 1000:
        parser.error(f"N must be from {least} to 1000")
    return args


# ---- inside: one round, in a namespace of network and process ids ----


def inside(told):
    told = json.loads(told)
    args = argparse.Namespace(**told["args"])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with open(told["results"], "a") as out:
        one = Round(args, told["system"], told["size"], told["home"], out)
        one.record("load", load())
        {"mesh": one.mesh, "split": one.split, "false": lambda: falsely(one), "limit": lambda: limit(one)}[args.what]()
        one.record("load", load())
    # Nothing is left to do but to die, and with this process all that it started.
    os._exit(0)


# ---- outside: the rounds in turn, and the table ----


def outside(args, temp, figures):
    for size in args.sizes:
        for turn in range(1, args.rounds + 1):
            for system in args.systems:
                home = temp / f"{size}-{turn}-{system}"
                home.mkdir()
                begin = time.monotonic()
                results = home / "results"
                results.touch()
                told = {"args": vars(args), "system": system, "size": size, "home": str(home / "home"),
                        "results": str(results)}
                (home / "home").mkdir()
                code = namespaced(json.dumps(told))
                for line in results.read_text().splitlines():
                    figures.add(*line.split())
                if code:
                    keep = Path(tempfile.mkdtemp(prefix="bench-mesh-"))
                    shutil.copytree(home, keep, dirs_exist_ok=True)
                    sys.exit(f"bench: this round of {system} failed; what it left is in {keep}")
                took = time.monotonic() - begin
                print(f"bench: N={size} round {turn} {system} took {took:.0f} s, load {load():.1f}", file=sys.stderr)
                shutil.rmtree(home)


def namespaced(told):
    """Own network and process ids: ports never collide, and nothing outlives the round."""
    words = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net", "--pid", "--fork",
             "--kill-child", "--mount-proc", sys.executable, str(Path(__file__).parent), "--round", told]
    if shutil.which("setpriv"):
        words = ["setpriv", "--pdeathsig", "TERM", *words]  # not even kill -9 leaves anything behind
    child = subprocess.Popen(words)
    try:
        return child.wait()
    finally:
        child.kill()
        child.wait()


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(143))
    print(f"{versions(args.systems)}; {args.cores} processors, load {' '.join(f'{l:.2f}' for l in os.getloadavg())},",
          f"rounds: {args.rounds}", flush=True)
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="bench-mesh-") as temp:
        try:
            outside(args, Path(temp), figures)
        finally:
            print()
            figures.table(args.sizes, args.systems)
            print(f"load at the end {' '.join(f'{l:.2f}' for l in os.getloadavg())}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--round"]:
        inside(sys.argv[2])
    main()
