"""What one daemon shows of all others at one moment."""

from dataclasses import dataclass, field

ALIVE = "alive"


@dataclass
class Look:
    # By name: its state, and since when (Unix ms).
    states: dict
    # Links between nodes that are alive, without their round-trip times; nothing of who knows no links.
    links: frozenset = frozenset()
    # Each of these links is confirmed by both ends and measured.
    whole: bool = True
    # When who is there or linked to whom changed last (Unix ms).
    changed_ms: int = 0
    # Links by node, for the largest degree there is.
    degrees: dict = field(default_factory=dict)

    def alive(self):
        return {name for name, (state, _) in self.states.items() if state == ALIVE}

    def since(self, names):
        return max(self.states[name][1] for name in names)


def graph(shown):
    """Of the JSON of `node graph`."""
    labels = {node["id"]: node["label"] for node in shown["nodes"]}
    look = Look({node["label"]: (node["state"], node["since_ms"]) for node in shown["nodes"]})
    alive, links = look.alive(), []
    for link in shown["links"]:
        ends = labels.get(link["from"]), labels.get(link["to"])
        if ends[0] in alive and ends[1] in alive:
            links.append(ends)
            look.whole &= link["state"] == "confirmed" and link.get("rtt_us") is not None
            for end in ends:
                look.degrees[end] = look.degrees.get(end, 0) + 1
    look.links = frozenset(links)
    look.changed_ms = shown["changed_ms"]
    return look


# What is waited for. Each takes a look of one daemon and gives the times that count, or None if it does not hold there.


def full(names):
    """It sees exactly these alive since the first time, and all it shows since the second."""

    def holds(look):
        if look.alive() != names or not look.whole:
            return None
        known = look.since(names)
        return known, max(look.changed_ms, known)

    return holds


def dead(victim):
    def holds(look):
        state, since = look.states.get(victim, ("", 0))
        return (since, since) if state == "failed" else None

    return holds


def gone(others):
    """None of these is taken for alive, nor doubted only."""

    def holds(look):
        if any(look.states.get(name, (ALIVE, 0))[0] in (ALIVE, "suspect") for name in others):
            return None
        since = look.since(others)
        return since, since

    return holds
