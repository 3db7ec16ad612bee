"""The table of all that was recorded."""

import statistics

# What it is recorded as, title, what it is divided by, decimals.
ROWS = [
    ("join", "join, s", 1000, 3),
    ("join_known", "  nodes only, not links", 1000, 3),
    ("join_seen", "  the newcomer, by all", 1000, 3),
    ("cold_start", "cold start, s", 1000, 3),
    ("cold_start_known", "  nodes only, not links", 1000, 3),
    ("cold_cpu_ms", "cold start, CPU s per node", 1000, 3),
    ("crash", "crash known by all, s", 1000, 3),
    ("silent_death", "silent death known, s", 1000, 3),
    ("parted", "split noticed by all, s", 1000, 3),
    ("healed", "healed, s", 1000, 3),
    ("accused", "healthy ones accused then", 1, 0),
    ("back", "back after SIGCONT, s", 1000, 3),
    ("idle_bytes", "idle bytes/s per node", 1, 0),
    ("idle_cpu_us", "idle CPU us/s per node", 1, 0),
    ("memory_kib", "memory (PSS) MiB", 1024, 2),
    ("degree", "links of one node, most", 1, 0),
    ("quiet_healthy", "stutter: healthy called gone", 1, 0),
    ("quiet_healthy_by_shaky", "  by those that stutter", 1, 0),
    ("quiet_doubts", "  doubted, and no more", 1, 0),
    ("quiet_shaky", "  stutterers called gone", 1, 0),
    ("quiet_not_alive", "  not alive at the end", 1, 0),
    ("busy_healthy", "and busy: healthy called gone", 1, 0),
    ("busy_healthy_by_shaky", "  by those that stutter", 1, 0),
    ("busy_doubts", "  doubted, and no more", 1, 0),
    ("busy_shaky", "  stutterers called gone", 1, 0),
    ("busy_not_alive", "  not alive at the end", 1, 0),
    ("limit", "most links a node may have", 1, 0),
    ("looks", "looks at all nodes", 1, 0),
    ("answers", "  answers of nodes", 1, 0),
    ("links_max", "links of one node, most", 1, 0),
    ("links_over", "  answers over the limit", 1, 0),
    ("over_s", "  longest time over it, s", 1, 1),
    ("sockets_max", "sockets of one node, most", 1, 0),
    ("half", "half killed: all agree, s", 1000, 3),
    ("load", "machine load", 1, 1),
]


class Figures:
    def __init__(self):
        self.values = {}  # by measure, size and system

    def add(self, measure, size, system, value):
        self.values.setdefault((measure, int(size), system), []).append(float(value))

    def median(self, measure, size, system):
        values = self.values.get((measure, size, system))
        return statistics.median(values) if values else None

    def table(self, sizes, systems):
        print(f"{'MEASURE':30}{'N':>5}" + "".join(f"{name + ' MEDIAN':>17}{'MAX':>9}" for name in systems))
        for measure, title, by, digits in ROWS:
            for size in sizes:
                cells = [self.values.get((measure, size, system)) for system in systems]
                if any(cells):
                    print(f"{title:30}{size:>5}" + "".join(self.cell(values, by, digits) for values in cells))
        self.growth(sizes, systems)

    def cell(self, values, by, digits):
        if not values:
            return f"{'-':>17}{'-':>9}"
        return f"{statistics.median(values) / by:>17.{digits}f}{max(values) / by:>9.{digits}f}"

    def growth(self, sizes, systems):
        """What one more node costs all others."""
        for small, large in zip(sizes, sizes[1:]):
            said = []
            for system in systems:
                of = [self.median("idle_bytes", size, system) for size in (small, large)]
                if all(of):
                    said.append(f"{system} {of[1] / of[0]:.2f}")
            if said:
                print(f"idle bytes per node, N={large} to N={small}: {', '.join(said)}")
