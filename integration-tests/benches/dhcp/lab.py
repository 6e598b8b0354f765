"""Two network namespaces and what runs in them: a server at one end of a veth pair, the load generator at the other.

Nothing leaves them. Everything that is started here is ended here."""
import os, signal, shutil, subprocess, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
WORK = os.environ.get("BENCH_WORK", os.path.join(ROOT, "target", "bench"))
PREFIX = os.environ.get("BENCH_PREFIX", "hbench")
SERVER_NS, CLIENT_NS = f"{PREFIX}-s", f"{PREFIX}-c"
SERVER, CLIENT, LENGTH = "10.0.0.1", "10.0.0.2", 12
SUBNET = "10.0.0.0/12"
POOL = ("10.1.0.0", "10.8.255.255")                 # 524,288 addresses
GENERATOR_CPU = "1"
# Both sides run under this, so that other work on a shared machine disturbs less.
THROUGHPUT_PRIORITY = ["chrt", "-r", "1"]
# Real-time processes starve the kernel's own threads at high rates, and the 99th percentile is theirs: latency is taken under this.
LATENCY_PRIORITY = ["nice", "-n", "-15"]


def sh(command, check=True):
    done = subprocess.run(command, shell=isinstance(command, str), capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{command}: {done.stderr.strip()}")
    return done.stdout


def up():
    down()
    for name in (SERVER_NS, CLIENT_NS):
        sh(f"ip netns add {name}")
        sh(f"ip -n {name} link set lo up")
    sh(f"ip link add v0 netns {SERVER_NS} type veth peer name v0 netns {CLIENT_NS}")
    for name, address in ((SERVER_NS, SERVER), (CLIENT_NS, CLIENT)):
        sh(f"ip -n {name} addr add {address}/{LENGTH} dev v0")
        sh(f"ip -n {name} link set v0 up")
    end = time.time() + 5
    while any("state UP" not in sh(f"ip -n {name} link show v0") for name in (SERVER_NS, CLIENT_NS)):
        if time.time() > end:
            raise RuntimeError("the link between the namespaces does not come up")
        time.sleep(0.02)


def down():
    for name in (SERVER_NS, CLIENT_NS):
        if os.path.exists(f"/run/netns/{name}"):
            sh(f"ip netns del {name}", check=False)


def family(pid):
    """(pid, CPU ticks) of a session and everything below it."""
    stat = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = open(f"/proc/{entry}/stat").read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z":
                stat[int(entry)] = (int(fields[1]), int(fields[3]), sum(map(int, fields[11:15])))
    found = {p for p, (_, session, _) in stat.items() if session == pid}
    while True:
        more = {p for p, (parent, _, _) in stat.items() if parent in found} - found
        if not more:
            return [(p, stat[p][2]) for p in sorted(found)]
        found |= more


def memory_kb(pid):
    for name, key in ((f"/proc/{pid}/smaps_rollup", "Pss:"), (f"/proc/{pid}/status", "VmRSS:")):
        try:
            for line in open(name):
                if line.startswith(key):
                    return int(line.split()[1])
        except OSError:
            pass
    return 0


def busy_seconds():
    """CPU seconds that this machine has worked."""
    fields = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(limit):
    """Waits, not for ever, for a moment without other work on the CPUs."""
    end = time.time() + limit
    while time.time() < end:
        busy, then = busy_seconds(), time.time()
        time.sleep(0.3)
        if (busy_seconds() - busy) / (time.time() - then) < 0.4:
            return


class Process:
    """A server in its namespace, in a session of its own."""

    def __init__(self, command, log, priority, cpus, env=None):
        argv = ["ip", "netns", "exec", SERVER_NS, *priority, "taskset", "-c", cpus, *command]
        with open(log, "ab") as out:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            env=dict(os.environ, **(env or {})), start_new_session=True)

    def alive(self):
        return self.process.poll() is None

    def end(self, how=signal.SIGTERM, wait=8):
        for sig, limit in ((how, wait), (signal.SIGKILL, 2)):
            for pid, _ in family(self.process.pid):
                try:
                    os.kill(pid, sig)
                except OSError:
                    pass
            end = time.time() + limit
            while family(self.process.pid) and time.time() < end:
                self.process.poll()
                time.sleep(0.02)
        self.process.wait()

    def cpu_seconds(self):
        return sum(ticks for _, ticks in family(self.process.pid)) / os.sysconf("SC_CLK_TCK")

    def memory_kb(self):
        return sum(memory_kb(pid) for pid, _ in family(self.process.pid))


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
