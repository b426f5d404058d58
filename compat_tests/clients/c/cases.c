/* See cases.h. */
#include "cases.h"

#include <errno.h>
#include <setjmp.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 64

static const char *program;
static const char *hosts;
static const char *only = "";
static jmp_buf end_of_case;
static char why[512];
static struct client *clients[CLIENTS_MAX];
static int client_count;

void check(const char *name, void (*body)(void)) {
    if (strstr(name, only) == NULL) {
        return;
    }
    if (setjmp(end_of_case) == 0) {
        body();
        printf("PASS %s\n", name);
    } else {
        printf("FAIL %s: %s\n", name, why);
    }
    fflush(stdout);
    while (client_count > 0) {
        struct client *client = clients[--client_count];
        close_client(client);
    }
}

void expect(int fact, const char *format, ...) {
    if (fact) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    longjmp(end_of_case, 1);
}

void same_text(const char *wanted, const char *text, const char *file, int line) {
    expect(strcmp(wanted, text) == 0, "%s:%d: expected %s, seen %s", file, line, wanted, text);
}

void ask(const char *verb) {
    char answer[64];
    printf("ASK %s\n", verb);
    fflush(stdout);
    expect(fgets(answer, sizeof answer, stdin) != NULL && strcmp(answer, "done\n") == 0, "nobody did: %s", verb);
}

void seen_init(struct seen *seen) {
    memset(seen, 0, sizeof *seen);
    pthread_mutex_init(&seen->lock, NULL);
    pthread_cond_init(&seen->more, NULL);
}

void seen_put(struct seen *seen, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&seen->lock);
    vsnprintf(seen->line[seen->count % SEEN_MAX], sizeof seen->line[0], format, arguments);
    seen->count++;
    pthread_cond_signal(&seen->more);
    pthread_mutex_unlock(&seen->lock);
    va_end(arguments);
}

const char *seen_next(struct seen *seen) {
    struct timespec deadline;
    int late = 0;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&seen->lock);
    while (seen->taken == seen->count && late != ETIMEDOUT) {
        late = pthread_cond_timedwait(&seen->more, &seen->lock, &deadline);
    }
    const char *line = seen->taken == seen->count ? NULL : seen->line[seen->taken++ % SEEN_MAX];
    pthread_mutex_unlock(&seen->lock);
    expect(line != NULL, "nothing more came");
    return line;
}

void seen_await(struct seen *seen, const char *wanted) {
    while (strcmp(seen_next(seen), wanted) != 0) {
        continue;
    }
}

int seen_left(struct seen *seen) {
    pthread_mutex_lock(&seen->lock);
    int left = seen->count - seen->taken;
    pthread_mutex_unlock(&seen->lock);
    return left;
}

static const char *name_of_event(int type) {
    if (type == ZOO_CREATED_EVENT) return "created";
    if (type == ZOO_DELETED_EVENT) return "deleted";
    if (type == ZOO_CHANGED_EVENT) return "changed";
    if (type == ZOO_CHILD_EVENT) return "children";
    if (type == ZOO_NOTWATCHING_EVENT) return "not watching";
    return "?";
}

static const char *name_of_state(int state) {
    if (state == ZOO_CONNECTED_STATE) return "connected";
    if (state == ZOO_CONNECTING_STATE) return "connecting";
    if (state == ZOO_EXPIRED_SESSION_STATE) return "expired";
    if (state == ZOO_AUTH_FAILED_STATE) return "auth failed";
    return "?";
}

void note_event(zhandle_t *zh, int type, int state, const char *path, void *context) {
    (void)zh;
    if (type == ZOO_SESSION_EVENT) {
        return;
    }
    (void)state;
    seen_put(context, "%s %s", name_of_event(type), path);
}

static void note_everything(zhandle_t *zh, int type, int state, const char *path, void *context) {
    (void)context;
    struct client *client = (struct client *)zoo_get_context(zh);
    if (type == ZOO_SESSION_EVENT) {
        seen_put(&client->events, "%s", name_of_state(state));
    } else {
        seen_put(&client->events, "%s %s", name_of_event(type), path);
    }
}

struct client *started(const char *suffix, const clientid_t *id, int timeout_ms) {
    char where[256];
    struct client *client = calloc(1, sizeof *client);
    snprintf(where, sizeof where, "%s%s", hosts, suffix);
    seen_init(&client->events);
    client->zh = zookeeper_init(where, note_everything, timeout_ms, id, client, 0);
    expect(client->zh != NULL, "no handle: %s", strerror(errno));
    expect(client_count < CLIENTS_MAX, "too many clients in one case");
    clients[client_count++] = client;
    return client;
}

struct client *connected_at(const char *suffix, const clientid_t *id, int timeout_ms) {
    struct client *client = started(suffix, id, timeout_ms);
    seen_await(&client->events, "connected");
    return client;
}

struct client *connected(void) {
    return connected_at("", NULL, SESSION_TIMEOUT_MS);
}

void close_client(struct client *client) {
    if (client->zh != NULL) {
        zookeeper_close(client->zh);
        client->zh = NULL;
    }
}

const char *below(const char *parent, const char *name) {
    char *path = malloc(strlen(parent) + strlen(name) + 2);
    sprintf(path, "%s/%s", parent, name);
    return path;
}

const char *place(struct client *client) {
    static int places;
    char name[32];
    snprintf(name, sizeof name, "c-%d", ++places);
    const char *path = below("", name);
    OK(zoo_create(client->zh, path, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    return path;
}

clientid_t abandoned_session(const char *path) {
    char command[512];
    clientid_t id;
    snprintf(command, sizeof command, "%s --abandon %s %s", program, path, hosts);
    FILE *output = popen(command, "r");
    expect(output != NULL, "no process: %s", strerror(errno));
    size_t got = fread(&id, sizeof id, 1, output);
    pclose(output);
    expect(got == 1, "the other process made no session");
    return id;
}

static int abandon(const char *path) {
    struct client *c = connected_at("", NULL, 3000);
    OK(zoo_create(c->zh, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0));
    fwrite(zoo_client_id(c->zh), sizeof(clientid_t), 1, stdout);
    fflush(stdout);
    _exit(0);
}

int main(int count, char **arguments) {
    program = arguments[0];
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    if (count == 4 && strcmp(arguments[1], "--abandon") == 0) {
        hosts = arguments[3];
        return abandon(arguments[2]);
    }
    only = count > 2 ? arguments[1] : "";
    hosts = arguments[count - 1];
    sync_calls();
    async_calls();
    watches();
    outages();
    return 0;
}
