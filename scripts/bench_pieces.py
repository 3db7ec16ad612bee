#!/usr/bin/env python3
"""Measures kith's transfers beside syncthing, nginx with curl, and a bare loop of the same steps, in turns.

Run it as scripts/bench.sh pieces.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
NODE = os.environ.get("KITH_NODE", str(TARGET / "node"))
FLOOR = str(TARGET / "examples" / "floor")
LIMIT_S = 120  # until a measure is given up
TICK = os.sysconf("SC_CLK_TCK")
children = []


def start(*args, **kw):
    """A child that ends with this program."""
    child = subprocess.Popen([str(a) for a in args], start_new_session=True, **kw)
    children.append(child)
    return child


def stop(*which):
    for child in which:
        if child.poll() is None:
            child.terminate()
    for child in which:
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child in children:
            children.remove(child)


def tree(pid):
    """The process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += tree(int(child))
    return found


def cpu_s(*pids):
    total = 0
    for pid in (p for root in pids for p in tree(root)):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def peak_mib(*pids):
    """Largest resident set of any of these (and below) since `forget_peaks`."""
    worst = 0
    for pid in (p for root in pids for p in tree(root)):
        status = Path(f"/proc/{pid}/status").read_text()
        worst = max(worst, int(re.search(r"VmHWM:\s+(\d+)", status).group(1)))
    return worst / 1024


def forget_peaks(*pids):
    for pid in (p for root in pids for p in tree(root)):
        try:
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        except OSError:
            pass


def wait(what, done):
    end = time.monotonic() + LIMIT_S
    while not done():
        if time.monotonic() > end:
            sys.exit(f"bench: waited {LIMIT_S} s in vain for {what}")
        time.sleep(0.005)


def same(a, b):
    subprocess.run(["cmp", str(a), str(b)], check=True)


def load():
    return os.getloadavg()[0]


class Pair:
    """Two daemons of kith, linked."""

    def __init__(self, home, enter=((), ()), addrs=("127.0.0.1", "127.0.0.1")):
        self.home, self.nodes = home, []
        seed = None
        for name, prefix, addr in zip("ab", enter, addrs):
            log = open(home / f"{name}.log", "wb")
            args = [*prefix, NODE, *self.of(name), "--port", "21000" if name == "a" else "21001"]
            args += ["-s", f"network.controller.listen.addr={addr}", "-s", f"label={name}"]
            args += ["--connect", seed] if seed else []
            self.nodes.append(start(*args, stdout=log, stderr=log))
            seed = f"{addr}:21000"
        self.enter = dict(zip("ab", enter))
        wait("kith to link", lambda: self.links("a") == 1 and self.links("b") == 1)

    def of(self, name):
        return ["-s", f"state.dir={self.home / name}"]

    def verb(self, name, *words, check=True):
        env = dict(os.environ, KITH_STATE=str(self.home / name))
        done = subprocess.run([*self.enter[name], NODE, *words], env=env, capture_output=True, text=True)
        if check and done.returncode:
            sys.exit(f"bench: node {' '.join(map(str, words))} failed:\n{done.stderr}")
        return done.stdout

    def links(self, name):
        text = self.verb(name, "status", "--json", check=False)
        return json.loads(text)["links"] if text else 0

    def pids(self):
        return [node.pid for node in self.nodes]

    def stop(self):
        stop(*self.nodes)


def kith(home, file):
    pair = Pair(home)
    ticket = pair.verb("a", "share", file).strip()
    target = home / "got"
    forget_peaks(*pair.pids())
    cpu, begun = cpu_s(*pair.pids()), time.monotonic()
    pair.verb("b", "get", ticket, "--out", target, "--progress", "none")
    took = time.monotonic() - begun
    cpu = cpu_s(*pair.pids()) - cpu
    peaks = [peak_mib(pid) for pid in pair.pids()]
    row = json.loads(pair.verb("b", "transfers", "--json"))["transfers"][-1]
    same(file, target)
    pair.stop()
    return took, cpu, max(peaks), row["bytes_received"] / row["bytes"]


