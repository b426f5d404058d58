/* Load generator for the ZooKeeper client protocol: one thread, epoll, closed loop.
 *
 *     loadgen port=N[,N...] op=NAME [name=value ...]      prints one JSON line, exits 1 on any wrong reply
 *
 * With several ports the connections take turns at them; `pid` names the processes whose CPU is summed up.
 *
 * op=get|set|create|mixed|multi|children   `conns` connections keep `depth` requests outstanding each
 * op=connect                               `conns` slots open a session and close it again
 * op=watch                                 `conns` connections watch one node, one writer sets it, `repeat` times
 *
 * Every packet is computed before the clock starts; sending one is a copy with its xid and its nine-digit node number
 * filled in. Every reply is checked: xid in order, err 0, and the body against what that very request must return.
 * So a server that drops, reorders, fails or invents replies cannot look fast.
 *
 * It does not: reconnect, ping (a run must be shorter than the session timeout), speak TLS or SASL.
 */
#include "loadgen_sessions.h"

/* ---- closed loop ---- */

typedef enum { GET, SET, CREATE, MULTI_CREATE, CHILDREN, MIXED } kind;
static kind operation;
static bool cleaning;                         /* after the measurement: delete what was created, ten to a multi */
static uint64_t pace_start_ns;

static uint32_t scatter(uint32_t a, uint32_t b) {
    uint64_t x = ((uint64_t)a << 32 | b) * 0x9E3779B97F4A7C15ull;
    x = (x ^ x >> 32) * 0xD6E8FEB86659FD93ull;
    return (uint32_t)(x >> 32);
}
static kind kind_of(const conn *c, uint32_t n) {
    if (operation != MIXED) return operation;
    return scatter((uint32_t)c->index + 7777, n) % 10 == 0 ? SET : GET;
}
/* Which node request `n` of this connection is about: a fresh one for creates, one of the keys for the rest. */
static uint32_t node_of(const conn *c, uint32_t n, int slot) {
    uint32_t turn = n * (uint32_t)o.conns + (uint32_t)c->index;
    if (operation == CREATE) return turn;
    if (operation == MULTI_CREATE) return turn * MULTI + (uint32_t)slot;
    return scatter((uint32_t)c->index, n) % (uint32_t)o.keys;
}
static const packet *packet_of(kind k) {
    return k == GET ? &get_packet : k == SET ? &set_packet : k == CREATE ? &create_packet
           : k == MULTI_CREATE ? &multi_packet : &children_packet;
}
/* A delete of node (n, slot) for each of `created`, ten to a request; returns how many are in request `n`. */
static int cleaned_by(const conn *c, uint32_t n, uint32_t *nodes) {
    int count = 0;
    for (; count < MULTI; count++) {
        uint32_t create = operation == CREATE ? n * MULTI + (uint32_t)count : n;
        if (create >= c->created) break;
        nodes[count] = node_of(c, create, count);
    }
    return count;
}
static size_t build_delete(const conn *c, uint32_t n, uint8_t *at) {
    packet p = {.bytes = at};
    uint32_t nodes[MULTI];
    begin(&p, OP_MULTI);
    for (int i = 0, count = cleaned_by(c, n, nodes); i < count; i++) {
        p.places = 0;
        add_multi_header(&p, OP_DELETE, false), add_path(&p, 0), add32(&p, -1);
        for (int j = 0; j < p.places; j++) {
            bool dir = p.place[j].dir;
            digits(at + p.place[j].at, dir ? nodes[i] % (uint32_t)o.dirs : nodes[i], dir ? DIR_DIGITS : DIGITS);
        }
    }
    add_multi_header(&p, -1, true), finish(&p);
    return p.len;
}
static size_t build(const conn *c, uint32_t n, uint8_t *at) {
    size_t len;
    if (cleaning) {
        len = build_delete(c, n, at);
    } else {
        const packet *p = packet_of(kind_of(c, n));
        memcpy(at, p->bytes, len = p->len);
        for (int i = 0; i < p->places; i++) {
            uint32_t node = node_of(c, n, p->place[i].slot);
            bool dir = p->place[i].dir;
            digits(at + p->place[i].at, dir ? node % (uint32_t)o.dirs : node, dir ? DIR_DIGITS : DIGITS);
        }
    }
    put32(at + 4, (int32_t)(c->xid_base + n + 1));
    return len;
}

