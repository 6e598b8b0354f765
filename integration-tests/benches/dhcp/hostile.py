"""Packets that no client should send, and clients that no client should meet."""
import json, os, random, signal, socket, struct, subprocess, sys, time

import lab

COOKIE = b"\x63\x82\x53\x63"
DISCOVER, REQUEST, DECLINE, RELEASE = 1, 3, 4, 7


def option(code, value):
    return bytes([code, len(value)]) + value


def address(text):
    return socket.inet_aton(text)


def packet(options, mac, op=1, htype=1, hlen=6, xid=0, giaddr=lab.CLIENT, ciaddr="0.0.0.0", cookie=COOKIE):
    return (struct.pack("!BBBBIHH4s4s4s4s", op, htype, hlen, 1, xid, 0, 0, address(ciaddr), bytes(4), bytes(4), address(giaddr))
            + mac.ljust(16, b"\0") + bytes(192) + cookie + options)


def malformed(rng):
    """Without end: cut short, lengths that lie, types that are none, random bytes, single bits turned."""
    def base(options, **fields):
        return packet(options, bytes([2, 0x66]) + rng.randbytes(4), xid=rng.getrandbits(32), **fields)
    discover, request = option(53, bytes([DISCOVER])), option(53, bytes([REQUEST]))
    own = option(54, address(lab.SERVER))
    kinds = [
        lambda: base(discover + b"\xff")[:rng.randrange(244)],
        lambda: base(discover + bytes([rng.randrange(1, 255), rng.randrange(1, 256)])),
        lambda: base(discover + bytes([82, 255]) + rng.randbytes(60) + b"\xff"),
        lambda: base(bytes([53, rng.choice([0, 2, 255])]) + rng.randbytes(3)),
        lambda: base(b"\x35\x01" + bytes([rng.randrange(256)]) + b"\xff"),
        lambda: base(discover + b"\xff", hlen=rng.randrange(256)),
        lambda: base(discover + b"\xff", op=rng.randrange(256), htype=rng.randrange(256)),
        lambda: base(discover + b"\xff", giaddr=rng.choice(["255.255.255.255", "0.0.0.0", "127.0.0.1", "224.0.0.1", "10.0.0.1", "1.2.3.4"])),
        lambda: base(discover + b"\xff", cookie=rng.randbytes(4)),
        lambda: base(discover + b"\x34\x01\x03" + rng.randbytes(rng.randrange(200))),
        lambda: base(discover + bytes([61, 0, 12, 0, 55, 0, 82, 0]) + b"\xff"),
        lambda: base(discover + option(61, rng.randbytes(255)) + b"\xff"),
        lambda: base(discover + option(12, rng.randbytes(200)) + b"\xff"),
        lambda: base(discover + option(81, rng.randbytes(20)) + b"\xff"),
        lambda: base(discover + b"".join(option(rng.randrange(1, 255), rng.randbytes(4)) for _ in range(180)) + b"\xff"),
        lambda: base(discover + bytes(1100)),
        lambda: base(request + option(50, rng.randbytes(4)) + own + b"\xff"),
        lambda: base(option(53, bytes([DECLINE])) + option(50, address(f"10.1.{rng.randrange(256)}.{rng.randrange(256)}")) + own + b"\xff"),
        lambda: base(option(53, bytes([RELEASE])) + own + b"\xff", ciaddr=f"10.1.0.{rng.randrange(256)}"),
        lambda: rng.randbytes(rng.randrange(1, 1400)),
        lambda: base(discover + bytes([82, 6, 1, 200]) + rng.randbytes(4) + bytes([119, 3, 0xc0, 0, 0xc0]) + b"\xff"),
        lambda: flipped(base(discover + bytes([55, 3, 1, 3, 6]) + option(61, b"\x01" + rng.randbytes(6)) + b"\xff")),
    ]
    def flipped(good):
        bad = bytearray(good)
        for _ in range(rng.randrange(1, 8)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        return bytes(bad)
    while True:
        yield rng.choice(kinds)()


def send_malformed(count, rate):
    """In the generator's namespace."""
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind((lab.CLIENT, 67))
    packets, begun = malformed(random.Random(7)), time.time()
    for sent in range(count):
        link.sendto(next(packets)[:1472], (lab.SERVER, 67))
        link.setblocking(False)
        try:
            while True:
                link.recv(2048)
        except BlockingIOError:
            pass
        link.setblocking(True)
        time.sleep(max(0.0, begun + sent / rate - time.time()))


def fuzz(server, count, rate=10000):
    """Malformed packets on a server that then has to answer as before. Returns what became of it, or raises."""
    with server:
        server.generate("-w", "64", "-n", "20000", "-t", "20")
        before = server.process.memory_kb()
        memory, answers = [], []
        for part in range(4):
            in_client("malformed", str(count // 4), str(rate))
            if not server.process.alive():
                raise RuntimeError(f"{server.name} ended under malformed packets; see {server.folder}/log")
            answers.append(server.generate("-w", "1", "-n", "50", "-t", "10", "-d", "2000", "-b", str(40_000_000 + part * 1000))["acks"])
            memory.append(server.process.memory_kb())
        if min(answers) < 50:
            raise RuntimeError(f"{server.name} answered {answers} of 50 each")
        return {"packets": count, "answers": answers, "memory_kb": [before, *memory]}


class Client:
    """A relayed client, one packet at a time."""
    link = None

    def __init__(self, number):
        self.mac = bytes([2, 0x77, 0, 0, number >> 8, number & 255])
        if not Client.link:
            Client.link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            Client.link.bind((lab.CLIENT, 67))
            Client.link.settimeout(1.5)

    def ask(self, kind, options=b"", ciaddr="0.0.0.0", wait=True):
        """(what was answered, address, server identifier)"""
        xid = random.getrandbits(32)
        self.link.sendto(packet(option(53, bytes([kind])) + options + b"\xff", self.mac, xid=xid, ciaddr=ciaddr).ljust(300, b"\0"), (lab.SERVER, 67))
        end = time.time() + 1.5
        while wait and time.time() < end:
            try:
                answer = self.link.recv(2048)
            except socket.timeout:
                break
            if answer[4:8] == struct.pack("!I", xid):
                return self.read(answer)
        return "silence", None, None

    @staticmethod
    def read(answer):
        at, kind, server = 240, None, None
        while at < len(answer) and answer[at] != 255:
            if answer[at] == 53:
                kind = answer[at + 2]
            elif answer[at] == 54:
                server = answer[at + 2:at + 6]
            at += 1 if answer[at] == 0 else 2 + answer[at + 1]
        return {2: "offer", 5: "ack", 6: "nak"}.get(kind, str(kind)), socket.inet_ntoa(answer[16:20]), server

    def bind(self, want=None):
        offer = self.ask(DISCOVER, option(50, address(want)) if want else b"")
        if offer[0] != "offer":
            return offer
        return self.ask(REQUEST, option(50, address(offer[1])) + option(54, offer[2]))


def meddle(kept=None):
    """What a stranger can do to another's lease, before a crash and (`kept`) after it. Prints pairs of what is so and what should be."""
    a, b, c, d = (Client(number) for number in (1, 2, 3, 4))
    asked = lambda text: option(50, address(text))
    so = {}
    if kept is None:
        _, own, server = a.bind()
        so["the same address again"] = (a.bind()[1] == own, True)
        so["the owner renews"] = (a.ask(REQUEST, ciaddr=own)[0], "ack")
        so["a stranger gets it by INIT-REBOOT"] = (b.ask(REQUEST, asked(own))[0] == "ack", False)
        so["a stranger renews it"] = (b.ask(REQUEST, ciaddr=own)[0] == "ack", False)
        b.ask(RELEASE, option(54, server), ciaddr=own, wait=False)
        taken = c.bind(own)
        so["a stranger's RELEASE frees it"] = (taken[0] == "ack" and taken[1] == own, False)
        so["the owner renews after that"] = (a.ask(REQUEST, ciaddr=own)[0], "ack")
        _, other, server = d.bind()
        b.ask(DECLINE, asked(other) + option(54, server), wait=False)
        so["the owner renews after a stranger's DECLINE"] = (d.ask(REQUEST, ciaddr=other)[0], "ack")
        so["a REQUEST for another server is answered"] = (Client(9).ask(REQUEST, asked(other) + option(54, address("10.9.9.9")))[0] != "silence", False)
        so["addresses in 40 open offers"] = (len({Client(100 + number).ask(DISCOVER)[1] for number in range(40)}), 40)
        so["kept"] = (Client(50).bind()[1],) * 2
    else:
        taken = Client(51).bind(kept)
        so["a stranger gets a leased address after kill -9"] = (taken[1] == kept and taken[0] == "ack", False)
        so["its owner gets it back"] = (Client(50).bind()[1] == kept, True)
    print(json.dumps(so))


def probe(server):
    with server:
        so = json.loads(in_client("meddle"))
        kept = so.pop("kept")[0]
        server.lose_power()
        server.start_again()
        so.update(json.loads(in_client("meddle", kept)))
    wrong = {what: found for what, found in so.items() if found[0] != found[1]}
    if wrong:
        raise RuntimeError(f"{server.name}: {wrong}")
    return list(so)


def in_client(*arguments):
    return lab.sh(["ip", "netns", "exec", lab.CLIENT_NS, sys.executable, os.path.abspath(__file__), *arguments])


if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: sys.exit(1))
    if sys.argv[1] == "malformed":
        send_malformed(int(sys.argv[2]), int(sys.argv[3]))
    else:
        meddle(*sys.argv[2:])
