/* What every part of the load generator uses: options, failing, clocks, the latency histogram, the measured window
 * and the report line. */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MEMBERS_MAX = 16 };

/* Numbers with commas between them: connection i goes to the port i modulo their count. */
typedef struct { long count, at[MEMBERS_MAX]; } list;

static struct {
    list port, pid;
    long conns, depth, warmup_ms, run_ms, count;
    long keys, bytes, dirs, rate, cleanup, expect, repeat, deadline_s;
    const char *op, *parent;
} o = {.conns = 1, .depth = 1, .run_ms = 1000, .keys = 1, .bytes = 100, .repeat = 10, .deadline_s = 120,
       .op = "get", .parent = "/bench"};

static void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("loadgen: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void *need(void *memory) {
    if (memory == NULL) fail("out of memory");
    return memory;
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* User and system time of a server and of its ended children, in seconds (proc(5), stat fields 14 to 17). */
static double process_cpu_s(long pid) {
    char name[64], text[1024];
    snprintf(name, sizeof name, "/proc/%ld/stat", pid);
    FILE *f = fopen(name, "r");
    if (f == NULL) fail("server process %ld is gone", pid);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    const char *after_name = strrchr(text, ')');
    unsigned long utime, stime, cutime, cstime;
    if (after_name == NULL || sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
                                     &utime, &stime, &cutime, &cstime) != 4)
        fail("cannot read %s", name);
    return (double)(utime + stime + cutime + cstime) / (double)sysconf(_SC_CLK_TCK);
}
/* The same of all servers together. */
static double server_cpu_s(void) {
    double sum = 0;
    for (long i = 0; i < o.pid.count; i++) sum += process_cpu_s(o.pid.at[i]);
    return sum;
}

static double own_cpu_s(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* ---- latency histogram: 64 steps per power of two, below 1 % error ---- */

static uint64_t histogram[64 * 64], histogram_total, latency_ns_max;

static void record_latency(uint64_t ns) {
    int shift = ns < 64 ? 0 : 63 - __builtin_clzll(ns) - 6;
    histogram[(uint64_t)shift * 64 + (ns >> shift)]++;
    histogram_total++;
    if (ns > latency_ns_max) latency_ns_max = ns;
}
static void reset_latency(void) {
    memset(histogram, 0, sizeof histogram);
    histogram_total = latency_ns_max = 0;
}
static double latency_us(double quantile) {
    uint64_t rank = (uint64_t)(quantile * (double)histogram_total), seen = 0;
    for (uint64_t i = 0; i < 64 * 64; i++) {
        seen += histogram[i];
        if (seen > rank) {
            uint64_t shift = i < 128 ? 0 : i / 64 - 1;
            double ns = ((double)(i - shift * 64) + 0.5) * (double)(1ull << shift);
            return (ns < (double)latency_ns_max ? ns : (double)latency_ns_max) / 1e3;
        }
    }
    return (double)latency_ns_max / 1e3;
}

/* ---- the measured window ---- */

static uint64_t sent_total, done_total;

typedef struct { uint64_t start_ns, end_ns, requests; double server_s, own_s; } window;

static void open_window(window *w, uint64_t now) {
    reset_latency();
    *w = (window){.start_ns = now, .requests = done_total, .server_s = server_cpu_s(), .own_s = own_cpu_s()};
}
static void close_window(window *w, uint64_t now) {
    w->end_ns = now, w->requests = done_total - w->requests;
    w->server_s = server_cpu_s() - w->server_s, w->own_s = own_cpu_s() - w->own_s;
}

/* One line of JSON. An operation is a request, or with `per_request` a part of one (a create of a multi). */
static void report(const window *w, uint64_t per_request) {
    double seconds = (double)(w->end_ns - w->start_ns) / 1e9, ops = (double)(w->requests * per_request);
    if (w->requests == 0) fail("no reply in %.1f s", seconds);
    printf("{\"op\":\"%s\",\"conns\":%ld,\"depth\":%ld,\"seconds\":%.4f,\"ops\":%.0f,\"ops_per_s\":%.1f,", o.op,
           o.conns, o.depth, seconds, ops, ops / seconds);
    printf("\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_us\":%.2f,\"max_us\":%.2f,", latency_us(0.5), latency_us(0.99),
           latency_us(0.999), (double)latency_ns_max / 1e3);
    printf("\"server_cpu_s\":%.3f,\"cpu_us_per_op\":%.3f,\"generator_cores\":%.3f}\n", w->server_s,
           w->server_s * 1e6 / ops, w->own_s / seconds);
}