static void check_path(const uint8_t *at, uint32_t node) {
    uint8_t name[DIGITS];
    digits(name, node, DIGITS);
    if (get32(at) != (int32_t)path_bytes || memcmp(at + 4, o.parent, strlen(o.parent)) != 0 ||
        memcmp(at + 4 + path_bytes - DIGITS, name, DIGITS) != 0)
        fail("reply names another path than %s/.../n%09u", o.parent, node);
}
static void check_length(size_t len, size_t due) {
    if (len != due) fail("reply of %zu bytes where %zu were due", len, due);
}
static void check_result(const uint8_t *at, int32_t type, bool done) {
    if (get32(at) != type || at[4] != done || (!done && get32(at + 5) != 0)) fail("wrong result inside a multi");
}
static void check_reply(const conn *c, const uint8_t *body, size_t len) {
    uint32_t n = c->done, nodes[MULTI];
    size_t at = HEADER_BYTES, bytes = (size_t)o.bytes;
    check_header(body, (int32_t)(c->xid_base + n + 1));
    if (cleaning) {
        int count = cleaned_by(c, n, nodes);
        check_length(len, HEADER_BYTES + 9 * (size_t)(count + 1));
        for (int i = 0; i < count; i++, at += 9) check_result(body + at, OP_DELETE, false);
        check_result(body + at, -1, true);
        return;
    }
    uint8_t name[DIGITS];
    switch (kind_of(c, n)) {
    case GET:
        check_length(len, HEADER_BYTES + 4 + bytes + STAT_BYTES);
        digits(name, node_of(c, n, 0), DIGITS);
        if (get32(body + at) != o.bytes || (o.bytes >= DIGITS && memcmp(body + at + 4, name, DIGITS) != 0))
            fail("get of node %.9s returned other data", (const char *)name);
        if (get32(body + at + 4 + bytes + STAT_DATA_LENGTH_AT) != o.bytes) fail("get returned a wrong Stat");
        break;
    case SET:
        check_length(len, HEADER_BYTES + STAT_BYTES);
        if (get32(body + at + STAT_DATA_LENGTH_AT) != o.bytes) fail("set returned a wrong Stat");
        break;
    case CREATE:
        check_length(len, HEADER_BYTES + 4 + path_bytes);
        check_path(body + at, node_of(c, n, 0));
        break;
    case MULTI_CREATE:
        check_length(len, HEADER_BYTES + MULTI * (9 + 4 + path_bytes) + 9);
        for (int slot = 0; slot < MULTI; slot++, at += 9 + 4 + path_bytes) {
            check_result(body + at, OP_CREATE, false);
            check_path(body + at + 9, node_of(c, n, slot));
        }
        check_result(body + at, -1, true);
        break;
    case CHILDREN:
        if (len < HEADER_BYTES + 4 || get32(body + at) != o.expect)
            fail("getChildren did not list %ld children", o.expect);
        break;
    case MIXED:
        break;
    }
}

static void flush(conn *c) {
    while (c->out_at < c->out_len) {
        ssize_t sent = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) fail("send: %s", strerror(errno));
        if (sent < 0) break;
        c->out_at += (size_t)sent;
    }
    if (c->out_at == c->out_len) c->out_at = c->out_len = 0;
    bool wants_write = c->out_len > 0;
    if (wants_write != c->wants_write) watch_fd(c, EPOLL_CTL_MOD, EPOLLIN | (wants_write ? EPOLLOUT : 0));
    c->wants_write = wants_write;
}
/* Brings the connection back to `depth` outstanding requests, as far as its limit and the pace allow. */
static void top_up(conn *c, uint64_t now) {
    uint64_t allowed = o.rate && !cleaning ? (now - pace_start_ns) * (uint64_t)o.rate / 1000000000u : UINT64_MAX;
    if (c->out_at > 0) {
        memmove(c->out, c->out + c->out_at, c->out_len -= c->out_at);
        c->out_at = 0;
    }
    while (c->next < c->limit && c->next - c->done < (uint32_t)o.depth && sent_total < allowed) {
        c->out_len += build(c, c->next, c->out + c->out_len);
        c->sent_ns[c->next++ % (uint32_t)o.depth] = now;
        sent_total++;
    }
    flush(c);
}
static void receive(conn *c) {
    ssize_t got = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
    if (got == 0) fail("connection closed by the server with %u replies due", c->next - c->done);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) fail("recv: %s", strerror(errno));
    uint64_t now = now_ns();
    size_t at = 0;
    c->in_len += (size_t)got;
    while (c->in_len - at >= 4) {
        int32_t len = get32(c->in + at);
        if (len < HEADER_BYTES || len > FRAME_BYTES_MAX) fail("frame of %d bytes", len);
        if ((size_t)len + 4 > c->in_cap) {
            c->in_cap = 2 * ((size_t)len + 4);
            c->in = need(realloc(c->in, c->in_cap));
        }
        if (c->in_len - at - 4 < (size_t)len) break;
        if (c->done == c->next) fail("a reply that nobody asked for");
        check_reply(c, c->in + at + 4, (size_t)len);
        if (!cleaning) record_latency(now - c->sent_ns[c->done % (uint32_t)o.depth]);
        c->done++, done_total++;
        at += (size_t)len + 4;
    }
    memmove(c->in, c->in + at, c->in_len -= at);
    top_up(c, now);
}

