"""Every name of kith's that is used here: routes, fields, settings. What changes there is changed here only."""

API = "/api/v1"
STATUS = f"{API}/status"
LETTERS = f"{API}/letters"
ACK = f"{API}/inbox/ack"
RELAYS = f"{API}/relays"
EVENTS = f"{API}/events"
PIN = f"{API}/pin"

LETTER_CAME, LETTER_SHOWN = "letter", "outbox"  # events
DELIVERED = ("delivered", "read")  # states
OVER = (*DELIVERED, "expired", "failed")

# Settings of volunteers, and of those that are none.
VOLUNTEER = ["relay.volunteer=true"]
# The ends remember what they sent long enough to be asked about all of it.
END = ["relay.volunteer=false", "mail.history_letters_max=1000000"]


def letter(id_):
    return f"{LETTERS}/{id_}"


def inbox(after, limit=1000):
    return f"{API}/inbox?peek=true&after={after}&limit={limit}"


def lease(limit=256):
    """What is to be acknowledged."""
    return f"{API}/inbox?limit={limit}"


def pushed(to, text, hops=None, key=None):
    body = {"to": to, "text": text, "hops": hops, "id": key}
    return {name: value for name, value in body.items() if value is not None}


def packets(relays):
    """How many packets it forwarded, of what GET relays answers."""
    return relays["counters"]["packets_forwarded"]


def shown(letters):
    """What says that these were shown."""
    return {"letters": [{"id": letter["id"], "from": letter["from"]} for letter in letters]}
