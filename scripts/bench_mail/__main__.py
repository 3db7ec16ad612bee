"""Measures kith's mail beside LXMF over Reticulum, in turns.

Run it as scripts/bench.sh mail: it makes what is needed and a network namespace with nothing in it but a loopback.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

# What measuring files has for processes serves here as well.
sys.path.append(str(Path(__file__).resolve().parent.parent / "bench_pieces"))

import figures  # noqa: E402
import kith_measures as ours  # noqa: E402
import lxmf_measures as theirs  # noqa: E402
from procs import children, load, stop  # noqa: E402

# Interleaved where both have it.
MEASURES = {
    "latency": {"kith": ours.latency, "lxmf": theirs.latency},
    "sustained": {"kith": ours.sustained, "lxmf": theirs.sustained},
    "direct": {"kith": ours.direct, "lxmf": theirs.direct},
    "kill": {"kith": ours.kill, "lxmf": theirs.kill},
    "ends": {"kith": ours.ends},
    "away": {"kith": ours.away, "lxmf": theirs.away},
    "orphan": {"kith": ours.orphan},
    "paths": {"kith": ours.paths},
}


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh mail", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--what", default=",".join(MEASURES), help=f"what to measure, by commas: {', '.join(MEASURES)} (all)")
    add("--only", default="kith,lxmf", help="which systems, by commas (kith,lxmf)")
    add("--rounds", type=int, default=3, help="rounds of both in turns (3)")
    add("--dir", default="/var/tmp", help="where state is kept (/var/tmp: a disk, since letters are durable)")
    add("--relays", type=int, default=3, help="relays between the ends (3)")
    add("--count", type=int, default=300, help="letters for the times of one (300)")
    add("--gap", type=float, default=0.02, help="seconds between these (0.02)")
    add("--idle", type=float, default=5, help="seconds to look at idle relays (5)")
    add("--seconds", type=int, default=60, help="how long kith is to sustain its rate (60)")
    add("--lxmf-seconds", type=int, default=20, help="how long LXMF is to, each of four ways (20)")
    add("--window", type=int, default=128, help="letters of kith that may wait for their receipt (128)")
    add("--lxmf-window", type=int, default=16, help="those of LXMF, besides one at a time (16)")
    add("--letters", type=int, default=10_000, help="letters of kith while something is killed, or paths are looked at (10000)")
    add("--kill-for", type=float, default=60, help="seconds of LXMF's letters while transports are killed (60)")
    add("--kill-every", type=float, default=5, help="seconds between kills (5)")
    add("--down", type=float, default=1, help="seconds until what was killed is started again (1)")
    add("--away", type=float, default=20, help="seconds the reader is away; 60 for figures to publish (20)")
    add("--waiting", type=int, default=1000, help="letters of kith that wait then (1000)")
    add("--lxmf-waiting", type=int, default=1, help="those of LXMF (1)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of every daemon of kith (repeatable)")
    add("--set-relay", action="append", default=[], metavar="KEY=VALUE", help="one of volunteers (repeatable)")
    add("--set-end", action="append", default=[], metavar="KEY=VALUE", help="one of sender and reader (repeatable)")
    args = parser.parse_args()
    args.only, args.what = args.only.split(","), args.what.split(",")
    for what in args.what:
        if what not in MEASURES:
            parser.error(f"there is no measure {what}; there are {', '.join(MEASURES)}")
    for system in args.only:
        if system not in ("kith", "lxmf"):
            parser.error(f"there is no system {system}; there are kith and lxmf")
    return args


def once(what, system, number, args):
    with tempfile.TemporaryDirectory(dir=args.dir, prefix="bench-mail") as temp:
        before, begun = load(), time.monotonic()
        try:
            MEASURES[what][system](Path(temp), args)
        finally:
            stop(*children)  # before the directory goes: they write into it when they end
        print(f"{what} round {number} of {system} took {time.monotonic() - begun:.0f} s, load {before:.1f}", file=sys.stderr)


def main():
    args = arguments()
    head = f"{os.cpu_count()} processors, {args.relays} relays, state in {args.dir}, {args.gap * 1000:.0f} ms between single letters"
    print(f"{head}, {args.rounds} rounds in turns, load {load():.1f}", flush=True)
    try:
        for what in args.what:
            for number in range(1, args.rounds + 1):
                for system in args.only:
                    if system in MEASURES[what]:
                        once(what, system, number, args)
    finally:
        if figures.recorded:
            print()
            figures.table()
            print(f"load at the end {load():.1f}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
