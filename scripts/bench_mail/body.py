"""Bodies of letters: what both systems carry, and what tells letters apart."""

import base64
import os


def body(index, sent_ns, size):
    """A text of `size` bytes that begins with its number and when it was sent; the rest does not compress below three quarters."""
    head = f"{index} {sent_ns} "
    return head + base64.b64encode(os.urandom(size)).decode()[: size - len(head)]


def read(text):
    """Number and time of sending of such a text."""
    index, sent_ns, _ = text.split(" ", 2)
    return int(index), int(sent_ns)
