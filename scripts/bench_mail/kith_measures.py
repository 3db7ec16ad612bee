"""What is measured of kith. Each takes a directory and the arguments, and records figures."""

import itertools
import sys
import time

import routes
from daemons import Mail
from figures import longest_hole, quantiles, record
from inbox import Arrivals, Inbox, Puller
from procs import cpu_s, rss_kib, wait
from push import Push

DRAIN_S = 120  # after pushing, until what is missing counts as lost
RETURN_S = 300  # until a reader that is back is no longer waited for


def note(text):
    print(f"  kith: {text}", file=sys.stderr)


def to_reader(mail, **how):
    return Push(mail.home / "s", mail.ids["r"], **how)


def path(mail, id_):
    return mail.api("s").get(routes.letter(id_)).get("hops") or []


def warm(mail, hops):
    """Until a letter takes as many relays as wished: cards of volunteers must be known first."""
    def one():
        push = to_reader(mail, hops=hops)
        push.start(count=1, threads=1, first=-1)
        push.join(10)
        return push.delivered() and (hops == 0 or len(path(mail, push.ids[-1])) >= hops)

    wait(f"a letter over {hops} relays", one)


def of_letters(mail, push, hops):
    """Says how it went: paths that were shorter than wished would flatter the figures."""
    some = list(push.ids.values())[:: max(1, len(push.ids) // 50)]
    lengths = sorted({len(path(mail, id_)) for id_ in some})
    if hops and lengths != [hops] and lengths != [hops + 1]:  # a path may be told with the reader in it
        note(f"CAREFUL: letters took {lengths} hops, not {hops}")


def latency(home, args):
    """One letter at a time, a pause between: one way, and until the sender holds the receipt."""
    mail = Mail(home, args)
    time.sleep(args.idle)
    cpu = cpu_s(*mail.relays())
    time.sleep(args.idle)
    record("idle_cpu", "kith", (cpu_s(*mail.relays()) - cpu) * 1e6 / args.idle / len(mail.volunteers))
    record("relay_rss", "kith", max(rss_kib(pid) for pid in mail.relays()) / 1024)
    warm(mail, args.relays)
    for size in [256, 1024]:
        arrivals, push = Arrivals(mail.home / "r"), to_reader(mail, size=size, hops=args.relays)
        push.start(count=args.count, gap_s=args.gap, threads=1)
        push.join(DRAIN_S)
        arrivals.stop()
        delivered = push.delivered()
        ways = [(arrivals.at[id_] - push.begun[index]) / 1e3 for index, id_ in push.ids.items() if id_ in arrivals.at]
        proofs = [(when - push.begun[index]) / 1e3 for index, when in delivered.items()]
        if len(ways) != args.count or len(proofs) != args.count:
            note(f"of {args.count} letters of {size} B {len(ways)} were told of by the reader, {len(proofs)} have a receipt")
        for what, times in [("way", ways), ("proof", proofs)]:
            for quantile, value in quantiles(times).items():
                record(f"{what}_{size}_{quantile}", "kith", value)
        of_letters(mail, push, args.relays)
    mail.stop()


def flood(home, args, hops, key):
    mail = Mail(home, args)
    warm(mail, hops)
    inbox, push = Inbox(mail.home / "r"), to_reader(mail, window=args.window, hops=hops)
    packets, cpu, begun = mail.packets(), cpu_s(*mail.relays()), time.time_ns() // 1000
    push.start(seconds=args.seconds)
    push.join(DRAIN_S)
    packets, cpu = mail.packets() - packets, cpu_s(*mail.relays()) - cpu
    inside = [when for when in push.delivered().values() if when < begun + args.seconds * 1e6]
    record(key, "kith", len(inside) / args.seconds)
    came = inbox.look()
    note(f"{len(push.ids)} acknowledged in {args.seconds} s, {came} came, {inbox.twice()} twice, {push.failures()} failed; "
         f"{args.window} at a time, {packets} packets forwarded")
    of_letters(mail, push, hops)
    if hops:
        # What relays do besides is in it, as it is for LXMF.
        record("relay_cpu", "kith", cpu * 1e6 / max(packets, 1))
    mail.stop()


def sustained(home, args):
    flood(home, args, args.relays, "sustained")


def direct(home, args):
    flood(home, args, 0, "direct")


def killing(mail, args, push, victims):
    """Kills these in turn, as long as letters are pushed."""
    kills = 0
    for victim in itertools.cycle(victims):
        end = time.monotonic() + args.kill_every
        while push.busy() and time.monotonic() < end:
            time.sleep(0.02)
        if not push.busy():
            return kills
        mail.kill(victim)
        kills += 1
        time.sleep(args.down)
        mail.start(victim)


def kill(home, args):
    """A volunteer is killed every few seconds, each in turn, and started again."""
    mail = Mail(home, args)
    warm(mail, args.relays)
    arrivals, inbox = Arrivals(mail.home / "r"), Inbox(mail.home / "r")
    push = to_reader(mail, window=args.window, hops=args.relays)
    begun = time.monotonic()
    push.start(count=args.letters)
    kills = killing(mail, args, push, mail.volunteers)
    took = time.monotonic() - begun
    push.join(DRAIN_S)
    came = inbox.look()
    arrivals.stop()
    ours = {arrivals.at[id_]: push.begun[index] for index, id_ in push.ids.items() if id_ in arrivals.at}
    lost = len(push.ids) - came
    record("kill_lost", "kith", lost)
    record("kill_twice", "kith", inbox.twice())
    # What never came is waited for until now.
    record("kill_hole", "kith", longest_hole([*ours, *[time.time_ns() // 1000] * bool(lost)]) / 1e6)
    record("kill_slowest", "kith", max((at - begun for at, begun in ours.items()), default=0) / 1e6)
    note(f"{kills} kills, {len(push.ids)} acknowledged in {took:.1f} s, {came} came, {push.failures()} failed")
    mail.stop()


def ends(home, args):
    """The sender is killed every few seconds, then the reader; whoever pushes asks again under the same key."""
    for who, name in [("sender", "s"), ("reader", "r")]:
        place = home / who
        place.mkdir()
        mail = Mail(place, args)
        warm(mail, args.relays)
        puller = Puller(mail.home / "r")
        push = to_reader(mail, window=args.window, hops=args.relays)
        push.start(count=args.letters)
        kills = killing(mail, args, push, [name])
        push.join(DRAIN_S)
        end = time.monotonic() + DRAIN_S
        while not set(push.ids) <= puller.acked and time.monotonic() < end and not puller.troubles:
            time.sleep(0.02)
        puller.stop()
        record(f"{who}_lost", "kith", len(set(push.ids) - puller.acked))
        record(f"{who}_twice", "kith", puller.again)
        note(f"{who}: {kills} kills, {len(push.ids)} acknowledged, {len(puller.acked)} read, {push.failures()} failed")
        mail.stop()


def waiting(home, args, orphan):
    """The reader is killed, letters are pushed, and after a while it is started again; the sender may have left by then."""
    mail = Mail(home, args)
    warm(mail, args.relays)
    inbox, first = Inbox(mail.home / "r"), None
    mail.kill("r")
    gone = time.monotonic()
    push = to_reader(mail, window=args.waiting + 1, hops=args.relays)
    push.start(count=args.waiting)
    while push.busy():
        time.sleep(0.02)
    time.sleep(max(0, args.away - (time.monotonic() - gone)))
    states = [letter["state"] for letter in mail.api("s").get(routes.LETTERS)["letters"]]
    note("before it is back: " + ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states))))
    push.stop()
    if orphan:
        mail.leave("s")
    back = time.monotonic()
    mail.start("r")
    while (came := inbox.look()) < args.waiting and time.monotonic() - back < RETURN_S:
        first = first or (came and time.monotonic() - back)
        time.sleep(0.02)
    took = time.monotonic() - back
    note(f"{came} of {args.waiting} came")
    record("orphan_all" if orphan else "away_all", "kith", took)
    if not orphan:
        record("away_first", "kith", first or took)
    mail.stop()


def away(home, args):
    waiting(home, args, orphan=False)


def orphan(home, args):
    waiting(home, args, orphan=True)


def paths(home, args):
    """One after another over eight volunteers, two others beside them."""
    mail = Mail(home, args, volunteers=8, others=2)
    warm(mail, args.relays)
    push = to_reader(mail, window=args.window, hops=args.relays)
    push.start(count=args.letters, threads=1)  # one thread, so that their order is known
    push.join(DRAIN_S)
    api, ends_ = mail.api("s"), {mail.ids["s"], mail.ids["r"]}
    taken = []
    for index in sorted(push.ids):
        hops = api.get(routes.letter(push.ids[index])).get("hops") or []
        taken.append(tuple(id_ for id_ in hops if id_ not in ends_))
    volunteers = {mail.ids[name] for name in mail.volunteers}
    record("path_repeats", "kith", sum(1 for a, b in zip(taken, taken[1:]) if a == b))
    record("path_strangers", "kith", sum(1 for hops in taken if not set(hops) <= volunteers))
    record("path_distinct", "kith", len(set(taken)))
    note(f"{len(taken)} letters, lengths {sorted({len(hops) for hops in taken})}, {push.failures()} failed")
    mail.stop()
