/* Connections: sockets, the handshake, the end of a session, and the checks of reply headers. */
#pragma once
#include "loadgen_packets.h"

typedef struct {
    int fd, index, state;
    uint32_t next, done, limit, created, xid_base;  /* request numbers: to send next, answered, where to stop */
    uint8_t *in, *out;
    size_t in_len, in_cap, out_len, out_at;
    uint64_t *sent_ns;                              /* ring of `depth` */
    bool wants_write;
} conn;

static int epoll_fd;

static void watch_fd(conn *c, int action, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll_fd, action, c->fd, &e) < 0) fail("epoll_ctl: %s", strerror(errno));
}

/* Connection or session number `turn`, to the server whose turn it is. */
static int open_socket(bool blocking, uint32_t turn) {
    long port = o.port.at[turn % (uint32_t)o.port.count];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0), on = 1;
    if (fd < 0) fail("socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    struct timeval limit = {.tv_sec = STALL_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    /* Source addresses 127.0.0.2 to .17 in turn, so that closed connections do not use up the ports of one address. */
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + turn % 16)};
    if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0) fail("bind: %s", strerror(errno));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    return fd;
}

static void send_connect_request(int fd) {
    uint8_t request[49] = {0};
    put32(request, 45), put32(request + 16, SESSION_TIMEOUT_MS), put32(request + 28, 16);
    if (send(fd, request, sizeof request, MSG_NOSIGNAL) != (ssize_t)sizeof request) fail("send: %s", strerror(errno));
}
static void check_connect_reply(const uint8_t *frame) {
    static const uint8_t none[8];
    if (get32(frame) != CONNECT_REPLY_BYTES - 4 || get32(frame + 20) != 16) fail("malformed connect reply");
    if (get32(frame + 8) <= 0 || memcmp(frame + 12, none, 8) == 0) fail("no session was given");
}
static void read_exactly(int fd, uint8_t *into, size_t n) {
    for (size_t have = 0; have < n;) {
        ssize_t got = recv(fd, into + have, n - have, 0);
        if (got <= 0) fail("waiting for %zu bytes: %s", n, got == 0 ? "closed by the server" : strerror(errno));
        have += (size_t)got;
    }
}
static void set_blocking(int fd, bool blocking) { fcntl(fd, F_SETFL, blocking ? 0 : O_NONBLOCK); }

/* Sessions for all connections, a batch at a time so that no listen backlog overflows. */
static conn *open_sessions(long count) {
    conn *all = need(calloc((size_t)count, sizeof(conn)));
    uint8_t reply[CONNECT_REPLY_BYTES];
    for (long first = 0; first < count; first += HANDSHAKE_BATCH) {
        long end = first + HANDSHAKE_BATCH < count ? first + HANDSHAKE_BATCH : count;
        for (long i = first; i < end; i++) {
            all[i].index = (int)i;
            all[i].fd = open_socket(true, (uint32_t)i);
            send_connect_request(all[i].fd);
        }
        for (long i = first; i < end; i++) {
            conn *c = &all[i];
            read_exactly(c->fd, reply, sizeof reply);
            check_connect_reply(reply);
            set_blocking(c->fd, false);
            c->in_cap = 256 << 10;
            c->in = need(malloc(c->in_cap));
            c->out = need(malloc((size_t)o.depth * packet_bytes_max));
            c->sent_ns = need(calloc((size_t)o.depth, sizeof(uint64_t)));
            watch_fd(c, EPOLL_CTL_ADD, EPOLLIN);
        }
    }
    return all;
}
static void check_header(const uint8_t *body, int32_t xid) {
    if (get32(body) != xid) fail("reply with xid %d where %d was due", get32(body), xid);
    if (get32(body + 12) != 0) fail("reply to xid %d has error %d", xid, get32(body + 12));
}
static void close_sessions(conn *all, long count) {
    uint8_t reply[4 + HEADER_BYTES];
    for (long i = 0; i < count; i++) {
        set_blocking(all[i].fd, true);
        put32(close_packet.bytes + 4, 0x7fffffff);
        if (send(all[i].fd, close_packet.bytes, close_packet.len, MSG_NOSIGNAL) < 0) fail("send: %s", strerror(errno));
    }
    for (long i = 0; i < count; i++) {
        read_exactly(all[i].fd, reply, sizeof reply);
        check_header(reply + 4, 0x7fffffff);
        close(all[i].fd);
    }
}
