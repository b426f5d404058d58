/* Every call whose answer comes to a callback. */
#include "cases.h"

static void done_void(int rc, const void *seen) {
    seen_put((struct seen *)seen, "%d", rc);
}

static void done_string(int rc, const char *value, const void *seen) {
    seen_put((struct seen *)seen, "%d %s", rc, value == NULL ? "-" : value);
}

static void done_string_stat(int rc, const char *value, const struct Stat *stat, const void *seen) {
    seen_put((struct seen *)seen, "%d %s %d", rc, value == NULL ? "-" : value, stat == NULL ? -1 : stat->dataLength);
}

static void done_stat(int rc, const struct Stat *stat, const void *seen) {
    seen_put((struct seen *)seen, "%d version %d", rc, stat == NULL ? -1 : stat->version);
}

static void done_data(int rc, const char *value, int length, const struct Stat *stat, const void *seen) {
    (void)stat;
    seen_put((struct seen *)seen, "%d %.*s", rc, length < 0 ? 0 : length, value == NULL ? "" : value);
}

static void done_strings(int rc, const struct String_vector *names, const void *seen) {
    seen_put((struct seen *)seen, "%d names %d", rc, names == NULL ? -1 : names->count);
}

static void done_strings_stat(int rc, const struct String_vector *names, const struct Stat *stat, const void *seen) {
    seen_put((struct seen *)seen, "%d names %d of %d", rc, names == NULL ? -1 : names->count,
             stat == NULL ? -1 : stat->numChildren);
}

static void done_acl(int rc, struct ACL_vector *acl, struct Stat *stat, const void *seen) {
    (void)stat;
    seen_put((struct seen *)seen, "%d entries %d", rc, acl == NULL ? -1 : acl->count);
}

static struct seen *notes(void) {
    struct seen *seen = malloc(sizeof *seen);
    seen_init(seen);
    return seen;
}

static void every_call(void) {
    struct client *c = connected();
    const char *top = place(c), *node = below(top, "node");
    struct seen *seen = notes();
    char expected[160];
    OK(zoo_acreate(c->zh, node, "one", 3, &ZOO_OPEN_ACL_UNSAFE, 0, done_string, seen));
    OK(zoo_acreate2(c->zh, below(top, "2"), "two", 3, &ZOO_OPEN_ACL_UNSAFE, 0, done_string_stat, seen));
    OK(zoo_acreate_ttl(c->zh, below(top, "t"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_WITH_TTL, 60000,
                       done_string, seen));
    OK(zoo_acreate2_ttl(c->zh, below(top, "u"), "x", 1, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_WITH_TTL, 60000,
                        done_string_stat, seen));
    OK(zoo_aget(c->zh, node, 0, done_data, seen));
    OK(zoo_aset(c->zh, node, "two", 3, 0, done_stat, seen));
    OK(zoo_aset(c->zh, node, "no", 2, 0, done_stat, seen));
    OK(zoo_aexists(c->zh, node, 0, done_stat, seen));
    OK(zoo_aget_children(c->zh, top, 0, done_strings, seen));
    OK(zoo_aget_children2(c->zh, top, 0, done_strings_stat, seen));
    OK(zoo_aget_acl(c->zh, node, done_acl, seen));
    OK(zoo_aset_acl(c->zh, node, -1, (struct ACL_vector *)&ZOO_READ_ACL_UNSAFE, done_void, seen));
    OK(zoo_aget(c->zh, below(top, "none"), 0, done_data, seen));
    OK(zoo_async(c->zh, top, done_string, seen));
    OK(zoo_adelete(c->zh, node, -1, done_void, seen));
    OK(zoo_agetconfig(c->zh, 0, done_data, seen));
    snprintf(expected, sizeof expected, "0 %s", node);
    TEXT(expected, seen_next(seen));
    snprintf(expected, sizeof expected, "0 %s 3", below(top, "2"));
    TEXT(expected, seen_next(seen));
    snprintf(expected, sizeof expected, "0 %s", below(top, "t"));
    TEXT(expected, seen_next(seen));
    snprintf(expected, sizeof expected, "0 %s 1", below(top, "u"));
    TEXT(expected, seen_next(seen));
    TEXT("0 one", seen_next(seen));
    TEXT("0 version 1", seen_next(seen));
    TEXT("-103 version -1", seen_next(seen));
    TEXT("0 version 1", seen_next(seen));
    TEXT("0 names 4", seen_next(seen));
    TEXT("0 names 4 of 4", seen_next(seen));
    TEXT("0 entries 1", seen_next(seen));
    TEXT("0", seen_next(seen));
    TEXT("-101 ", seen_next(seen));
    snprintf(expected, sizeof expected, "0 %s", top);
    TEXT(expected, seen_next(seen));
    TEXT("0", seen_next(seen));
    TEXT("0 ", seen_next(seen));
}

static void async_multi(void) {
    struct client *c = connected();
    const char *node = below(place(c), "node");
    struct seen *seen = notes();
    struct Stat stat;
    char made[128];
    zoo_op_t ops[2];
    zoo_op_result_t results[2];
    zoo_create_op_init(&ops[0], node, "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made);
    zoo_set_op_init(&ops[1], node, "y", 1, 0, &stat);
    OK(zoo_amulti(c->zh, 2, ops, results, done_void, seen));
    TEXT("0", seen_next(seen));
    TEXT(node, made);
    TRUE(stat.version == 1 && results[0].err == 0 && results[1].err == 0);
}

static void authentication(void) {
    struct client *c = connected();
    struct seen *seen = notes();
    OK(zoo_add_auth(c->zh, "digest", "ann:secret", 10, done_void, seen));
    TEXT("0", seen_next(seen));
    OK(zoo_add_auth(c->zh, "nonsense", "x", 1, done_void, seen));
    TEXT("-115", seen_next(seen));
    seen_await(&c->events, "auth failed");
}

static void in_order(void) {
    struct client *c = connected();
    const char *top = place(c);
    struct seen *seen = notes();
    char path[160];
    const int count = 2000;
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%d-", top, i);
        OK(zoo_acreate(c->zh, path, "x", 1, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, done_string, seen));
    }
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "0 %s/%d-%010d", top, i, i);
        TEXT(path, seen_next(seen));
    }
}

void async_calls(void) {
    check("every call with a callback", every_call);
    check("multi with a callback", async_multi);
    check("authentication, good and bad", authentication);
    check("2,000 creates in flight are done and answered in order", in_order);
}
