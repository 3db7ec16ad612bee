"""What is measured of LXMF. Each takes a directory and the arguments, and records figures."""

import sys
import time

from figures import longest_hole, quantiles, record
from procs import cpu_s, rss_kib
from theirs import Reticulum

DRAIN_S = 90  # after sending, until what is missing counts as lost; LXMF gives up after five tries 10 s apart
WARM = 5  # letters before those that count: the first one establishes a link
SENDING_S = 600  # until a sender that got stuck is given up
RETURN_S = 300  # until a reader that is back is no longer waited for


def note(text):
    print(f"  lxmf: {text}", file=sys.stderr)


def until(done, limit_s):
    """Whether it came to pass in this time."""
    end = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def run(net, drain_s, **how):
    """Sends, waits for what is still to be proven then, and gives what was sent, received, proven and failed."""
    net.reader("take")
    net.sender("send", to=net.to, **how)
    until(lambda: not net.sender("progress")["sending"], SENDING_S)
    over = lambda p: p["proven"] + p["failed"] >= p["sent"]
    until(lambda: over(net.sender("progress")), drain_s)
    outcome = net.sender("outcome")
    sent, proven = ({int(i): ns for i, ns in outcome[key].items()} for key in ["sent", "proven"])
    return sent, net.reader("take"), proven, outcome["failed"]


def warm(net, method):
    run(net, 30, size=256, method=method, window=1, count=WARM)


def latency(home, args):
    """One letter at a time, a pause between: one way, and until the sender holds the proof."""
    net = Reticulum(home, chain=args.relays)
    pids = [child.pid for child in net.transports.values()]
    time.sleep(args.idle)
    cpu = cpu_s(*pids)
    time.sleep(args.idle)
    record("idle_cpu", "lxmf", (cpu_s(*pids) - cpu) * 1e6 / args.idle / len(pids))
    record("relay_rss", "lxmf", max(rss_kib(pid) for pid in pids) / 1024)
    # 256 bytes fit into one packet, without a link (opportunistic) or over one; 1 KiB goes over a link only, as
    # what Reticulum calls a resource: offered, asked for, sent in parts.
    for name, size, method in [("256_packet", 256, "opportunistic"), ("256", 256, "direct"), ("1024", 1024, "direct")]:
        warm(net, method)
        how = dict(size=size, method=method, window=1, gap_s=args.gap)
        sent, got, proven, failed = run(net, 60, count=args.count, **how)
        times = {"way": [(at - begun) / 1e6 for _, begun, at in got],
                 "proof": [(at - sent[index]) / 1e6 for index, at in proven.items()]}
        if len(got) != args.count or len(proven) != args.count:
            note(f"{len(got)} of {args.count} letters of {size} B ({method}) came, {len(proven)} proven, {len(failed)} failed")
        for what in times:
            for quantile, value in quantiles(times[what]).items():
                record(f"{what}_{name}_{quantile}", "lxmf", value)
        note(f"slowest proof of {size} B, {method}: {max(times['proof'], default=0):.0f} ms")
    net.stop()


def flood(net, args, method, window):
    """Letters/s that arrive while never more than a window of them wait for proof, and CPU us of a relay per packet."""
    pids = [child.pid for child in net.transports.values()]
    warm(net, method)
    cpu, begun = cpu_s(*pids), time.monotonic_ns()
    # Those that arrive after the end do not count, so that there is little to wait for.
    sent, got, *_ = run(net, 10, size=256, method=method, window=window, seconds=args.lxmf_seconds)
    cpu = cpu_s(*pids) - cpu
    end = begun + args.lxmf_seconds * 1e9
    came = len({index for index, _, at in got if at < end})
    hole = longest_hole([begun, *(at for *_, at in got if at < end), end]) / 1e9
    note(f"{len(pids)} relays, {method}, {window} at a time: {came / args.lxmf_seconds:.1f}/s, longest hole {hole:.1f} s, "
         f"{len(sent) - len({index for index, *_ in got})} not yet in at the end")
    # A letter is one packet on the way there and one, the proof, on the way back.
    return came / args.lxmf_seconds, cpu * 1e6 / (2 * max(len(got), 1) * max(len(pids), 1))


