#!/usr/bin/env python3
"""A small client of a kith daemon, with Python's standard library alone.

    client.py profiles/alice                                how it is, and its peers
    client.py profiles/alice --to bob --msg 'lunch?'        sends a letter
    client.py profiles/alice --follow                       and goes on with what happens

GET /api/openapi.json describes every route. Text of other nodes is hostile until escaped: shown() does that.
"""

import argparse, json, pathlib, sys, urllib.error, urllib.request


class Daemon:
    def __init__(self, state_dir):
        read = lambda name: (pathlib.Path(state_dir) / name).read_text().strip()
        self.base, self.token = f"http://{read('control.addr')}", read("control.token")

    def open(self, path, body=None, timeout=10):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers)
        return urllib.request.urlopen(request, timeout=timeout)

    def ask(self, path, body=None):
        with self.open(f"/api/v1/{path}", body) as answer:
            return json.load(answer)

    def events(self):
        with self.open("/api/v1/events", timeout=60) as lines:  # it says something every 10 s
            name = None
            for line in (line.decode().rstrip("\n") for line in lines):
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    yield name, json.loads(value)


def shown(text):
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("state_dir", help="where control.addr and control.token are")
    parser.add_argument("--to", help="to whom a letter goes: a label or an id")
    parser.add_argument("--msg", help="what it says")
    parser.add_argument("--follow", action="store_true", help="go on with what happens")
    args = parser.parse_args()
    if (args.to is None) != (args.msg is None):
        parser.error("--to and --msg belong together")
    daemon = Daemon(args.state_dir)
    status = daemon.ask("status")
    print(f"{shown(status['label'])} ({status['id'][:8]}) is {status['health']}, links: {status['links']}, up {status['uptime_s']} s")
    for peer in daemon.ask("peers")["peers"]:
        rtt = "-" if peer["rtt_us"] is None else f"{peer['rtt_us'] / 1000:.2f} ms"
        print(f"  {shown(peer['label']):<16} {(peer['id'] or '-')[:8]:<8}  {peer['state']:<11}  {peer['link']:<10}  {rtt}")
    if args.to:
        letter = daemon.ask("letters", {"to": args.to, "text": args.msg})
        letter = daemon.ask(f"letters/{letter['id']}?wait_ms=4000")
        print(f"letter {letter['id'][:8]} to {shown(letter['label'])}: {letter['state']} {shown(letter['why'])}".rstrip())
    if args.follow:
        for name, data in daemon.events():
            print(f"{name}: {shown(json.dumps(data))}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as refused:
        error = json.load(refused)["error"]
        sys.exit(f"error: {shown(error['what'])}\nbecause: {shown(error['why'])}\ntry: {shown(error['try'])}")
    except (OSError, ValueError) as error:
        sys.exit(f"error: cannot talk to the daemon: {shown(error)}")
    except KeyboardInterrupt:
        pass
