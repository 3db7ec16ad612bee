"""Daemons of kith for letters: volunteers, a sender, a reader, and some that only stand by."""

import routes
from client import Api
from mesh import Mesh
from procs import NODE, start, stop

PORT = 22000  # of the first


class Mail(Mesh):
    """Volunteers v1, v2...; the sender s, the reader r; others, no volunteers, x1, x2..."""

    def __init__(self, home, args, volunteers=6, others=0):
        self.args = args
        self.volunteers = [f"v{i + 1}" for i in range(volunteers)]
        super().__init__(home, [*self.volunteers, "s", "r", *(f"x{i + 1}" for i in range(others))])
        self.ids = {name: self.api(name).get(routes.STATUS)["id"] for name in self.names}
        # So that they are no strangers, of whom only so many letters a day are taken.
        for one, other in ["rs", "sr"]:
            self.api(one).post(routes.PIN, {"who": self.ids[other]})

    def start(self, name):
        own = [*routes.VOLUNTEER, *self.args.set_relay] if name in self.volunteers else [*routes.END, *self.args.set_end]
        number, home = self.names.index(name), self.home / name
        sets = [f"label={name}", f"state.dir={home}", "network.controller.listen.addr=127.0.0.1",
                f"network.controller.listen.port={PORT + number}", *own, *self.args.set]
        words = [word for setting in sets for word in ("-s", setting)]
        words += ["--connect", f"127.0.0.1:{PORT}"] if number else ["--connect", f"127.0.0.1:{PORT + 1}"]
        (home / "control.addr").unlink(missing_ok=True)  # that of the one before
        log = open(self.home / f"{name}.log", "ab")
        self.nodes[name] = start(NODE, *words, stdout=log, stderr=log)

    def links(self, name):
        status = self.api(name).get(routes.STATUS, quiet=True)
        return status["links"] if status else -1

    def api(self, name):
        return Api(self.home / name)

    def leave(self, name):
        """Stops it as a person would."""
        stop(self.nodes[name])

    def relays(self):
        return self.pids(*self.volunteers)

    def packets(self):
        """Forwarded by all volunteers."""
        return sum(routes.packets(self.api(name).get(routes.RELAYS)) for name in self.volunteers)