def rest(port, key, path, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    method = method or ("POST" if data is not None else "GET")
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"X-API-Key": key}, method=method)
    text = urllib.request.urlopen(request, timeout=10).read()
    return json.loads(text) if text.strip() else None


def syncthing(home, file):
    sides = []
    for i, name in enumerate("ab"):
        config = home / name
        subprocess.run(["syncthing", "generate", "--home", config, "--no-default-folder", "--skip-port-probing"],
                       check=True, capture_output=True, env=dict(os.environ, HOME=str(home)))
        text = (config / "config.xml").read_text()
        key = re.search(r"<apikey>(.*?)</apikey>", text).group(1)
        device = re.search(r'<device id="([A-Z0-9-]+)"', text).group(1)
        gui, listen = 21010 + i, 21020 + i
        text = re.sub(r"<address>127.0.0.1:\d+</address>", f"<address>127.0.0.1:{gui}</address>", text)
        text = re.sub(r"<listenAddress>.*?</listenAddress>", f"<listenAddress>tcp://127.0.0.1:{listen}</listenAddress>", text)
        for flag in ["globalAnnounceEnabled", "localAnnounceEnabled", "relaysEnabled", "natEnabled", "crashReportingEnabled"]:
            text = re.sub(f"<{flag}>true</{flag}>", f"<{flag}>false</{flag}>", text)
        text = re.sub(r"<autoUpgradeIntervalH>.*?<", "<autoUpgradeIntervalH>0<", text)
        text = re.sub(r"<urAccepted>.*?<", "<urAccepted>-1<", text)
        (config / "config.xml").write_text(text)
        log = open(home / f"{name}.log", "wb")
        child = start("syncthing", "serve", "--home", config, "--no-browser", "--no-restart", "--no-upgrade", stdout=log,
                      stderr=log, env=dict(os.environ, HOME=str(home), STNODEFAULTFOLDER="1", STNOUPGRADE="1"))
        sides.append((child, gui, key, device, listen))

    def up(side):
        try:
            return rest(side[1], side[2], "/rest/system/ping")
        except OSError:
            return None

    for side in sides:
        wait("syncthing to start", lambda side=side: up(side))
    folders = [home / "fa", home / "fb"]
    for me, other, folder in zip(sides, reversed(sides), folders):
        folder.mkdir()
        port, key = me[1], me[2]
        rest(port, key, "/rest/config/devices", {"deviceID": other[3], "addresses": [f"tcp://127.0.0.1:{other[4]}"]})
        devices = [{"deviceID": me[3]}, {"deviceID": other[3]}]
        rest(port, key, "/rest/config/folders", {
            "id": "f", "path": str(folder), "devices": devices, "fsWatcherEnabled": False, "rescanIntervalS": 0})
    linked = lambda s, o: rest(s[1], s[2], "/rest/system/connections")["connections"].get(o[3], {}).get("connected")
    wait("syncthing to link", lambda: linked(sides[0], sides[1]) and linked(sides[1], sides[0]))
    (a, port_a, key_a, *_), (b, port_b, key_b, *_) = sides
    rest(port_b, key_b, "/rest/config/folders/f", {"paused": True}, "PATCH")
    os.link(file, folders[0] / "file") if file.stat().st_dev == home.stat().st_dev else shutil.copy(file, folders[0] / "file")
    rest(port_a, key_a, "/rest/db/scan?folder=f", {})
    wait("syncthing to scan", lambda: rest(port_a, key_a, "/rest/db/status?folder=f")["localBytes"] == file.stat().st_size)
    time.sleep(1)
    forget_peaks(a.pid, b.pid)
    cpu, begun = cpu_s(a.pid, b.pid), time.monotonic()
    rest(port_b, key_b, "/rest/config/folders/f", {"paused": False}, "PATCH")
    wait("syncthing to fetch", lambda: (folders[1] / "file").exists())
    took = time.monotonic() - begun
    cpu, peak = cpu_s(a.pid, b.pid) - cpu, max(peak_mib(a.pid), peak_mib(b.pid))
    same(file, folders[1] / "file")
    stop(a, b)
    return took, cpu, peak, 1.0


