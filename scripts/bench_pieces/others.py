"""What kith is measured beside; each gives seconds, CPU seconds and the largest resident set of a process."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.request

from procs import FLOOR, cpu_s, forget_peaks, peak_mib, same, start, stop, wait


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
    return took, cpu, peak


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
    return took, cpu, peak


def floor(home, file):
    """The steps of a transfer in a bare loop: read, encrypt, send, receive, decrypt, hash, write."""
    mib = file.stat().st_size >> 20
    words = [FLOOR, "--mib", mib, "--rounds", 1, "--variant", "stream", "--send", "vectored", "--fresh", "--apart"]
    done = subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True,
                          env=dict(os.environ, TMPDIR=str(home)))
    _, _, rate, receiving, sending = done.stdout.splitlines()[1].split()
    return mib / float(rate), (float(receiving) + float(sending)) * mib / 1024, None
