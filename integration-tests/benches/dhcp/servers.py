"""The servers that are compared. To add one: a class with `start`, and a row in SERVERS."""
import json, os, signal, subprocess, time

import lab

GENERATOR = os.path.join(lab.WORK, "dhcpgen")
ECHO = os.path.join(lab.WORK, "dhcp_echo")


class Server:
    durable = "?"                       # what an ACK promises about the disk
    start_limit = 60

    def __init__(self, name, cpus="0", **settings):
        self.name, self.cpus, self.process = name, cpus, None
        self.folder = os.path.join(lab.WORK, "run", name)
        self.priority = lab.THROUGHPUT_PRIORITY
        self.__dict__.update(settings)

    def missing(self):
        """What has to be installed, if anything."""
        return None

    def start(self):
        raise NotImplementedError

    def spawn(self, command, env=None):
        self.process = lab.Process(command, os.path.join(self.folder, "log"), self.priority, self.cpus, env)

    def wait_until_ready(self):
        end, client = time.time() + self.start_limit, 0xf0000000
        while time.time() < end:
            if not self.process.alive():
                raise RuntimeError(f"{self.name} ended; see {self.folder}/log")
            answer = self.generate("-w", "1", "-n", "1", "-t", "1", "-d", "100", "-x", "10", "-b", str(client), check=False)
            client += 1
            if answer and answer["acks"] == 1:
                return
        raise RuntimeError(f"{self.name} does not answer after {self.start_limit} s; see {self.folder}/log")

    def generate(self, *arguments, check=True):
        """Runs the load generator; see dhcpgen.c."""
        command = ["ip", "netns", "exec", lab.CLIENT_NS, *self.priority, "taskset", "-c", lab.GENERATOR_CPU,
                   GENERATOR, "-l", lab.CLIENT, "-s", lab.SERVER, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or not done.stdout.strip():
            if check:
                raise RuntimeError(f"dhcpgen {arguments}: {done.stderr}")
            return None
        return json.loads(done.stdout)

    def __enter__(self):
        lab.up()
        lab.fresh(self.folder)
        try:
            self.start()
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.end()
        lab.down()

    def lose_power(self):
        """As far as a process can feel it: what is on the disk is all there is."""
        self.process.end(signal.SIGKILL)

    def start_again(self):
        self.start()
        self.wait_until_ready()


class Echo(Server):
    """Canned answers: what the path and the generator can do at most."""
    durable = "nothing"
    arguments = ()

    def start(self):
        self.spawn([ECHO, "-i", "0.0.0.0", *(argument.format(folder=self.folder) for argument in self.arguments)])


class Hostler(Server):
    """`hostler-rack serve`: a rack without a region."""
    durable = "fdatasync before each ACK"
    pool = lab.POOL

    def missing(self):
        return None if os.access(self.program(), os.X_OK) else "cargo build --release -p hostler-rack"

    @staticmethod
    def program():
        return os.environ.get("HOSTLER_RACK", os.path.join(lab.ROOT, "target", "release", "hostler-rack"))

    def start(self):
        config = os.path.join(self.folder, "rack.toml")
        with open(config, "w") as out:
            out.write(f"""state-directory = "{self.folder}/state"
status-socket = "{self.folder}/status"
metrics = "127.0.0.1:7251"
[[dhcp]]
name = "bench/1"
role = "primary"
[[dhcp.subnets]]
prefix = "{lab.SUBNET}"
ranges = [{{ first = "{self.pool[0]}", last = "{self.pool[1]}" }}]
lease-seconds = 3600
[[dhcp.subnets.options]]
name = "routers"
value = "{lab.SERVER}"
""")
        self.spawn([self.program(), "serve", "--config", config])


class Kea(Server):
    durable = "write to a CSV file, no sync"
    program = "/usr/sbin/kea-dhcp4"
    threads = True

    def missing(self):
        return None if os.path.exists(self.program) else "apt-get install kea-dhcp4-server"

    def start(self):
        config = os.path.join(self.folder, "kea.json")
        lease_file = os.path.join(self.folder, "leases.csv")
        with open(config, "w") as out:
            json.dump({"Dhcp4": {
                "interfaces-config": {"interfaces": ["v0"], "dhcp-socket-type": "udp"},
                "lease-database": {"type": "memfile", "persist": True, "name": lease_file, "lfc-interval": 3600},
                "valid-lifetime": 3600,
                # No size and no queue length: Kea then chooses by what it finds.
                "multi-threading": {"enable-multi-threading": self.threads, "thread-pool-size": 0, "packet-queue-size": 0},
                "subnet4": [{"id": 1, "subnet": lab.SUBNET, "pools": [{"pool": "-".join(lab.POOL)}],
                             "option-data": [{"name": "routers", "data": lab.SERVER}]}],
                "loggers": [{"name": "kea-dhcp4", "severity": "WARN",
                             "output_options": [{"output": os.path.join(self.folder, "kea.log")}]}],
            }}, out, indent=1)
        os.makedirs(os.path.join(self.folder, "pid"), exist_ok=True)
        self.spawn([self.program, "-c", config], {"KEA_PIDFILE_DIR": os.path.join(self.folder, "pid"), "KEA_LOCKFILE_DIR": "none"})


class Dhcpd(Server):
    durable = "fsync before each ACK"
    program = "/usr/sbin/dhcpd"
    # It searches the free addresses one by one; with more it is slower still.
    last = "10.1.63.255"

    def missing(self):
        return None if os.path.exists(self.program) else "apt-get install isc-dhcp-server"

    def start(self):
        path = lambda name: os.path.join(self.folder, name)
        with open(path("dhcpd.conf"), "w") as out:
            out.write(f"""authoritative; default-lease-time 3600; max-lease-time 7200; ping-check false;
subnet 10.0.0.0 netmask 255.240.0.0 {{ option routers {lab.SERVER}; range {lab.POOL[0]} {self.last}; }}
""")
        open(path("leases"), "a").close()
        self.spawn([self.program, "-4", "-f", "-q", "-cf", path("dhcpd.conf"), "-lf", path("leases"), "-pf", path("pid"), "v0"])


SERVERS = {
    "hostler": lambda: Hostler("hostler"),
    "hostler-2cpu": lambda: Hostler("hostler-2cpu", cpus="0,1"),
    "hostler-million": lambda: Hostler("hostler-million", cpus="0,1", pool=("10.0.1.0", "10.15.255.254")),
    "kea": lambda: Kea("kea", threads=False),
    "kea-mt": lambda: Kea("kea-mt", cpus="0,1"),
    "dhcpd": lambda: Dhcpd("dhcpd"),
    "echo": lambda: Echo("echo"),
    "echo-sync": lambda: Echo("echo-sync", arguments=("-d", "{folder}/synced"), durable="fdatasync per received batch"),
}
COMPARED = ["hostler", "hostler-2cpu", "kea-mt", "dhcpd", "echo", "echo-sync"]
