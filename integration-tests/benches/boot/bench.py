#!/usr/bin/env python3
"""Boot servers side by side on this machine, in network namespaces of its own (root needed).

  bench.py tftp [-s NAME,..] [-n 3] [--size 50]    one file by each client and on each terms, interleaved rounds, medians
  bench.py http [-s NAME,..] [-n 3] [--size 1000]  the same by HTTP
  bench.py boots [-s NAME,..] [-n 3] [--machines 100]  so many machines fetch a loader at once: how long each of them waits
  bench.py flood [--requests 10000]                so many requests that nobody follows up: what they hold, and for how long

Servers have one core, clients the other, both at real-time priority. What differs between two columns of one run is meant; figures of two days are not to be compared."""
import argparse, hashlib, os, random, signal, subprocess, sys, time

import servers, table
from servers import FILES, HTTP, TFTP, lab

CLIENT = ["ip", "netns", "exec", lab.CLIENT_NS, *lab.THROUGHPUT_PRIORITY, "taskset", "-c", "1"]
LOADER = 1_000_000
NOWHERE = "/dev/null"
# In memory: the disk is not what is compared.
FETCHED = f"/dev/shm/{lab.PREFIX}-fetched"


def tftp_clients():
    """(what, function of (server address, path, output) -> command)"""
    rows = [("curl, 512", lambda a, f, o: ["curl", "-s", "-f", "-m", "120", "--tftp-no-options", "-o", o, f"tftp://{a}/{f}"])]
    for size in (1428, 8192):
        rows.append((f"curl, {size}", lambda a, f, o, size=size: ["curl", "-s", "-f", "-m", "120", "--tftp-blksize", str(size), "-o", o, f"tftp://{a}/{f}"]))
    rows.append(("busybox, 1428", lambda a, f, o: ["busybox", "tftp", "-g", "-b", "1428", "-l", o, "-r", f, a]))
    atftp = servers.program("atftp")
    if atftp:
        for size in (512, 1428, 8192):
            for window in (1, 8, 16):
                rows.append((f"atftp, {size}, {window}", lambda a, f, o, size=size, window=window:
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


def fetch(server, command, expected, size, out):
    """MB/s and the server's CPU seconds for 100 MB, or why not."""
    if out != NOWHERE and os.path.exists(out):
        os.remove(out)
    worked, begun = server.cpu_seconds(), time.perf_counter()
    try:
        done = subprocess.run([*CLIENT, *command], capture_output=True, text=True, env={**os.environ, **servers.environment()}, timeout=150)
    except subprocess.TimeoutExpired:
        return None, "150 s"
    took, worked = time.perf_counter() - begun, server.cpu_seconds() - worked
    if done.returncode or not os.path.exists(out) or (expected and digest(out) != expected):
        return None, f"wrong (status {done.returncode})"
    return size / 1e6 / took, worked / (size / 1e8)


def interleaved(kind, names, rounds):
    """Each server in each round, in an order that changes; its round's number comes with it."""
    for number in range(rounds):
        for name in random.sample(names, len(names)):
            with kind[name](name) as server:
                yield server
        print(f"round {number + 1} of {rounds} done, {table.load()}", file=sys.stderr, flush=True)


def compare(kind, rows, names, rounds, size, out):
    path = make("probe", 100) and make(f"file{size}", size)
    name, expected = os.path.basename(path), digest(path)
    table.conditions([kind[name](name) for name in names], rounds, f"one file of {size // 1_000_000} MB, {table.load()}")
    found, why = {}, {}
    for server in interleaved(kind, names, rounds):
        for what, command in rows(server, name, out):
            speed, cpu = fetch(server, command, expected if out != NOWHERE else None, size, out)
            if speed is None:
                why[what, server.name] = cpu
            else:
                found.setdefault((what, server.name), []).append((speed, cpu))
    table.speeds(found, why, names)


def http(names, rounds, size):
    """To nowhere, since writing is not what is compared; that the bytes are right is seen once, before."""
    def rows(server, name, out):
        speed, why = fetch(server, ["curl", "-s", "-f", "-m", "120", "-o", FETCHED, server.url(name)], digest(os.path.join(FILES, name)), size, FETCHED)
        if speed is None:
            raise RuntimeError(f"{server.name}: {why}")
        return [("curl", ["curl", "-s", "-f", "-m", "120", "-o", out, server.url(name)])]
    compare(HTTP, rows, names, rounds, size, NOWHERE)


def boots(names, rounds, count):
    """Each machine has an address of its own, asks for the loader by TFTP with what UEFI asks for, and all begin at once."""
    loader, machines, source = make("loader", LOADER), os.path.join(lab.WORK, "machines"), os.path.join(lab.HERE, "..", "boot", "machines.c")
    make("probe", 100)
    lab.sh(["gcc", "-O2", "-o", machines, source])
    for number in range(count):
        lab.sh(f"ip -n {lab.CLIENT_NS} addr add 10.0.1.{number + 1}/12 dev v0", check=False)
    table.conditions([TFTP[name](name) for name in names], rounds, f"{count} machines begin at once, a loader of {LOADER // 1_000_000} MB, {table.load()}")
    found = {}
    for server in interleaved(TFTP, names, rounds):
        worked = server.cpu_seconds()
        done = subprocess.run([*CLIENT, machines, lab.SERVER, server.path("loader"), str(count), loader], capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise RuntimeError(f"{server.name}: {done.stderr[-300:]}")
        found.setdefault(server.name, []).append([*map(float, done.stdout.split()), server.cpu_seconds() - worked])
    rows = []
    for name in names:
        ready, wrong, half, most, last, again, cpu = table.medians(found[name])
        rows.append([name, f"{ready:.0f}", f"{wrong:.0f}", f"{half:.2f}", f"{most:.2f}", f"{last:.2f}", f"{again:.0f}", f"{cpu:.2f}"])
    table.markdown(["server", "have the loader", "of them wrong", "p50 s", "p99 s", "last s", "asked again", "server's CPU s"], rows)


def flood(count):
    """Twice: what is kept after the first time must be enough for the second."""
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
    rows = []
    with servers.Hostler("hostler") as server:
        held = lambda: (server.process.memory_kb(), sum(len(os.listdir(f"/proc/{pid}/fd")) for pid, _ in lab.family(server.process.process.pid)))
        for time_ in ("first", "second"):
            before, worked = held(), server.cpu_seconds()
            most, begun, gone = before, time.time(), None
            process = subprocess.Popen([*CLIENT, sys.executable, "-c", code])
            while time.time() - begun < 60 and not gone:
                now = held()
                most = tuple(map(max, most, now))
                if most[1] > before[1] + 100 and now[1] <= before[1]:
                    gone = time.time() - begun
                time.sleep(0.2)
            alive = server.answers()
            process.kill()
            process.wait()
            rows.append([time_, f"{most[1] - before[1]}", f"{gone:.0f}" if gone else "NOT back", f"{before[0]}", f"{most[0]}", f"{held()[0]}", f"{server.cpu_seconds() - worked:.2f}", "yes" if alive else "NO"])
    print(f"{count} requests, each from an address of its own, that are never followed up; {table.load()}")
    table.markdown(["time", "sockets at most", "all back after s", "KiB before", "KiB at most", "KiB after", "server's CPU s", "answers then"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["tftp", "http", "boots", "flood"])
    parser.add_argument("-s", metavar="NAME,..", help=f"of {', '.join(TFTP)}; by HTTP of {', '.join(HTTP)}")
    parser.add_argument("-n", type=int, default=3, help="rounds")
    parser.add_argument("--size", type=int, help="MB of the file")
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--requests", type=int, default=10_000)
    asked = parser.parse_args()
    for sig in (signal.SIGTERM, signal.SIGINT):             # a bench that is stopped still cleans up
        signal.signal(sig, lambda *_: sys.exit(1))
    os.makedirs(FILES, exist_ok=True)
    os.chmod(FILES, 0o755)
    lab.up()
    try:
        if asked.command == "flood":
            return flood(asked.requests)
        kind = HTTP if asked.command == "http" else TFTP
        names = []
        for name in asked.s.split(",") if asked.s else kind:
            missing = kind[name](name).missing()
            print(f"{name} is left out: {missing}", flush=True) if missing else names.append(name)
        if asked.command == "boots":
            return boots(names, asked.n, asked.machines)
        if asked.command == "http":
            return http(names, asked.n, (asked.size or 1000) * 1_000_000)
        rows = lambda server, name, out: [(what, command(lab.SERVER, server.path(name), out)) for what, command in tftp_clients()]
        compare(TFTP, rows, names, asked.n, (asked.size or 50) * 1_000_000, FETCHED)
    finally:
        lab.down()
        if os.path.exists(FETCHED):
            os.remove(FETCHED)


if __name__ == "__main__":
    main()
