"""So many machines at once, each from an address of its own: SERVER PATH COUNT SHA256. UEFI's terms: blksize 1468, tsize, no window."""
import hashlib, selectors, socket, sys, time

server, path, count, expected = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
BLOCK, RETRY, LIMIT = 1468, 1.0, 120


class Machine:
    def __init__(self, number):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((f"10.0.1.{number + 1}", 0))
        self.socket.setblocking(False)
        self.peer, self.have, self.sha = (server, 69), 0, hashlib.sha256()
        self.last, self.done, self.retries = b"\0\1" + path.encode() + b"\0octet\0blksize\0" + str(BLOCK).encode() + b"\0tsize\0000\0", None, 0
        self.begun = time.perf_counter()
        self.send()

    def send(self):
        self.sent = time.perf_counter()
        self.socket.sendto(self.last, self.peer)

    def receive(self):
        packet, peer = self.socket.recvfrom(2048)
        opcode, number = packet[1], int.from_bytes(packet[2:4], "big")
        if opcode == 5:
            raise SystemExit(f"refused: {packet[4:]}")
        if opcode == 6:
            self.peer, number = peer, 0
        elif opcode != 3 or number != (self.have + 1) & 0xffff:
            return
        else:
            self.have += 1
            self.sha.update(packet[4:])
            if len(packet) - 4 < BLOCK:
                self.done = time.perf_counter() - self.begun
        self.last = b"\0\4" + number.to_bytes(2, "big")
        self.send()


selector = selectors.DefaultSelector()
machines = [Machine(number) for number in range(count)]
for machine in machines:
    selector.register(machine.socket, selectors.EVENT_READ, machine)
end, left = time.time() + LIMIT, set(machines)
while left and time.time() < end:
    for key, _ in selector.select(0.05):
        key.data.receive()
        if key.data.done:
            left.discard(key.data)
            selector.unregister(key.data.socket)
    now = time.perf_counter()
    for machine in left:
        if now - machine.sent > RETRY:
            machine.retries += 1
            machine.send()
times = sorted(machine.done for machine in machines if machine.done)
wrong = sum(machine.sha.hexdigest() != expected for machine in machines)
at = lambda share: times[min(len(times) - 1, int(len(times) * share))]
print(f"{len(times)} of {count} machines have the loader, {wrong} of them wrong; p50 {at(0.5):.2f} s, p99 {at(0.99):.2f} s, last {times[-1]:.2f} s; {sum(m.retries for m in machines)} asked again")
