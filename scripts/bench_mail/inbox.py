"""What came at the reader, as the reader's daemon says."""

import threading
import time
from collections import Counter

import routes
from body import read
from client import Api, Told, wall_us


def numbers(letters):
    """Numbers of these; those that only warmed it up have negative ones and do not count."""
    return [number for letter in letters if (number := read(letter["text"])[0]) >= 0]


class Arrivals:
    """When each letter came, by id, from events."""

    def __init__(self, home):
        self.at = {}
        self.told = Told(home, self.on_event)

    def on_event(self, name, data, when):
        if name == routes.LETTER_CAME:
            self.at.setdefault(data["id"], wall_us(data["received_us"]) if "received_us" in data else when)

    def stop(self):
        self.told.stop()


class Inbox:
    """Reads on from where it was, without taking anything out."""

    def __init__(self, home):
        self.api, self.after = Api(home), 0
        self.numbers = Counter()

    def look(self):
        """How many different letters there are by now."""
        while letters := self.api.get(routes.inbox(self.after))["letters"]:
            self.after = max(letter["seq"] for letter in letters)
            self.numbers.update(numbers(letters))
        return len(self.numbers)

    def twice(self):
        return sum(self.numbers.values()) - len(self.numbers)


class Puller:
    """Takes letters out and acknowledges them, again and again, as a program that reads letters does."""

    def __init__(self, home):
        self.api = Api(home)
        self.acked, self.again, self.troubles, self.stopped = set(), 0, [], False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.stopped:
                self.pull()
        except Exception as error:  # told by stop()
            self.troubles.append(error)

    def pull(self):
        letters = self.api.get(routes.lease())["letters"]
        if not letters:
            return time.sleep(0.01)
        # Shown again after it was acknowledged is twice; before that it is at least once, as promised.
        came = numbers(letters)
        self.again += sum(1 for number in came if number in self.acked)
        self.api.post(routes.ACK, routes.shown(letters))
        self.acked.update(came)

    def stop(self):
        self.stopped = True
        self.thread.join()
        if self.troubles:
            raise self.troubles[0]
