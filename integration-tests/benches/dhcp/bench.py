#!/usr/bin/env python3
"""DHCPv4 servers side by side on this machine, in network namespaces of its own (root needed).

  bench.py run [-s NAME,..] [-n 3] [-t 4]   interleaved rounds over the servers, then a table of medians
  bench.py step [-s NAME,..] [--rate R]     one load on each
  bench.py fill [-s NAME] [--leases N]      memory per lease; from kill -9 to the first ACK with so many leases
  bench.py fuzz [-s NAME] [--packets N]     malformed packets: does it live, answer and keep its size?
  bench.py probe [-s NAME]                  what may a stranger do to another's lease? does a lease outlive kill -9?

Two cores are shared by server, generator and whatever else runs: compare medians of one run, never figures of two days or machines."""
import argparse, json, os, random, signal, sys, time

import hostile, lab, measure
from servers import COMPARED, SERVERS


def build():
    os.makedirs(lab.WORK, exist_ok=True)
    for program in ("dhcpgen", "dhcp_echo"):
        source, built = os.path.join(lab.HERE, program + ".c"), os.path.join(lab.WORK, program)
        if not os.path.exists(built) or os.path.getmtime(built) < os.path.getmtime(source):
            lab.sh(["gcc", "-O2", "-o", built, source])


def run(names, rounds, seconds, out):
    found = []
    for number in range(rounds):
        for name in random.sample(names, len(names)):
            try:
                one = measure.measure(name, seconds)
            except RuntimeError as error:                   # one bad server must not lose the run
                print(f"round {number + 1} {name}: {error}", flush=True)
                continue
            found.append(one)
            with open(out, "a") as log:
                log.write(json.dumps(one) + "\n")
            print(f"round {number + 1} {name}: closed {one['closed']['rate']:,.0f}, sustained {one.get('sustained', 0):,.0f} DORA/s", flush=True)
    print(measure.table(found))


def step(names, seconds, rate):
    for name in names:
        result = measure.step(name, seconds, rate or 0, 256)
        print(f"{name:16} {result['rate']:10,.0f} DORA/s  lost {result['drop_pct']:.2f} %  NAK {result['naks']}  duplicates {result['duplicates']}  "
              f"DORA p50 {result['dora']['p50']:.2f} p99 {result['dora']['p99']:.2f} ms  {result['cpu_us']:.1f} us/DORA  {result['memory_kb'] // 1024} MiB  others {result['others']:.2f}", flush=True)


def fill(name, leases):
    with SERVERS[name]() as server:
        before, begun, got = server.process.memory_kb(), time.time(), 0
        while got < leases:
            # Again where an answer was lost: the clients are the same.
            got = server.generate("-w", "256", "-n", str(leases), "-t", "300", "-d", "2000", "-x", "10")["acks"]
        filled, after = time.time() - begun, server.process.memory_kb()
        server.lose_power()
        again = time.time()
        server.start_again()
        print(f"{name}: {got:,} leases in {filled:.0f} s; {(after - before) * 1024 / got:.0f} B a lease; "
              f"from kill -9 to the first ACK {time.time() - again:.2f} s, then {server.process.memory_kb() // 1024} MiB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "step", "fill", "fuzz", "probe"])
    parser.add_argument("-s", metavar="NAME,..", help=", ".join(SERVERS))
    parser.add_argument("-n", type=int, default=3, help="rounds")
    parser.add_argument("-t", type=float, default=4, help="seconds of each load")
    parser.add_argument("-o", default=os.path.join(lab.WORK, "out.json"))
    parser.add_argument("--rate", type=float, help="DORA/s offered; without it 256 exchanges are outstanding")
    parser.add_argument("--leases", type=int, default=1_000_000)
    parser.add_argument("--packets", type=int, default=200_000)
    asked = parser.parse_args()
    for sig in (signal.SIGTERM, signal.SIGINT):             # a bench that is stopped still cleans up
        signal.signal(sig, lambda *_: sys.exit(1))
    build()
    default = {"run": COMPARED, "step": COMPARED, "fill": ["hostler-million"]}.get(asked.command, ["hostler"])
    names = []
    for name in asked.s.split(",") if asked.s else default:
        missing = SERVERS[name]().missing()
        if missing:
            print(f"{name} is left out: {missing}", flush=True)
        else:
            names.append(name)
    if asked.command == "run":
        return run(names, asked.n, asked.t, asked.o)
    if asked.command == "step":
        return step(names, asked.t, asked.rate)
    for name in names:
        if asked.command == "fill":
            fill(name, asked.leases)
        elif asked.command == "fuzz":
            print(name, json.dumps(hostile.fuzz(SERVERS[name](), asked.packets)), flush=True)
        else:
            print(f"{name}: as it should be: " + "; ".join(hostile.probe(SERVERS[name]())), flush=True)


if __name__ == "__main__":
    main()
