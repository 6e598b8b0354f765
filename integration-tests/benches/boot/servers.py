"""The servers that are compared. To add one: a class with `start`, and a row in TFTP or HTTP."""
import os, subprocess, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "dhcp"))
import lab
from meter import Meter

# Where packages were unpacked that are not installed; see README.
PEERS = os.environ.get("BENCH_PEERS", "/")
FILES = os.path.join(lab.WORK, "boot-files")
HTTP_PORT = 7280


def program(name):
    """In the unpacked packages, or installed."""
    for folder in ("usr/sbin", "usr/bin", "sbin", "bin"):
        path = os.path.join(PEERS, folder, name)
        if os.access(path, os.X_OK):
            return path
    return None


def environment():
    """Libraries of unpacked packages; nothing else of ours is found there."""
    folders = [os.path.join(PEERS, folder, "x86_64-linux-gnu") for folder in ("usr/lib", "lib")]
    return {"LD_LIBRARY_PATH": ":".join(folders)} if PEERS != "/" else {}


class Server:
    binary = None
    prefix = ""
    asked_version = "--version"

    def __init__(self, name):
        self.name, self.process, self.meter = name, None, None
        self.folder = os.path.join(lab.WORK, "run", "boot-" + name)

    def missing(self):
        return None if program(self.binary) else f"{self.binary} is not there"

    def version(self):
        """The first line of what it says of itself."""
        said = subprocess.run([program(self.binary), self.asked_version], capture_output=True, text=True, env={**os.environ, **environment()})
        first = (said.stdout + said.stderr).strip().splitlines()[0]
        return f"{self.name}: {first.split('  ')[0]}"

    def spawn(self, command):
        self.process = lab.Process(command, os.path.join(self.folder, "log"), lab.THROUGHPUT_PRIORITY, "0", environment())

    def start(self):
        raise NotImplementedError

    def path(self, name):
        """A file as this server's clients ask for it."""
        return self.prefix + name

    def __enter__(self):
        lab.fresh(self.folder)
        os.chmod(self.folder, 0o755)
        self.start()
        end = time.time() + 30
        while not self.answers():
            if not self.process.alive() or time.time() > end:
                log = open(os.path.join(self.folder, "log")).read()[-2000:]
                self.__exit__()
                raise RuntimeError(f"{self.name} does not answer: {log}")
            time.sleep(0.05)
        self.meter = Meter(self.process.process.pid)
        return self

    def __exit__(self, *_):
        self.process.end()
        if self.meter:
            self.meter.close()

    def answers(self):
        url = self.url("probe")
        return subprocess.run(["ip", "netns", "exec", lab.CLIENT_NS, "curl", "-s", "-m", "1", "-o", "/dev/null", "-f", url]).returncode == 0

    def url(self, name):
        return f"tftp://{lab.SERVER}/{self.path(name)}"

    def cpu_seconds(self):
        return self.meter.seconds()


class Hostler(Server):
    """`hostler-rack serve`: a rack without a region. DHCP idles beside it."""
    scheme = "tftp"

    def missing(self):
        return None if os.access(self.binary_path(), os.X_OK) else "cargo build --release -p hostler-rack"

    def version(self):
        """It is the one that is built here."""

    @staticmethod
    def binary_path():
        return os.environ.get("HOSTLER_RACK", os.path.join(lab.ROOT, "target", "release", "hostler-rack"))

    def start(self):
        config = os.path.join(self.folder, "rack.toml")
        files = "".join(f'  {{ path = "{name}", source = "{os.path.join(FILES, name)}" }},\n' for name in sorted(os.listdir(FILES)))
        with open(config, "w") as out:
            out.write(f"""state-directory = "{self.folder}/state"
status-socket = "{self.folder}/status"
metrics = "127.0.0.1:7251"
[leases]
segment = 4
[[dhcp]]
name = "bench/1"
subnets = [{{ prefix = "{lab.SUBNET}" }}]
[boot]
http-port = {HTTP_PORT}
[boot.config]
files = [
{files}]
""")
        self.spawn([self.binary_path(), "serve", "--config", config])


class HostlerHttp(Hostler):
    scheme = "http"

    def url(self, name):
        return f"http://{lab.SERVER}:{HTTP_PORT}/boot/{name}"


class TftpdHpa(Server):
    binary = "in.tftpd"
    asked_version = "-V"

    def start(self):
        self.spawn([program(self.binary), "-L", "--address", f"{lab.SERVER}:69", "-s", FILES, "-u", "root"])


class Atftpd(Server):
    binary = "atftpd"

    def start(self):
        self.spawn([program(self.binary), "--daemon", "--no-fork", "--bind-address", lab.SERVER, "--user", "root", "--group", "root",
                    "--logfile", os.path.join(self.folder, "atftpd.log"), FILES])


class Dnsmasq(Server):
    binary = "dnsmasq"

    def start(self):
        self.spawn([program(self.binary), "-k", "-C", "/dev/null", "-p", "0", "--enable-tftp", f"--tftp-root={FILES}", "--user=root",
                    f"--listen-address={lab.SERVER}", "--bind-interfaces", f"--pid-file={self.folder}/pid"])


class Nginx(Server):
    binary = "nginx"
    asked_version = "-v"
    scheme = "http"

    def url(self, name):
        return f"http://{lab.SERVER}:8080/{name}"

    def start(self):
        config = os.path.join(self.folder, "nginx.conf")
        with open(config, "w") as out:
            out.write(f"""daemon off; user root; worker_processes 1; pid {self.folder}/nginx.pid; error_log {self.folder}/error.log;
events {{ worker_connections 1024; }}
http {{ sendfile on; tcp_nopush on; access_log off; keepalive_timeout 65;
  client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p; fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  server {{ listen {lab.SERVER}:8080; root {FILES}; }} }}
""")
        self.spawn([program(self.binary), "-c", config, "-e", os.path.join(self.folder, "error.log")])


TFTP = {"hostler": Hostler, "tftpd-hpa": TftpdHpa, "atftpd": Atftpd, "dnsmasq": Dnsmasq}
HTTP = {"hostler": HostlerHttp, "nginx": Nginx}