def nginx(home, file):
    for name in ["server", "client"]:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                        "2", "-subj", f"/CN={name}", "-keyout", home / f"{name}.key", "-out", home / f"{name}.pem"],
                       check=True, capture_output=True)
    (home / "nginx.conf").write_text(f"""
        daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log; user root;
        events {{ worker_connections 64; }}
        http {{
            access_log off; sendfile on; client_body_temp_path {home}/t1; proxy_temp_path {home}/t2;
            fastcgi_temp_path {home}/t3; uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
            server {{
                listen 127.0.0.1:21030 ssl; root {file.parent};
                ssl_certificate {home}/server.pem; ssl_certificate_key {home}/server.key;
                ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
                ssl_client_certificate {home}/client.pem; ssl_verify_client on; ssl_buffer_size 16k;
            }}
        }}""")
    server = start("nginx", "-p", home, "-c", home / "nginx.conf", stderr=subprocess.DEVNULL)
    wait("nginx", lambda: (home / "pid").exists())
    time.sleep(0.2)
    before, begun = cpu_s(server.pid), time.monotonic()
    used = os.times()
    subprocess.run(["curl", "-sSf", "--cacert", home / "server.pem", "-k", "--cert", home / "client.pem", "--key", home / "client.key",
                    f"https://127.0.0.1:21030/{file.name}", "-o", home / "got"], check=True)
    took = time.monotonic() - begun
    after = os.times()
    cpu = cpu_s(server.pid) - before
    cpu += after.children_user + after.children_system - used.children_user - used.children_system
    peak = peak_mib(server.pid)
    same(file, home / "got")
    stop(server)
    return took, cpu, peak, 1.0


def floor(home, file):
    """The steps of a transfer in a bare loop: read, encrypt, send, receive, decrypt, hash, write."""
    mib = file.stat().st_size >> 20
    text = subprocess.run([FLOOR, "--mib", str(mib), "--dir", str(home), "--json"], check=True, capture_output=True, text=True).stdout
    row = json.loads(text.strip().splitlines()[-1])
    return row["seconds"], row["cpu_s"], row["peak_mib"], 1.0


SYSTEMS = {"kith": kith, "floor": floor, "syncthing": syncthing, "nginx": nginx}


def throughput(args):
    rows = {name: [] for name in args.only}
    with tempfile.TemporaryDirectory(dir=args.dir, prefix="bench") as temp:
        file = Path(temp) / "file"
        with open(file, "wb") as out:
            for _ in range(args.mib):
                out.write(os.urandom(1 << 20))
        for number in range(args.rounds):
            for name in args.only:
                home = Path(temp) / name
                home.mkdir()
                before = load()
                took, cpu, peak, ratio = SYSTEMS[name](home, file)
                rows[name].append((args.mib / took, cpu * 1024 / args.mib, peak, ratio))
                print(f"round {number + 1} {name:10} {args.mib / took:7.0f} MiB/s {cpu * 1024 / args.mib:6.2f} CPU-s/GiB "
                      f"peak {peak:6.1f} MiB, load {before:.1f}", file=sys.stderr)
                shutil.rmtree(home)
    print(f"\n{args.mib} MiB on {args.dir}, {args.rounds} rounds in turns, {os.cpu_count()} processors, load at the end {load():.1f}\n")
    print(f"{'':12}{'MiB/s MEDIAN':>14}{'RANGE':>14}{'CPU-s/GiB':>12}{'PEAK RSS MiB':>14}{'BYTES/SIZE':>12}{'kith/IT':>9}")
    ours = statistics.median(r[0] for r in rows["kith"]) if rows.get("kith") else None
    for name, results in rows.items():
        speed = [r[0] for r in results]
        middle = lambda i: statistics.median(r[i] for r in results)
        ratio = f"{ours / statistics.median(speed):.2f}" if ours and name != "kith" else "-"
        print(f"{name:12}{statistics.median(speed):14.0f}{f'{min(speed):.0f}-{max(speed):.0f}':>14}{middle(1):12.2f}"
              f"{max(r[2] for r in results):14.1f}{middle(3):12.4f}{ratio:>9}")