/* Runs until every connection has its `limit` of replies. With a window that is bounded by time: opens it after the
 * warm-up, closes it run_ms later, and lowers the limits to what has been sent by then. */
static void pump(conn *all, window *w) {
    struct epoll_event events[EVENTS_MAX];
    uint64_t begun = now_ns(), progress = begun, progress_done = done_total;
    bool by_time = w != NULL && o.count == 0, opened = false, stopped = !by_time;
    if (w != NULL && !by_time) open_window(w, begun);
    pace_start_ns = begun;
    for (long i = 0; i < o.conns; i++) top_up(&all[i], begun);
    for (;;) {
        uint64_t due = 0;
        for (long i = 0; stopped && i < o.conns; i++) due += all[i].limit - all[i].done;
        if (stopped && due == 0) break;
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, o.rate ? 1 : 10);
        for (int i = 0; i < n; i++) {
            if (events[i].events & EPOLLOUT) flush(events[i].data.ptr);
            if (events[i].events & ~(uint32_t)EPOLLOUT) receive(events[i].data.ptr);
        }
        uint64_t now = now_ns();
        for (long i = 0; o.rate && i < o.conns; i++) top_up(&all[i], now);
        if (by_time && !opened && now - begun >= (uint64_t)o.warmup_ms * 1000000u) open_window(w, now), opened = true;
        if (by_time && opened && !stopped && now - w->start_ns >= (uint64_t)o.run_ms * 1000000u) {
            close_window(w, now), stopped = true;
            for (long i = 0; i < o.conns; i++) all[i].limit = all[i].next;
        }
        if (done_total != progress_done) progress = now, progress_done = done_total;
        if (now - progress > STALL_S * 1000000000ull) fail("no reply for %d s", STALL_S);
    }
    if (w != NULL && !by_time) close_window(w, now_ns());
}

static void run_load(void) {
    window w;
    conn *all = open_sessions(o.conns);
    for (long i = 0; i < o.conns; i++)
        all[i].limit = o.count ? (uint32_t)(o.count / o.conns + (i < o.count % o.conns)) : 0x7ffffff0u;
    pump(all, &w);
    bool creates = operation == CREATE || operation == MULTI_CREATE;
    if (o.cleanup && creates) {
        cleaning = true;
        for (long i = 0; i < o.conns; i++) {
            conn *c = &all[i];
            c->created = c->xid_base = c->done;
            c->limit = operation == CREATE ? (c->created + MULTI - 1) / MULTI : c->created;
            c->next = c->done = 0;
        }
        pump(all, NULL);
    }
    close_sessions(all, o.conns);
    report(&w, operation == MULTI_CREATE ? MULTI : 1);
}

/* ---- connect and close ---- */

enum { CONNECTING, GREETED, CLOSING };

