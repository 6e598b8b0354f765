/* So many machines at once, each from an address of its own, on UEFI's terms: blksize 1468, tsize, no window.
 *
 * machines SERVER PATH COUNT FILE: all ask for PATH and compare what comes with FILE. Prints how many have it, how many of these have it wrong, the seconds of the median, of
 * the 99th percentile and of the last, and the packets that were sent again. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 1468
#define RETRY 1.0
#define LIMIT 120.0

struct machine {
    int socket, begun, wrong;
    long have;
    struct sockaddr_in peer;
    char last[600];
    int length;
    double sent, done;
};

static const char *expected;
static long size, again;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void say(struct machine *m, double at) {
    m->sent = at;
    sendto(m->socket, m->last, m->length, 0, (void *)&m->peer, sizeof m->peer);
}

static void hear(struct machine *m, double begun) {
    unsigned char packet[2048];
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    long got = recvfrom(m->socket, packet, sizeof packet, MSG_DONTWAIT, (void *)&from, &length);
    if (got < 4 || m->done)
        return;
    unsigned number = packet[2] << 8 | packet[3];
    if (packet[1] == 5) {
        fprintf(stderr, "refused: %.*s\n", (int)got - 4, packet + 4);
        exit(1);
    }
    if (packet[1] == 6 && !m->begun) {
        m->begun = 1, m->peer = from, number = 0;
    } else if (packet[1] == 3 && m->begun && number == ((m->have + 1) & 0xffff)) {
        long at = m->have++ * BLOCK, bytes = got - 4;
        m->wrong |= at + bytes > size || memcmp(expected + at, packet + 4, bytes);
        if (bytes < BLOCK) {
            m->done = now() - begun;
            m->wrong |= at + bytes != size;
        }
    } else {
        return;
    }
    m->last[0] = 0, m->last[1] = 4, m->last[2] = number >> 8, m->last[3] = number, m->length = 4;
    say(m, now());
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count_of, char **given) {
    if (count_of != 5)
        return fputs("machines SERVER PATH COUNT FILE\n", stderr), 2;
    int count = atoi(given[3]), file = open(given[4], O_RDONLY), queue = epoll_create1(0), left = count;
    struct stat stat;
    if (file < 0 || fstat(file, &stat))
        fail(given[4]);
    size = stat.st_size;
    expected = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    struct machine *machines = calloc(count, sizeof *machines);
    for (struct machine *m = machines; m < machines + count; m++) {
        struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000101 + (m - machines))};
        m->socket = socket(AF_INET, SOCK_DGRAM, 0);
        if (bind(m->socket, (void *)&own, sizeof own))
            fail("a machine's address");
        m->peer.sin_family = AF_INET, m->peer.sin_port = htons(69);
        inet_pton(AF_INET, given[1], &m->peer.sin_addr);
        m->length = snprintf(m->last, sizeof m->last, "%c%c%s%coctet%cblksize%c%d%ctsize%c0%c", 0, 1, given[2], 0, 0, 0, BLOCK, 0, 0, 0);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = m};
        epoll_ctl(queue, EPOLL_CTL_ADD, m->socket, &event);
    }
    double begun = now(), looked = begun;
    for (struct machine *m = machines; m < machines + count; m++)
        say(m, begun);
    while (left && now() - begun < LIMIT) {
        struct epoll_event events[64];
        int ready = epoll_wait(queue, events, 64, 50);
        for (int i = 0; i < ready; i++) {
            struct machine *m = events[i].data.ptr;
            double before = m->done;
            hear(m, begun);
            left -= m->done > before;
        }
        if (now() - looked < 0.05)
            continue;
        looked = now();
        for (struct machine *m = machines; m < machines + count; m++)
            if (!m->done && looked - m->sent > RETRY)
                again++, say(m, looked);
    }
    double *times = calloc(count + 1, sizeof *times);
    int have = 0, wrong = 0;
    for (struct machine *m = machines; m < machines + count; m++)
        if (m->done)
            times[have++] = m->done, wrong += m->wrong;
    qsort(times, have, sizeof *times, ascending);
    if (!have)
        times[0] = LIMIT, have = 1, left = count;
    printf("%d %d %f %f %f %ld\n", count - left, wrong, times[(have - 1) / 2], times[(have * 99 + 99) / 100 - 1], times[have - 1], again);
}
