"""One end of LXMF, a process of its own: told by lines of JSON on stdin, answers each with a line on stdout.

All times are of the monotonic clock, which the processes of one machine share.
"""

import json
import os
import queue
import sys
import threading
import time

from body import body, read

answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # Reticulum logs to stdout

import LXMF  # noqa: E402 (its imports may print already)
import RNS  # noqa: E402

METHODS = {"opportunistic": LXMF.LXMessage.OPPORTUNISTIC, "direct": LXMF.LXMessage.DIRECT}


class Peer:
    def __init__(self, home):
        RNS.Reticulum(f"{home}/rns")
        keys = f"{home}/identity"
        identity = RNS.Identity.from_file(keys) if os.path.exists(keys) else RNS.Identity()
        identity.to_file(keys)
        self.router = LXMF.LXMRouter(identity=identity, storagepath=f"{home}/lxmf")
        self.me = self.router.register_delivery_identity(identity, display_name="bench")
        self.router.register_delivery_callback(self.on_letter)
        self.got = []  # [number, sent, received]
        self.sent, self.proven, self.failed = {}, {}, []
        self.sending = False

    def on_letter(self, letter):
        now = time.monotonic_ns()
        index, sent = read(letter.content_as_string())
        self.got.append([index, sent, now])

    # ---- what it can be told ----

    def hash(self):
        return self.me.hash.hex()

    def announce(self):
        self.router.announce(self.me.hash)

    def hops(self, to):
        """How many to the reader; None as long as no way or no key is known."""
        to = bytes.fromhex(to)
        return RNS.Transport.hops_to(to) if RNS.Transport.has_path(to) and RNS.Identity.recall(to) else None

    def via(self, to):
        """The name of the interface on the way there."""
        return str(RNS.Transport.next_hop_interface(bytes.fromhex(to)) or "")

    def send(self, **how):
        self.sent, self.proven, self.failed = {}, {}, []
        self.sending = True
        threading.Thread(target=self.sender, kwargs=how, daemon=True).start()

    def progress(self):
        return {"sending": self.sending, "sent": len(self.sent), "proven": len(self.proven), "failed": len(self.failed)}

    def outcome(self):
        return {"sent": self.sent, "proven": self.proven, "failed": self.failed}

    def count(self):
        return len({index for index, *_ in self.got})

    def take(self):
        got, self.got = self.got, []
        return got

    # ---- sending ----

    def sender(self, to, size, method, window, gap_s=0, count=None, seconds=None, again=False):
        """A closed loop: never more than `window` letters without proof. What failed is sent again, if wished, as
        somebody who wants a letter to arrive would."""
        identity = RNS.Identity.recall(bytes.fromhex(to))
        reader = RNS.Destination(identity, RNS.Destination.OUT, RNS.Destination.SINGLE, "lxmf", "delivery")
        places, once_more = threading.Semaphore(window), queue.SimpleQueue()
        end = time.monotonic() + (seconds or 1e9)

        def push(index):
            now = time.monotonic_ns()
            self.sent.setdefault(index, now)
            letter = LXMF.LXMessage(reader, self.me, body(index, now, size), desired_method=METHODS[method])
            letter.register_delivery_callback(lambda _: proven(index))
            letter.register_failed_callback(lambda _: failed(index))
            self.router.handle_outbound(letter)

        def proven(index):
            self.proven.setdefault(index, time.monotonic_ns())
            places.release()

        def failed(index):
            self.failed.append(index)
            if again:
                once_more.put(index)
            else:
                places.release()

        def pusher():
            """Not in failed() itself, which the router calls with its lock held."""
            while True:
                push(once_more.get())

        threading.Thread(target=pusher, daemon=True).start()
        index = 0
        while (count is None or index < count) and time.monotonic() < end:
            if not places.acquire(timeout=0.5):
                continue
            if gap_s:
                time.sleep(gap_s)
            push(index)
            index += 1
        self.sending = False


def main():
    peer = Peer(sys.argv[1])
    print(json.dumps("ready"), file=answers)
    for line in sys.stdin:
        words = json.loads(line)
        print(json.dumps(getattr(peer, words.pop("do"))(**words)), file=answers)
    os._exit(0)  # whoever told us is gone; Reticulum's own end takes seconds


main()