static void open_slot(conn *c, uint32_t turn) {
    c->fd = open_socket(false, turn);
    c->state = CONNECTING, c->in_len = 0, c->sent_ns[0] = now_ns();
    watch_fd(c, EPOLL_CTL_ADD, EPOLLOUT);
}
/* Moves one slot on; true when its session has been opened, closed, and both were confirmed. */
static bool advance(conn *c) {
    if (c->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) fail("connect: %s", strerror(error));
        send_connect_request(c->fd);
        watch_fd(c, EPOLL_CTL_MOD, EPOLLIN);
        c->state = GREETED;
        return false;
    }
    size_t due = c->state == GREETED ? CONNECT_REPLY_BYTES : 4 + HEADER_BYTES;
    ssize_t got = recv(c->fd, c->in + c->in_len, due - c->in_len, 0);
    if (got == 0) fail("connection closed by the server in place of %s", c->state == GREETED ? "a session" : "a reply");
    if (got < 0 && errno == EAGAIN) return false;
    if (got < 0) fail("recv: %s", strerror(errno));
    if ((c->in_len += (size_t)got) < due) return false;
    c->in_len = 0;
    if (c->state == CLOSING) {
        check_header(c->in + 4, 1);
        return true;
    }
    check_connect_reply(c->in);
    put32(close_packet.bytes + 4, 1);
    if (send(c->fd, close_packet.bytes, close_packet.len, MSG_NOSIGNAL) < 0) fail("send: %s", strerror(errno));
    c->state = CLOSING;
    return false;
}
static void run_connect(void) {
    conn *all = need(calloc((size_t)o.conns, sizeof(conn)));
    struct epoll_event events[EVENTS_MAX];
    uint32_t turn = 0;
    long open = o.conns;
    window w;
    uint64_t begun = now_ns(), now = begun, progress = begun;
    bool opened = false, stopped = false;
    for (long i = 0; i < o.conns; i++) {
        all[i].in = need(malloc(64)), all[i].sent_ns = need(malloc(sizeof(uint64_t)));
        open_slot(&all[i], turn++);
    }
    while (open > 0) {
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, 10);
        now = now_ns();
        if (!opened && now - begun >= (uint64_t)o.warmup_ms * 1000000u) open_window(&w, now), opened = true;
        if (opened && !stopped && now - w.start_ns >= (uint64_t)o.run_ms * 1000000u)
            close_window(&w, now), stopped = true;
        for (int i = 0; i < n; i++) {
            conn *c = events[i].data.ptr;
            if (!advance(c)) continue;
            if (!stopped) record_latency(now_ns() - c->sent_ns[0]);
            done_total++, progress = now;
            close(c->fd);
            if (stopped) open--;
            else open_slot(c, turn++);
        }
        if (now - progress > STALL_S * 1000000000ull) fail("no session for %d s", STALL_S);
    }
    report(&w, 1);
}

/* ---- watch fan-out ---- */

/* Waits until each watcher has one frame more, an event or a reply, and returns when the last one came. */
static uint64_t gather(conn *all, int32_t xid, bool event) {
    struct epoll_event events[EVENTS_MAX];
    uint64_t now = now_ns(), begun = now;
    size_t parent = strlen(o.parent);
    size_t due = 4 + HEADER_BYTES + (event ? 12 + parent : 4 + (size_t)o.bytes + STAT_BYTES);
    for (long left = o.conns; left > 0;) {
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, 100);
        for (int i = 0; i < n; i++) {
            conn *c = events[i].data.ptr;
            if (c < all || c >= all + o.conns) fail("the writer was sent something out of turn");
            ssize_t got = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
            if (got <= 0) fail("watcher: %s", got == 0 ? "closed by the server" : strerror(errno));
            if ((c->in_len += (size_t)got) < 4 || c->in_len - 4 < (size_t)get32(c->in)) continue;
            check_length(c->in_len, due);
            check_header(c->in + 4, xid);
            const uint8_t *body = c->in + 4 + HEADER_BYTES;
            if (event && (get32(body) != 3 || get32(body + 4) != 3 || get32(body + 8) != (int32_t)parent ||
                          memcmp(body + 12, o.parent, parent) != 0))
                fail("wrong watch event");
            if (!event && get32(body) != o.bytes) fail("wrong data from a watched node");
            c->in_len = 0;
            left--;
        }
        now = now_ns();
        if (now - begun > STALL_S * 1000000000ull)
            fail("%ld of %ld watchers got nothing for %d s", left, o.conns, STALL_S);
    }
    return now;
}
static void write_node(conn *writer, packet *set, int32_t xid) {
    put32(set->bytes + 4, xid);
    if (send(writer->fd, set->bytes, set->len, MSG_NOSIGNAL) != (ssize_t)set->len) fail("send: %s", strerror(errno));
}
static void read_written(conn *writer, int32_t xid) {
    uint8_t reply[4 + HEADER_BYTES + STAT_BYTES];
    read_exactly(writer->fd, reply, sizeof reply);
    check_header(reply + 4, xid);
}
static void run_watch(void) {
    conn *all = open_sessions(o.conns + 1), *writer = &all[o.conns];
    packet get = {0}, set = {0};
    window w;
    begin(&get, OP_GET), add_plain_path(&get), get.bytes[get.len++] = 1, finish(&get);
    begin(&set, OP_SET), add_plain_path(&set), add_data(&set, 0), add32(&set, -1), finish(&set);
    watch_fd(writer, EPOLL_CTL_DEL, 0);
    set_blocking(writer->fd, true);
    write_node(writer, &set, 1);
    read_written(writer, 1);
    for (long turn = -1; turn < o.repeat; turn++) {  /* the first is a warm-up */
        int32_t xid = (int32_t)turn + 3;
        if (turn == 0) open_window(&w, now_ns());
        put32(get.bytes + 4, xid);
        for (long i = 0; i < o.conns; i++)
            if (send(all[i].fd, get.bytes, get.len, MSG_NOSIGNAL) != (ssize_t)get.len)
                fail("send: %s", strerror(errno));
        gather(all, xid, false);
        uint64_t sent = now_ns();
        write_node(writer, &set, xid);
        record_latency(gather(all, -1, true) - sent);
        read_written(writer, xid);
        done_total++;
    }
    close_window(&w, now_ns());
    close_sessions(all, o.conns + 1);
    report(&w, (uint64_t)o.conns);
}

