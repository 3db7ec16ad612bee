"""Measures kith's transfers beside syncthing, nginx with curl, and a bare loop of the same steps, in turns.

Run it as scripts/bench.sh pieces.
"""

import argparse
import signal
import sys

from memory import memory
from path import heartbeat
from procs import children, stop
from swarm import crash, holders, many
from throughput import SYSTEMS, throughput

MEASURES = {
    "throughput": throughput,
    "heartbeat": heartbeat,
    "many": many,
    "holders": holders,
    "crash": crash,
    "memory": memory,
}


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh pieces", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the file (1024)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all systems in turns (5)")
    parser.add_argument("--only", default=",".join(SYSTEMS), help=f"which systems, by commas: {', '.join(SYSTEMS)} (all)")
    parser.add_argument("--dir", default="/dev/shm", help="where the files are (/dev/shm: memory, so that no disk is measured)")
    parser.add_argument("--what", default=",".join(MEASURES), help=f"what to measure, by commas: {', '.join(MEASURES)} (all)")
    parser.add_argument("--path-mib", type=int, default=200, help="size of the file beside which heartbeats are measured (200)")
    parser.add_argument("--links", type=int, default=40, help="links of the daemon whose memory is measured (40)")
    args = parser.parse_args()
    args.only = args.only.split(",")
    try:
        for what in args.what.split(","):
            if what not in MEASURES:
                parser.error(f"there is no measure {what}; there are {', '.join(MEASURES)}")
            MEASURES[what](args)
    finally:
        stop(*children)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
