"""One load on one server, and the search for the highest that it sustains."""
import os, resource, statistics, time

import lab
from servers import SERVERS

# Of what is lost and still called sustained, in percent.
LOST = 1.0


def step(name, seconds, rate=0, window=64, latency=False):
    """A fresh server under one load: `rate` a second, or `window` exchanges outstanding."""
    lab.wait_for_quiet(float(os.environ.get("BENCH_QUIET", "15")))
    server = SERVERS[name]()
    if latency:
        server.priority = lab.LATENCY_PRIORITY
    with server:
        cpu, then, busy = server.process.cpu_seconds(), time.time(), lab.busy_seconds()
        generator = resource.getrusage(resource.RUSAGE_CHILDREN)
        load = ["-r", str(rate)] if rate else ["-w", str(window)]
        result = server.generate("-t", str(seconds), *load)
        result["cpu_s"] = server.process.cpu_seconds() - cpu
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = result["cpu_s"] + after.ru_utime + after.ru_stime - generator.ru_utime - generator.ru_stime
        result["others"] = max(0.0, lab.busy_seconds() - busy - own) / (time.time() - then)
        result["cpu_us"] = 1e6 * result["cpu_s"] / max(1, result["acks"])
        result["memory_kb"] = server.process.memory_kb()
        return result


def sustains(result, rate):
    return result["drop_pct"] < LOST and result["rate"] >= 0.97 * rate and result["naks"] == 0


def search(name, seconds, guess):
    """The highest open-loop rate with under 1 % lost, to about 8 %."""
    rate, best, bad = max(5.0, guess * 0.9), None, None
    for _ in range(7):
        result = step(name, seconds, rate)
        if not sustains(result, rate) and result["others"] > 0.2:
            result = step(name, seconds, rate)              # disturbed by other work: once more
        if sustains(result, rate):
            best = (rate, result) if not best or rate > best[0] else best
        else:
            bad = min(bad or rate, rate)
        if best and bad and bad / best[0] < 1.08:
            break
        rate = (best[0] * bad) ** 0.5 if best and bad else best[0] * 1.2 if best else bad * 0.75
    return best


def measure(name, seconds):
    """Everything that one line of the table says."""
    closed = step(name, seconds, window=256)
    found = {"server": name, "closed": closed, "one": step(name, seconds, window=1, latency=True)}
    best = search(name, seconds, closed["rate"])
    if best:
        found["sustained"], found["at_most"] = best
        found["half"] = step(name, seconds, rate=max(2.0, best[0] / 2), latency=True)
    return found


def table(found):
    """Medians, and how they stand to Kea and to the limit."""
    by_name = {}
    for one in found:
        by_name.setdefault(one["server"], []).append(one)

    def median(name, *path):
        values = []
        for value in by_name.get(name, []):
            for key in path:
                value = value.get(key) if value else None
            if value is not None:
                values.append(value)
        return statistics.median(values) if values else None

    def show(value, digits=0):
        return "-" if value is None else f"{value:,.{digits}f}"

    lines = ["| server | durable before the ACK | sustained DORA/s (< 1 % lost) | closed loop, 256 | DORA p50 / p99 ms at half | one client p50 ms | CPU us/DORA | MiB |",
             "|---|---|---|---|---|---|---|---|"]
    for name in by_name:
        half, memory = [median(name, "half", "dora", p) for p in ("p50", "p99")], median(name, "closed", "memory_kb")
        lines.append(f"| {name} | {SERVERS[name]().durable} | {show(median(name, 'sustained'))} | {show(median(name, 'closed', 'rate'))} | "
                     f"{show(half[0], 2)} / {show(half[1], 2)} | {show(median(name, 'one', 'dora', 'p50'), 3)} | "
                     f"{show(median(name, 'closed', 'cpu_us'), 1)} | {show(memory and memory / 1024)} |")
    for own in ("hostler", "hostler-2cpu"):
        for other in ("kea-mt", "dhcpd", "echo", "echo-sync"):
            ours, theirs = median(own, "sustained"), median(other, "sustained")
            if ours and theirs:
                lines.append(f"{own}: {ours / theirs:.2f} times {other} sustained")
    return "\n".join(lines)