static void parse_list(list *into, const char *text) {
    for (char *end; *text != 0; text = *end == ',' ? end + 1 : end) {
        if (into->count == MEMBERS_MAX) fail("more than %d servers", MEMBERS_MAX);
        into->at[into->count++] = strtol(text, &end, 10);
        if (end == text || (*end != 0 && *end != ',')) fail("no list of numbers: %s", text);
    }
}

int main(int argc, char **argv) {
    const struct { const char *name; long *number; const char **text; list *list; } options[] = {
        {"port", 0, 0, &o.port}, {"pid", 0, 0, &o.pid}, {"op", 0, &o.op, 0}, {"parent", 0, &o.parent, 0},
        {"conns", &o.conns, 0, 0}, {"depth", &o.depth, 0, 0}, {"warmup_ms", &o.warmup_ms, 0, 0},
        {"run_ms", &o.run_ms, 0, 0}, {"count", &o.count, 0, 0}, {"keys", &o.keys, 0, 0}, {"bytes", &o.bytes, 0, 0},
        {"dirs", &o.dirs, 0, 0}, {"rate", &o.rate, 0, 0}, {"cleanup", &o.cleanup, 0, 0}, {"expect", &o.expect, 0, 0},
        {"repeat", &o.repeat, 0, 0}, {"deadline_s", &o.deadline_s, 0, 0}};
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        bool known = false;
        for (size_t k = 0; value != NULL && k < sizeof options / sizeof *options; k++) {
            size_t name_bytes = (size_t)(value - argv[i]);
            if (strlen(options[k].name) != name_bytes || strncmp(options[k].name, argv[i], name_bytes) != 0) continue;
            known = true;
            if (options[k].list) parse_list(options[k].list, value + 1);
            else if (options[k].text) *options[k].text = value + 1;
            else *options[k].number = strtol(value + 1, NULL, 10);
        }
        if (!known) fail("unknown argument %s", argv[i]);
    }
    if (o.port.count == 0 || o.conns <= 0 || o.depth <= 0 || o.keys <= 0 || o.bytes < 0 || o.deadline_s <= 0)
        fail("bad argument");
    signal(SIGPIPE, SIG_IGN);
    alarm((unsigned)o.deadline_s);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    compute_packets();
    static const char *const names[] = {"get", "set", "create", "multi", "children", "mixed"};
    for (kind k = GET; k <= MIXED; k++) {
        if (strcmp(o.op, names[k]) != 0) continue;
        operation = k;
        run_load();
        return 0;
    }
    if (strcmp(o.op, "connect") == 0) run_connect();
    else if (strcmp(o.op, "watch") == 0) run_watch();
    else fail("unknown op %s", o.op);
    return 0;
}
