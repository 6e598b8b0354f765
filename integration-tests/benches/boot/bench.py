#!/usr/bin/env python3
"""Boot servers side by side on this machine, in network namespaces of its own (root needed).

  bench.py tftp [-s NAME,..] [-n 3] [--size 100]   one file by each client and on each terms, interleaved rounds, medians
  bench.py http [-s NAME,..] [-n 3] [--size 1000]  the same by HTTP
  bench.py boots [-n 100]                          so many machines fetch a loader at once: how long each of them waits
  bench.py flood [-n 10000]                        so many requests that nobody follows up: what they hold, and for how long

Servers have one core, clients the other (nginx and HTTP boot have both). What differs between two lines of one run is meant; figures of two days are not to be compared."""
import argparse, hashlib, os, random, signal, statistics, subprocess, sys, threading, time

import servers
from servers import FILES, HTTP, TFTP, lab

CLIENT = ["ip", "netns", "exec", lab.CLIENT_NS, "taskset", "-c", "1"]
LOADER = 1_000_000
NOWHERE = "/dev/null"


def tftp_clients():
    """(what, function of (server address, path, output) -> command)"""
    rows = [("curl 512", lambda a, f, o: ["curl", "-s", "-f", "-m", "120", "--tftp-no-options", "-o", o, f"tftp://{a}/{f}"])]
    for size in (1428, 8192):
        rows.append((f"curl {size}", lambda a, f, o, size=size: ["curl", "-s", "-f", "-m", "120", "--tftp-blksize", str(size), "-o", o, f"tftp://{a}/{f}"]))
    rows.append(("busybox 1428", lambda a, f, o: ["busybox", "tftp", "-g", "-b", "1428", "-l", o, "-r", f, a]))
    atftp = servers.program("atftp")
    if atftp:
        for size in (512, 1428, 8192):
            for window in (1, 8, 16):
                rows.append((f"atftp {size} window {window}", lambda a, f, o, size=size, window=window:
                             [atftp, "--option", f"blksize {size}", "--option", f"windowsize {window}", "--option", "tsize 0", "-g", "-r", f, "-l", o, a]))
    return rows


def make(name, size):
    path = os.path.join(FILES, name)
    if not os.path.exists(path) or os.path.getsize(path) != size:
        block = random.Random(size).randbytes(1 << 20)
        with open(path, "wb") as out:
            for at in range(0, size, len(block)):
                # No two pieces alike: a piece in the wrong place is noticed.
                out.write((at.to_bytes(8, "big") + block[8:])[:size - at])
    os.chmod(path, 0o644)
    return path


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            sha.update(piece)
    return sha.hexdigest()


class Cpu:
    """What a server and the processes that it makes for a transfer have worked; of those that are gone, as it was seen last."""

    def __init__(self, server):
        self.server, self.first, self.last, self.ended = server, {}, {}, threading.Event()
        self.watch = threading.Thread(target=self.look)

    def __enter__(self):
        self.first = dict(lab.family(self.server.process.process.pid))
        self.watch.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.watch.join()

    def look(self):
        while True:
            ended = self.ended.wait(0.05)
            self.last.update(lab.family(self.server.process.process.pid))
            if ended:
                return

    @property
    def seconds(self):
        ticks = sum(ticks - self.first.get(pid, 0) for pid, ticks in self.last.items())
        return ticks / os.sysconf("SC_CLK_TCK")


def fetch(server, command, expected, size, out):
    """MB/s and server CPU seconds per 100 MB, or why not."""
    if out != NOWHERE and os.path.exists(out):
        os.remove(out)
    with Cpu(server) as cpu:
        begun = time.perf_counter()
        try:
            done = subprocess.run([*CLIENT, *command], capture_output=True, text=True, env={**os.environ, **servers.environment()}, timeout=150)
        except subprocess.TimeoutExpired:
            return None, "150 s"
        took = time.perf_counter() - begun
    if done.returncode or not os.path.exists(out) or (expected and digest(out) != expected):
        return None, f"wrong (status {done.returncode})"
    return size / 1e6 / took, cpu.seconds / (size / 1e8)


def compare(kind, rows, names, rounds, size, out):
    path = make("probe", 100) and make(f"file{size}", size)
    name, expected = os.path.basename(path), digest(path)
    found, why = {}, {}
    for number in range(rounds):
        for server_name in random.sample(names, len(names)):
            with kind[server_name](server_name) as server:
                for what, command in rows(server, name, out):
                    speed, cpu = fetch(server, command, expected if out != NOWHERE else None, size, out)
                    if speed is None:
                        why[what, server_name] = cpu
                    else:
                        found.setdefault((what, server_name), []).append((speed, cpu))
        print(f"round {number + 1} of {rounds} done, load {os.getloadavg()[0]:.1f}", flush=True)
    table(found, why, names)


