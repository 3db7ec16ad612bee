"""The control API of one daemon: connections that are kept, and events as they come."""

import http.client
import json
import threading
import time

import routes

PATIENCE_S = 60  # with a daemon that is killed and started again
BROKEN = (OSError, http.client.HTTPException)
BUSY = (429, 503)


class Refused(Exception):
    """An answer that asking again does not change."""


class Api:
    """One connection, for one thread. The address and token are read anew whenever it is made."""

    def __init__(self, home):
        self.home, self.connection = home, None

    def connect(self):
        addr = (self.home / "control.addr").read_text().strip()
        self.headers = {"Authorization": f"Bearer {(self.home / 'control.token').read_text().strip()}",
                        "Content-Type": "application/json"}
        self.connection = http.client.HTTPConnection(addr, timeout=10)

    def once(self, method, path, body):
        """Status and text; raises one of BROKEN if the daemon is not there."""
        try:
            if not self.connection:
                self.connect()
            self.connection.request(method, path, body, self.headers)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except BROKEN:
            self.close()
            raise

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def ask(self, method, path, body=None):
        """The answer, from a daemon that may be busy or away for a while. So what is asked must bear being asked twice."""
        data = None if body is None else json.dumps(body)
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                status, text = self.once(method, path, data)
                if status < 300:
                    return json.loads(text) if text.strip() else None
                if status not in BUSY:
                    raise Refused(f"{method} {path} was answered {status}: {text.decode(errors='replace')}")
                why = text.decode(errors="replace")
            except BROKEN as error:
                why = repr(error)
            if time.monotonic() > end:
                raise TimeoutError(f"{method} {path}: no answer for {PATIENCE_S} s, last {why}")
            time.sleep(0.02)

    def get(self, path, quiet=False):
        """With `quiet` nothing, if the daemon is not there."""
        if not quiet:
            return self.ask("GET", path)
        try:
            status, text = self.once("GET", path, None)
            return json.loads(text) if status == 200 else None
        except BROKEN:
            return None

    def post(self, path, body):
        return self.ask("POST", path, body)


class Told:
    """Calls `tell(name, data, when)` for each event, `when` in us of the wall clock, until it is stopped."""

    def __init__(self, home, tell):
        self.home, self.tell, self.stopped, self.trouble = home, tell, False, None
        self.ready = threading.Event()
        threading.Thread(target=self.run, daemon=True).start()
        if not self.ready.wait(PATIENCE_S) or self.trouble:
            raise self.trouble or TimeoutError(f"no events from the daemon of {home}")

    def run(self):
        try:
            self.again()
        except Refused as trouble:
            self.trouble = trouble
            self.ready.set()

    def again(self):
        while not self.stopped:
            api = Api(self.home)
            try:
                api.connect()
                api.connection.timeout = 30  # a stream is never silent so long
                api.connection.request("GET", routes.EVENTS, headers=api.headers)
                self.listen(api.connection.getresponse())
            except BROKEN:
                time.sleep(0.02)
            finally:
                api.close()

    def listen(self, stream):
        if stream.status != 200:
            raise Refused(f"GET {routes.EVENTS} was answered {stream.status}")
        self.ready.set()
        rest = b""
        while not self.stopped:
            got = stream.read1(65536)
            if not got:
                return
            now = time.time_ns() // 1000
            *events, rest = (rest + got).split(b"\n\n")
            for event in events:
                self.parse(event, now)

    def parse(self, event, now):
        name = data = None
        for line in event.split(b"\n"):
            if line.startswith(b"event:"):
                name = line[6:].strip().decode()
            elif line.startswith(b"data:"):
                data = line[5:]
        if name in (routes.LETTER_CAME, routes.LETTER_SHOWN):
            self.tell(name, json.loads(data), now)

    def stop(self):
        self.stopped = True


def wall_us(us):
    """A time of the wall clock, from one of that or of the monotonic clock."""
    wall, monotonic = time.time_ns() // 1000, time.monotonic_ns() // 1000
    return us if abs(us - wall) < abs(us - monotonic) else us + wall - monotonic
