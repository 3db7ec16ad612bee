"""Throughput, processor time and memory of one transfer, kith beside others in turns."""

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import others
from mesh import Mesh
from procs import cpu_s, forget_peaks, load, noise, peak_mib, same


def kith(home, file):
    mesh = Mesh(home, "ab")
    ticket = mesh.share("a", file)
    target = home / "got"
    forget_peaks(*mesh.pids())
    cpu, begun = cpu_s(*mesh.pids()), time.monotonic()
    mesh.verb("b", "get", ticket, "--out", target, "--progress", "none")
    took = time.monotonic() - begun
    cpu = cpu_s(*mesh.pids()) - cpu
    peak = max(peak_mib(pid) for pid in mesh.pids())
    same(file, target)
    mesh.stop()
    return took, cpu, peak


SYSTEMS = {"kith": kith, "floor": others.floor, "syncthing": others.syncthing, "nginx": others.nginx}


def throughput(args):
    rows = {name: [] for name in args.only}
    with tempfile.TemporaryDirectory(dir=args.dir, prefix="bench") as temp:
        file = noise(Path(temp) / "file", args.mib)
        for number in range(args.rounds):
            for name in args.only:
                home = Path(temp) / name
                home.mkdir()
                before = load()
                took, cpu, peak = SYSTEMS[name](home, file)
                rows[name].append((args.mib / took, cpu * 1024 / args.mib, peak or 0))
                print(f"round {number + 1} {name:10} {args.mib / took:7.0f} MiB/s {cpu * 1024 / args.mib:6.2f} CPU-s/GiB "
                      f"peak {peak or 0:6.1f} MiB, load {before:.1f}", file=sys.stderr)
                shutil.rmtree(home)
    print(f"\n{args.mib} MiB on {args.dir}, {args.rounds} rounds in turns, {os.cpu_count()} processors, load at the end {load():.1f}\n")
    print(f"{'':12}{'MiB/s MEDIAN':>14}{'RANGE':>14}{'CPU-s/GiB':>12}{'PEAK RSS MiB':>14}{'kith/IT':>9}")
    ours = statistics.median(r[0] for r in rows["kith"]) if rows.get("kith") else None
    for name, results in rows.items():
        speed = [r[0] for r in results]
        middle = statistics.median(speed)
        ratio = f"{ours / middle:.2f}" if ours and name != "kith" else "-"
        peak = max(r[2] for r in results)
        print(f"{name:12}{middle:14.0f}{f'{min(speed):.0f}-{max(speed):.0f}':>14}"
              f"{statistics.median(r[1] for r in results):12.2f}{f'{peak:.1f}' if peak else '-':>14}{ratio:>9}")
