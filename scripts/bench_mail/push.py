"""Pushing letters and seeing what becomes of them."""

import itertools
import os
import threading
import time

import routes
from body import body
from client import Api, Told

THREADS = 8  # that push
QUIET_S = 2  # without news of a letter, until the daemon is asked about those that are out
ASKED = 200  # letters at once, then


class Push:
    """A closed loop: never more than `window` letters without an end. Times are of the wall clock, in us."""

    def __init__(self, home, to, size=256, window=1, hops=None):
        self.home, self.to, self.size, self.hops = home, to, size, hops
        self.run_id = os.urandom(4).hex()  # keys of one push are not those of another
        self.begun, self.ids, self.ends = {}, {}, {}  # by number: when pushed, id; by id: state and when
        self.lock, self.places = threading.Lock(), threading.Semaphore(window)
        self.out, self.heard, self.troubles = {}, time.monotonic(), []  # out: numbers by id
        self.told = Told(home, self.on_event)
        self.going = False

    def on_event(self, name, data, when):
        if name == routes.LETTER_SHOWN and data["state"] in routes.OVER:
            self.over(data["id"], data["state"], when)

    def over(self, id_, state, when):
        with self.lock:
            self.heard = time.monotonic()
            # An event may be faster than the answer to the push; pushed() looks here then.
            fresh = id_ not in self.ends
            self.ends.setdefault(id_, (state, when))
            known = self.out.pop(id_, None) is not None
        if fresh and known:
            self.places.release()

    def pushed(self, index, id_):
        with self.lock:
            self.ids[index] = id_
            ended = id_ in self.ends
            if not ended:
                self.out[id_] = index
        if ended:
            self.places.release()

    def work(self, api, numbers, end, gap_s):
        while time.monotonic() < end:
            if not self.places.acquire(timeout=0.2):
                continue
            with self.lock:
                index = next(numbers, None)
            if index is None:
                self.places.release()
                return
            if gap_s:
                time.sleep(gap_s)
            now = self.begun[index] = time.time_ns() // 1000
            words = routes.pushed(self.to, body(index, now, self.size), self.hops, f"{self.run_id}-{index}")
            self.pushed(index, api.post(routes.LETTERS, words)["id"])

    def worker(self, *how):
        try:
            self.work(Api(self.home), *how)
        except Exception as error:  # a thread's trouble is told by join()
            self.troubles.append(error)

    def start(self, count=None, seconds=1e9, gap_s=0, threads=THREADS, first=0):
        numbers = iter(range(first, first + count)) if count is not None else itertools.count(first)
        end = time.monotonic() + seconds
        self.going, self.heard = True, time.monotonic()
        self.workers = [threading.Thread(target=self.worker, args=[numbers, end, gap_s], daemon=True) for _ in range(threads)]
        for worker in self.workers:
            worker.start()
        threading.Thread(target=self.ask, daemon=True).start()

    def busy(self):
        return any(worker.is_alive() for worker in self.workers)

    def join(self, drain_s):
        """Until all are pushed, and then until all have an end or so much time is over."""
        for worker in self.workers:
            worker.join()
        if self.troubles:
            raise self.troubles[0]
        end = time.monotonic() + drain_s
        while self.out and time.monotonic() < end:
            time.sleep(0.005)
        self.stop()

    def ask(self):
        """News may get lost with a daemon that is killed: asks when there was none for a while."""
        api = Api(self.home)
        while self.going:
            time.sleep(0.2)
            if self.out and time.monotonic() - self.heard > QUIET_S:
                for id_ in list(self.out)[:ASKED]:
                    letter = api.get(routes.letter(id_), quiet=True)
                    if letter and letter["state"] in routes.OVER:
                        self.over(id_, letter["state"], letter.get("delivered_ms", time.time_ns() // 10**6) * 1000)
                self.heard = time.monotonic()

    def stop(self):
        self.going = False
        self.told.stop()

    # ---- what became of them ----

    def delivered(self):
        """When, by number."""
        ends = {index: self.ends[id_] for index, id_ in self.ids.items() if id_ in self.ends}
        return {index: when for index, (state, when) in ends.items() if state in routes.DELIVERED}

    def failures(self):
        return sum(1 for state, _ in self.ends.values() if state not in routes.DELIVERED)
