/* The server goes away and comes back; sessions, watches and identities live on. */
#include "cases.h"

#include <unistd.h>

static void await_back(struct client *client) {
    seen_await(&client->events, "connecting");
    seen_await(&client->events, "connected");
}

static void session(void) {
    struct client *c = connected();
    const char *node = below(place(c), "mine");
    struct Stat stat;
    OK(zoo_create(c->zh, node, "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0));
    int64_t id = zoo_client_id(c->zh)->client_id;
    ask("restart");
    await_back(c);
    TRUE(zoo_client_id(c->zh)->client_id == id);
    OK(zoo_exists(c->zh, node, 0, &stat));
    TRUE(stat.ephemeralOwner == id);
}

static void watches_and_identity(void) {
    struct client *c = connected(), *writer = connected();
    const char *top = place(c), *secret = below(top, "secret"), *gone = below(top, "gone");
    static struct seen data, exist, children, missed;
    struct String_vector names;
    char text[16];
    int length = sizeof text;
    seen_init(&data);
    seen_init(&exist);
    seen_init(&children);
    seen_init(&missed);
    OK(zoo_add_auth(c->zh, "digest", "ann:secret", 10, NULL, NULL));
    OK(zoo_create(c->zh, secret, "x", 1, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
    OK(zoo_create(c->zh, gone, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    OK(zoo_wget(c->zh, top, note_event, &data, text, &length, NULL));
    RC(ZNONODE, zoo_wexists(c->zh, below(top, "new"), note_event, &exist, NULL));
    OK(zoo_wget_children(c->zh, top, note_event, &children, &names));
    OK(zoo_wexists(c->zh, gone, note_event, &missed, NULL));
    ask("restart");
    await_back(c);
    await_back(writer);
    length = sizeof text;
    OK(zoo_get(c->zh, secret, 0, text, &length, NULL));
    TRUE(seen_left(&data) + seen_left(&exist) + seen_left(&children) + seen_left(&missed) == 0);
    OK(zoo_set(writer->zh, top, "y", 1, -1));
    OK(zoo_create(writer->zh, below(top, "new"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    OK(zoo_delete(writer->zh, gone, -1));
    TRUE(strncmp(seen_next(&data), "changed", 7) == 0);
    TRUE(strncmp(seen_next(&exist), "created", 7) == 0);
    TRUE(strncmp(seen_next(&children), "children", 8) == 0);
    TRUE(strncmp(seen_next(&missed), "deleted", 7) == 0);
}

static void moved(void) {
    struct client *c = connected();
    const char *node = below(place(c), "mine");
    struct Stat stat;
    clientid_t id = abandoned_session(node);
    struct client *next = connected_at("", &id, SESSION_TIMEOUT_MS);
    TRUE(zoo_client_id(next->zh)->client_id == id.client_id);
    OK(zoo_exists(next->zh, node, 0, &stat));
    TRUE(stat.ephemeralOwner == id.client_id);
    close_client(next);
    RC(ZNONODE, zoo_exists(c->zh, node, 0, &stat));
}

static void expired(void) {
    struct client *c = connected();
    const char *node = below(place(c), "mine");
    static struct seen seen;
    seen_init(&seen);
    clientid_t id = abandoned_session(node);
    RC(ZOK, zoo_wexists(c->zh, node, note_event, &seen, NULL));
    TRUE(strncmp(seen_next(&seen), "deleted", 7) == 0);
    struct client *late = started("", &id, SESSION_TIMEOUT_MS);
    seen_await(&late->events, "expired");
}

static void wrong_password(void) {
    struct client *c = connected();
    clientid_t id = *zoo_client_id(c->zh);
    id.passwd[3] ^= 1;
    struct client *thief = started("", &id, SESSION_TIMEOUT_MS);
    seen_await(&thief->events, "expired");
    TRUE(is_unrecoverable(thief->zh) == ZINVALIDSTATE);
    RC(ZINVALIDSTATE, zoo_exists(thief->zh, "/", 0, NULL));
}

static void unknown_session(void) {
    clientid_t id = {0x1234567890abcdefLL, "0123456789abcde"};
    struct client *c = started("", &id, SESSION_TIMEOUT_MS);
    seen_await(&c->events, "expired");
}

static void closed_session(void) {
    struct client *c = connected(), *other = connected();
    const char *node = below(place(c), "mine");
    static struct seen seen;
    seen_init(&seen);
    OK(zoo_create(c->zh, node, "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0));
    OK(zoo_wexists(other->zh, node, note_event, &seen, NULL));
    clientid_t id = *zoo_client_id(c->zh);
    close_client(c);
    TRUE(strncmp(seen_next(&seen), "deleted", 7) == 0);
    struct client *late = started("", &id, SESSION_TIMEOUT_MS);
    seen_await(&late->events, "expired");
}

static void lost_calls(void) {
    struct client *c = connected();
    ask("kill");
    seen_await(&c->events, "connecting");
    int rc = zoo_set(c->zh, "/", "x", 1, -1);
    ask("start");
    seen_await(&c->events, "connected");
    expect(rc == ZCONNECTIONLOSS || rc == ZOK, "a call during an outage gave %s", zerror(rc));
    OK(zoo_set(c->zh, "/", "x", 1, -1));
}

static void durable(void) {
    struct client *c = connected();
    const char *top = place(c);
    struct Stat stat;
    char path[160];
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "%s/%d", top, i);
        OK(zoo_create(c->zh, path, path, strlen(path), &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    }
    OK(zoo_delete(c->zh, path, -1));
    ask("crash");
    await_back(c);
    OK(zoo_exists(c->zh, top, 0, &stat));
    TRUE(stat.numChildren == 99);
    TRUE(stat.cversion == 101);
    struct client *fresh = connected();
    RC(ZNONODE, zoo_exists(fresh->zh, path, 0, NULL));
}

static void pinged(void) {
    struct client *c = connected_at("", NULL, 1000);
    const char *node = below(place(c), "mine");
    OK(zoo_create(c->zh, node, "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0));
    /* Three timeouts of silence: only the library's pings keep the session. */
    usleep(3 * 1000 * zoo_recv_timeout(c->zh));
    OK(zoo_exists(c->zh, node, 0, NULL));
}

void outages(void) {
    check("a session and its ephemerals live through a restart", session);
    check("watches and identities are sent again after a restart", watches_and_identity);
    check("a session moves to another connection by id and password", moved);
    check("a session expires when its client is gone", expired);
    check("a wrong password means that the session has expired", wrong_password);
    check("a session that nobody knows has expired", unknown_session);
    check("a closed session is gone with its ephemerals", closed_session);
    check("calls fail while there is no server, and work again behind it", lost_calls);
    check("what was answered survives a SIGKILL", durable);
    check("pings keep a session", pinged);
}