def table(found, why, names):
    whats = list(dict.fromkeys(what for what, _ in [*found, *why]))
    head = "".join(f"{name:>22}" for name in names)
    print(f"{'MB/s (CPU s per 100 MB)':26}{head}")
    for what in whats:
        line = f"{what:26}"
        for name in names:
            runs = found.get((what, name))
            if runs:
                speed, cpu = (statistics.median(column) for column in zip(*runs))
                line += f"{speed:13.1f} ({cpu:6.3f})"
            else:
                line += f"{why.get((what, name), '-'):>22}"
        print(line)


def http(names, rounds, size):
    """To nowhere, since the disk of this machine is not what is compared; that the bytes are right is seen once, before."""
    def rows(server, name, out):
        checked = os.path.join(lab.WORK, "fetched")
        speed, why = fetch(server, ["curl", "-s", "-f", "-m", "120", "-o", checked, server.url(name)], digest(os.path.join(FILES, name)), size, checked)
        if speed is None:
            raise RuntimeError(f"{server.name}: {why}")
        curl = ["curl", "-s", "-f", "-m", "120", "-o", out]
        return [("curl", [*curl, server.url(name)])]
    compare(HTTP, rows, names, rounds, size, NOWHERE)


def boots(count):
    """Each machine has an address of its own, asks for the loader by TFTP with what UEFI asks for, and all begin at once."""
    path = make("loader", LOADER)
    expected = open(path, "rb").read()
    make("probe", 100)
    for number in range(count):
        lab.sh(f"ip -n {lab.CLIENT_NS} addr add 10.0.1.{number + 1}/12 dev v0", check=False)
    for name, kind in TFTP.items():
        if kind(name).missing():
            continue
        with kind(name) as server:
            source = os.path.join(lab.HERE, "..", "boot", "machines.py")
            done = subprocess.run([*CLIENT[:4], sys.executable, source, lab.SERVER, server.path("loader"), str(count), hashlib.sha256(expected).hexdigest()],
                                  capture_output=True, text=True, timeout=300)
            print(f"{name:12} {done.stdout.strip() or done.stderr.strip()[-300:]}  server CPU {server.cpu_seconds():.2f} s", flush=True)


def flood(count):
    make("loader", LOADER), make("probe", 100)
    # Every address of this range is the client's.
    lab.sh(f"ip -n {lab.CLIENT_NS} route add local 10.2.0.0/16 dev lo")
    request = "b'\\0\\1loader\\0octet\\0blksize\\x001428\\0'"
    code = f"""
import socket, time
open_ = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range({count})]
for number, one in enumerate(open_):
    one.bind((f'10.2.{{number >> 8}}.{{number & 255}}', 0)); one.sendto({request}, ('{lab.SERVER}', 69)); time.sleep(0.0002)
time.sleep(60)"""
    with servers.Hostler("hostler") as server:
        held = lambda: (server.process.memory_kb(), sum(len(os.listdir(f"/proc/{pid}/fd")) for pid, _ in lab.family(server.process.process.pid)))
        before = held()
        process = subprocess.Popen([*CLIENT, sys.executable, "-c", code])
        most, begun, gone = before, time.time(), None
        while time.time() - begun < 60 and not gone:
            now = held()
            most = tuple(map(max, most, now))
            if most[1] > before[1] + 100 and now[1] <= before[1]:
                gone = time.time() - begun
            time.sleep(0.2)
        alive = server.answers()
        process.kill()
        print(f"{count} requests: {most[1] - before[1]} sockets and {most[0] - before[0]} KiB at most, of {before[0]} KiB before; "
              f"{f'all sockets back after {gone:.0f} s' if gone else 'sockets are NOT back'}, {held()[0]} KiB then; answers: {alive}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["tftp", "http", "boots", "flood"])
    parser.add_argument("-s", metavar="NAME,..", help=f"of {', '.join(TFTP)}; by HTTP of {', '.join(HTTP)}")
    parser.add_argument("-n", type=int, help="rounds, or machines")
    parser.add_argument("--size", type=int, help="MB of the file")
    asked = parser.parse_args()
    for sig in (signal.SIGTERM, signal.SIGINT):             # a bench that is stopped still cleans up
        signal.signal(sig, lambda *_: sys.exit(1))
    os.makedirs(FILES, exist_ok=True)
    os.chmod(FILES, 0o755)
    lab.up()
    try:
        if asked.command == "boots":
            return boots(asked.n or 100)
        if asked.command == "flood":
            return flood(asked.n or 10_000)
        kind = TFTP if asked.command == "tftp" else HTTP
        names = []
        for name in asked.s.split(",") if asked.s else kind:
            missing = kind[name](name).missing()
            print(f"{name} is left out: {missing}", flush=True) if missing else names.append(name)
        if asked.command == "http":
            return http(names, asked.n or 3, (asked.size or 1000) * 1_000_000)
        rows = lambda server, name, out: [(what, command(lab.SERVER, server.path(name), out)) for what, command in tftp_clients()]
        compare(TFTP, rows, names, asked.n or 3, (asked.size or 100) * 1_000_000, os.path.join(lab.WORK, "fetched"))
    finally:
        lab.down()


if __name__ == "__main__":
    main()