def heartbeat(args):
    """Round trips of heartbeats while a file is fetched over a path of 20 MiB/s."""
    names = [f"kith-b{os.getpid()}-{side}" for side in "ab"]
    run = lambda *words: subprocess.run([str(w) for w in words], check=True)
    try:
        for name in names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "link", "add", "v0", "netns", names[0], "type", "veth", "peer", "name", "v0", "netns", names[1])
        for i, name in enumerate(names):
            run("ip", "-n", name, "addr", "add", f"10.79.0.{i + 1}/24", "dev", "v0")
            run("ip", "-n", name, "link", "set", "v0", "up")
            run("tc", "-n", name, "qdisc", "add", "dev", "v0", "root", "tbf", "rate", "168mbit", "burst", "64kb", "limit", "256kb")
        with tempfile.TemporaryDirectory(dir=args.dir, prefix="bench") as temp:
            home = Path(temp)
            enter = [["ip", "netns", "exec", name] for name in names]
            pair = Pair(home, enter, ("10.79.0.1", "10.79.0.2"))
            file = home / "file"
            file.write_bytes(os.urandom(args.path_mib << 20))
            ping = lambda: json.loads(pair.verb("b", "ping", "a", "--json"))["rtt_us"] / 1000
            idle = sorted(ping() for _ in range(50))
            ticket = pair.verb("a", "share", file).strip()
            env = dict(os.environ, KITH_STATE=str(home / "b"))
            begun = time.monotonic()
            get = start(*enter[1], NODE, "get", ticket, "--out", home / "got", "--progress", "none", env=env, stdout=subprocess.DEVNULL)
            busy = []
            while get.poll() is None:
                busy.append(ping())
            took = time.monotonic() - begun
            if get.returncode:
                sys.exit("bench: the transfer failed")
            same(file, home / "got")
            pair.stop()
            busy.sort()
            at = lambda list, q: list[min(len(list) - 1, int(len(list) * q))]
            print(f"\nheartbeats on a path of 20 MiB/s: {args.path_mib / took:.1f} MiB/s of a file beside them, load {load():.1f}")
            for what, list in [("idle", idle), ("beside", busy)]:
                print(f"  {what:8} p50 {at(list, .5):6.2f} ms  p95 {at(list, .95):6.2f} ms  max {list[-1]:6.2f} ms  ({len(list)} of them)")
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh pieces", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the file (1024)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all systems in turns (5)")
    parser.add_argument("--only", default=",".join(SYSTEMS), help="which systems, by commas")
    parser.add_argument("--dir", default="/dev/shm", help="where the files are (/dev/shm: memory, so that no disk is measured)")
    parser.add_argument("--what", default="throughput,heartbeat", help="throughput, heartbeat, or both")
    parser.add_argument("--path-mib", type=int, default=200, help="size of the file beside which heartbeats are measured (200)")
    args = parser.parse_args()
    args.only = args.only.split(",")
    try:
        if "throughput" in args.what:
            throughput(args)
        if "heartbeat" in args.what:
            if os.geteuid():
                print("heartbeat SKIPPED: network namespaces need root", file=sys.stderr)
            else:
                heartbeat(args)
    finally:
        stop(*children)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
