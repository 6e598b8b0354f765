"""What the benches print: Markdown, fit for a README."""
import os, platform, statistics

import lab

OURS = "hostler"


def conditions(servers, rounds, more):
    with open("/proc/cpuinfo") as info:
        models = {line.split(":")[1].strip() for line in info if line.startswith("model name")}
    print(f"{', '.join(sorted(models))}, {os.cpu_count()} cores, Linux {platform.release()}; server on core 0, clients on core 1, both {' '.join(lab.THROUGHPUT_PRIORITY)}; {more}; "
          f"medians of {rounds} interleaved rounds")
    print("; ".join(filter(None, (server.version() for server in servers))), flush=True)


def load():
    return f"load of the machine {os.getloadavg()[0]:.1f}"


def markdown(head, rows):
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    line = lambda cells: "| " + " | ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(zip(cells, widths))) + " |"
    rule = ["-" * width if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    print("\n".join(map(line, [head, rule, *rows])), flush=True)


def medians(runs):
    return [statistics.median(column) for column in zip(*runs)]


def speeds(found, why, names):
    """MB/s, and in brackets the server's CPU seconds for 100 MB; then ours against the best of the others in each."""
    rows = []
    for what in dict.fromkeys(what for what, _ in [*found, *why]):
        runs = {name: medians(found[what, name]) for name in names if (what, name) in found}
        cells = [f"{runs[name][0]:.1f} ({runs[name][1]:.2f})" if name in runs else why.get((what, name), "-") for name in names]
        others = [run for name, run in runs.items() if name != OURS]
        if OURS in runs and others:
            speed, cpu = runs[OURS]
            cells += [f"{speed / max(other[0] for other in others):.2f}", f"{cpu / min(other[1] for other in others):.2f}"]
        else:
            cells += ["-", "-"]
        rows.append([what, *cells])
    print("MB/s (server's CPU s for 100 MB)")
    markdown(["client, block, window", *names, "MB/s to the best", "CPU to the least"], rows)
