/* Runs named cases and prints `PASS name` or `FAIL name: why` for each; handles, events and waiting besides.
 *
 * A case runs in the main thread; what does not hold jumps out of it. Callbacks of the library run in its own
 * threads and only put down what they were told, in `struct seen`.
 */
#ifndef CASES_H
#define CASES_H

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

#define PATIENCE_S 30
/* A third of it is how long the library waits for one try to connect. */
#define SESSION_TIMEOUT_MS 6000
#define SEEN_MAX 4096

/* What callbacks told, in its order. */
struct seen {
    pthread_mutex_t lock;
    pthread_cond_t more;
    int count;
    int taken;
    char line[SEEN_MAX][128];
};

/* One session and what its watcher was told. */
struct client {
    zhandle_t *zh;
    struct seen events;
};

void check(const char *name, void (*body)(void));
void ask(const char *verb);
void same_text(const char *wanted, const char *text, const char *file, int line);
void expect(int fact, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A result code of the library that has to be `wanted`. */
#define RC(wanted, call)                                                                                       \
    do {                                                                                                       \
        int rc_ = (call);                                                                                      \
        expect(rc_ == (wanted), "%s:%d: %s gave %s, not %s", __FILE__, __LINE__, #call, zerror(rc_),           \
               zerror(wanted));                                                                                \
    } while (0)
#define OK(call) RC(ZOK, call)
#define TRUE(fact) expect((fact), "%s:%d: %s", __FILE__, __LINE__, #fact)
#define TEXT(wanted, text) same_text((wanted), (text), __FILE__, __LINE__)

void seen_init(struct seen *seen);
void seen_put(struct seen *seen, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *seen_next(struct seen *seen);
void seen_await(struct seen *seen, const char *line);
int seen_left(struct seen *seen);

/* A connected client; it is closed when its case ends. */
struct client *connected(void);
struct client *connected_at(const char *suffix, const clientid_t *id, int timeout_ms);
/* The same without waiting for a connection. */
struct client *started(const char *suffix, const clientid_t *id, int timeout_ms);
void close_client(struct client *client);
/* The session of a process that has made the ephemeral node `path` and ended without closing it. */
clientid_t abandoned_session(const char *path);
/* A path that nobody else uses, made with no data. */
const char *place(struct client *client);
const char *below(const char *parent, const char *name);
/* A watcher that puts `type path` down in the `struct seen` given as its context. */
void note_event(zhandle_t *zh, int type, int state, const char *path, void *context);

void sync_calls(void);
void async_calls(void);
void watches(void);
void outages(void);

#endif
