"""Figures as they come, and the table of them at the end."""

import statistics
import sys

from procs import at

recorded = {}  # values by measure and system

MORE = "more"  # is better; for the others less is

# What it is recorded as; title; goal; decimals; MORE or nothing.
ROWS = [
    ("way_256_p50", "one way, 256 B, p50 ms", "3", 2),
    ("way_256_p99", "one way, 256 B, p99 ms", "15", 2),
    ("way_1024_p50", "one way, 1 KiB, p50 ms", "3", 2),
    ("way_1024_p99", "one way, 1 KiB, p99 ms", "15", 2),
    ("proof_256_p50", "push to receipt, 256 B, p50 ms", "12", 2),
    ("proof_256_p99", "push to receipt, 256 B, p99 ms", "60", 2),
    ("proof_1024_p50", "push to receipt, 1 KiB, p50 ms", "12", 2),
    ("proof_1024_p99", "push to receipt, 1 KiB, p99 ms", "60", 2),
    ("way_256_packet_p50", "one way, LXMF opportunistic, p50", "", 2),
    ("way_256_packet_p99", "one way, LXMF opportunistic, p99", "", 2),
    ("proof_256_packet_p50", "receipt, LXMF opportunistic, p50", "", 2),
    ("proof_256_packet_p99", "receipt, LXMF opportunistic, p99", "", 2),
    ("sustained", "sustained, letters/s", "500", 0, MORE),
    ("sustained_one", "of these LXMF, one at a time", "", 0, MORE),
    ("sustained_many", "of these LXMF, more at a time", "", 0, MORE),
    ("direct", "direct, sustained, letters/s", "1000", 0, MORE),
    ("relay_cpu", "a relay's CPU per packet, us", "200", 0),
    ("relay_rss", "a relay's RSS when idle, MiB", "25", 1),
    ("idle_cpu", "a relay's CPU when idle, us/s", "", 0),
    ("kill_lost", "relay killed: lost", "0", 0),
    ("kill_twice", "relay killed: twice", "0", 0),
    ("kill_hole", "relay killed: longest hole, s", "2", 2),
    ("kill_slowest", "relay killed: slowest letter, s", "", 2),
    ("sender_lost", "sender killed: acknowledged, lost", "0", 0),
    ("sender_twice", "sender killed: twice after ack", "0", 0),
    ("reader_lost", "reader killed: acknowledged, lost", "0", 0),
    ("reader_twice", "reader killed: twice after ack", "0", 0),
    ("away_first", "reader back: first letter, s", "", 2),
    ("away_all", "reader back: all waiting in, s", "5", 2),
    ("orphan_all", "the same, the sender gone, s", "5", 2),
    ("path_repeats", "the same path twice in a row", "0", 0),
    ("path_strangers", "paths over non-volunteers", "0", 0),
    ("path_distinct", "different paths", "", 0, MORE),
]


def record(measure, system, value):
    recorded.setdefault((measure, system), []).append(value)
    print(f"  {system:5}{measure:24}{value:12.3f}", file=sys.stderr)


def quantiles(values):
    return {"p50": at(values, 0.5), "p99": at(values, 0.99)} if values else {}


def longest_hole(times):
    """The longest time between one arrival and the next."""
    times = sorted(times)
    return max((after - before for before, after in zip(times, times[1:])), default=0)


def better(ours, theirs, more):
    """How many times better ours is: theirs by ours, and for rates ours by theirs."""
    if not ours or not theirs:
        return "-"
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    over, under = (ours, theirs) if more else (theirs, ours)
    return f"{over / under:.1f}" if over and under else "-"


def cells(values, digits):
    if not values:
        return "-", "-"
    middle = statistics.median(values)
    return f"{middle:.{digits}f}", f"{min(values):.{digits}f}-{max(values):.{digits}f}"


def table():
    print(f"{'':34}{'GOAL':>6}{'kith MEDIAN':>13}{'RANGE':>16}{'LXMF MEDIAN':>13}{'RANGE':>18}{'kith BETTER':>12}")
    for key, title, goal, digits, *more in ROWS:
        ours, theirs = recorded.get((key, "kith")), recorded.get((key, "lxmf"))
        if ours or theirs:
            (a, b), (c, d) = cells(ours, digits), cells(theirs, digits)
            print(f"{title:34}{goal:>6}{a:>13}{b:>16}{c:>13}{d:>18}{better(ours, theirs, more):>12}")
