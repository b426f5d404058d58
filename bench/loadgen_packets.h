/* The requests, computed once: bytes with the places where an xid and node numbers are filled in when one is sent. */
#pragma once
#include "loadgen_base.h"

enum { OP_CREATE = 1, OP_DELETE = 2, OP_GET = 4, OP_SET = 5, OP_CHILDREN = 8, OP_MULTI = 14, OP_CLOSE = -11 };
enum { MULTI = 10, DIGITS = 9, DIR_DIGITS = 4, PLACES_MAX = 3 * MULTI, EVENTS_MAX = 512 };
enum { STAT_BYTES = 68, STAT_DATA_LENGTH_AT = 52, HEADER_BYTES = 16, CONNECT_REPLY_BYTES = 41 };
enum { SESSION_TIMEOUT_MS = 40000, STALL_S = 30, HANDSHAKE_BATCH = 32, FRAME_BYTES_MAX = 64 << 20 };

static void put32(uint8_t *at, int32_t v) { uint32_t big = htobe32((uint32_t)v); memcpy(at, &big, 4); }
static int32_t get32(const uint8_t *at) { uint32_t big; memcpy(&big, at, 4); return (int32_t)be32toh(big); }

static void digits(uint8_t *at, uint32_t v, int width) {
    for (int i = width - 1; i >= 0; i--, v /= 10) at[i] = (uint8_t)('0' + v % 10);
}

/* A request whose xid and node numbers are filled in when it is sent. `slot` says which node of a multi. */
typedef struct {
    uint8_t *bytes;
    size_t len;
    int places;
    struct { size_t at; int slot; bool dir; } place[PLACES_MAX];
} packet;

static packet get_packet, set_packet, create_packet, multi_packet, children_packet, close_packet;
static size_t path_bytes, packet_bytes_max;

static void add_bytes(packet *p, const void *bytes, size_t n) { memcpy(p->bytes + p->len, bytes, n); p->len += n; }
static void add32(packet *p, int32_t v) { put32(p->bytes + p->len, v); p->len += 4; }
static void add_place(packet *p, int slot, bool dir) {
    p->place[p->places].at = p->len, p->place[p->places].slot = slot, p->place[p->places].dir = dir;
    p->places++;
    add_bytes(p, "000000000", dir ? DIR_DIGITS : DIGITS);
}
static void add_path(packet *p, int slot) {
    add32(p, (int32_t)path_bytes);
    add_bytes(p, o.parent, strlen(o.parent));
    if (o.dirs) { add_bytes(p, "/d", 2); add_place(p, slot, true); }
    add_bytes(p, "/n", 2);
    add_place(p, slot, false);
}
static void add_plain_path(packet *p) {
    add32(p, (int32_t)strlen(o.parent));
    add_bytes(p, o.parent, strlen(o.parent));
}
/* The data of a node starts with its number, so that a get can be checked; a shorter one is all filler. */
static void add_data(packet *p, int slot) {
    add32(p, (int32_t)o.bytes);
    size_t filler = (size_t)o.bytes;
    if (o.bytes >= DIGITS) { add_place(p, slot, false); filler -= DIGITS; }
    memset(p->bytes + p->len, 'x', filler);
    p->len += filler;
}
static void add_create(packet *p, int slot) {
    add_path(p, slot);
    add_data(p, slot);
    add32(p, 1), add32(p, 31);  /* one ACL, all permissions */
    add32(p, 5), add_bytes(p, "world", 5), add32(p, 6), add_bytes(p, "anyone", 6);
    add32(p, 0);
}
static void add_multi_header(packet *p, int32_t type, bool done) {
    add32(p, type);
    p->bytes[p->len++] = done;
    add32(p, -1);
}
static void begin(packet *p, int32_t op) {
    if (p->bytes == NULL) p->bytes = need(malloc(packet_bytes_max));
    p->len = 0, p->places = 0;
    add32(p, 0), add32(p, 0), add32(p, op);
}
static void finish(packet *p) { put32(p->bytes, (int32_t)p->len - 4); }

static void compute_packets(void) {
    path_bytes = strlen(o.parent) + 2 + DIGITS + (o.dirs ? 2 + DIR_DIGITS : 0);
    packet_bytes_max = 64 + MULTI * (path_bytes + (size_t)o.bytes + 64);
    begin(&get_packet, OP_GET), add_path(&get_packet, 0), get_packet.bytes[get_packet.len++] = 0, finish(&get_packet);
    begin(&set_packet, OP_SET), add_path(&set_packet, 0), add_data(&set_packet, 0), add32(&set_packet, -1);
    finish(&set_packet);
    begin(&create_packet, OP_CREATE), add_create(&create_packet, 0), finish(&create_packet);
    begin(&multi_packet, OP_MULTI);
    for (int slot = 0; slot < MULTI; slot++) {
        add_multi_header(&multi_packet, OP_CREATE, false);
        add_create(&multi_packet, slot);
    }
    add_multi_header(&multi_packet, -1, true), finish(&multi_packet);
    begin(&children_packet, OP_CHILDREN), add_plain_path(&children_packet);
    children_packet.bytes[children_packet.len++] = 0, finish(&children_packet);
    begin(&close_packet, OP_CLOSE), finish(&close_packet);
}