def floods(home, args, relays, key):
    """LXMF is at its best with one letter at a time: when two calls meet, the second sleeps 50 ms (handle_outbound in
    LXMRouter.py). Both ways and both methods are tried, and the best counts."""
    net = Reticulum(home, chain=relays)
    found = {window: [flood(net, args, method, window) for method in ["direct", "opportunistic"]]
             for window in [1, args.lxmf_window]}
    net.stop()
    best = {window: max(results) for window, results in found.items()}
    record(key, "lxmf", max(best.values())[0])
    return best[1], best[args.lxmf_window]


def sustained(home, args):
    one, many = floods(home, args, args.relays, "sustained")
    record("sustained_one", "lxmf", one[0])
    record("sustained_many", "lxmf", many[0])
    record("relay_cpu", "lxmf", max(one, many)[1])


def direct(home, args):
    floods(home, args, 0, "direct")


def kill(home, args):
    """Two transports between the ends; the one in use is killed every few seconds and started again, but never before
    letters came again: LXMF would need 18 s to see that a link cannot be made, and never get over the next kill."""
    net = Reticulum(home, apart=2)
    warm(net, "direct")
    net.reader("take")
    # At a steady pace, slow enough for LXMF, and whatever is proven: what is looked for are holes.
    net.sender("send", to=net.to, size=256, method="direct", seconds=args.kill_for, window=100_000, gap_s=0.05, again=True)
    end, kills, before = time.monotonic() + args.kill_for, 0, 0
    while time.monotonic() < end:
        time.sleep(args.kill_every)
        port = net.used()
        if port and net.reader("count") > before and time.monotonic() < end:
            net.kill(port)
            before = net.reader("count")
            kills += 1
            time.sleep(args.down)
            net.begin(port)
    until(lambda: net.reader("count") >= net.sender("progress")["sent"], DRAIN_S)
    outcome, got = net.sender("outcome"), net.reader("take")
    numbers = [index for index, *_ in got]
    lost = len(outcome["sent"]) - len(set(numbers))
    record("kill_lost", "lxmf", lost)
    record("kill_twice", "lxmf", len(numbers) - len(set(numbers)))
    # What never came is waited for until now.
    record("kill_hole", "lxmf", longest_hole([at for *_, at in got] + [time.monotonic_ns()] * bool(lost)) / 1e9)
    record("kill_slowest", "lxmf", max((at - outcome["sent"][str(index)]) / 1e9 for index, _, at in got))
    note(f"{kills} kills, {len(outcome['sent'])} sent, {len(set(numbers))} came, {len(outcome['failed'])} given up by LXMF "
         "and sent again")
    net.stop()


def away(home, args):
    """The reader is killed, letters are sent to it, and after a while it is started again."""
    net = Reticulum(home, chain=args.relays)
    warm(net, "direct")
    net.reader.kill()
    gone, count = time.monotonic(), args.lxmf_waiting
    net.sender("send", to=net.to, size=256, method="direct", count=count, window=count, again=True)
    time.sleep(max(0, args.away - (time.monotonic() - gone)))
    back = time.monotonic()
    net.reader.run()
    net.reader("announce")  # as every client of LXMF does when it starts
    all_in = until(lambda: net.reader("count") >= count, RETURN_S)
    times = sorted(at / 1e9 - back for *_, at in net.reader("take"))
    failed = len(net.sender("outcome")["failed"])
    note(f"{len(times)} of {count} came, {failed} given up by LXMF meanwhile and sent again")
    record("away_first", "lxmf", times[0] if times else RETURN_S)
    record("away_all", "lxmf", times[-1] if all_in else RETURN_S)
    net.stop()
