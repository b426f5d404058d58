/* Every call that waits for its answer. */
#include "cases.h"

static void create_and_read(void) {
    struct client *c = connected();
    const char *node = below(place(c), "node");
    char made[128], data[16];
    int length = sizeof data;
    struct Stat stat;
    OK(zoo_create(c->zh, node, "one", 3, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made));
    TEXT(node, made);
    OK(zoo_get(c->zh, node, 0, data, &length, &stat));
    TRUE(length == 3 && memcmp(data, "one", 3) == 0);
    TRUE(stat.version == 0 && stat.dataLength == 3 && stat.czxid == stat.mzxid);
    RC(ZNODEEXISTS, zoo_create(c->zh, node, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made));
    RC(ZNONODE, zoo_create(c->zh, below(node, "a/b"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made));
    RC(ZBADARGUMENTS, zoo_create(c->zh, "/a//b", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made));
}

static void no_data(void) {
    struct client *c = connected();
    const char *node = below(place(c), "null");
    char data[16];
    int length = sizeof data;
    OK(zoo_create(c->zh, node, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    OK(zoo_get(c->zh, node, 0, data, &length, NULL));
    TRUE(length == -1);
    OK(zoo_set(c->zh, node, "", 0, -1));
    length = sizeof data;
    OK(zoo_get(c->zh, node, 0, data, &length, NULL));
    TRUE(length == 0);
}

static void set_and_delete(void) {
    struct client *c = connected();
    const char *node = place(c);
    struct Stat stat;
    OK(zoo_set(c->zh, node, "two", 3, 0));
    OK(zoo_set2(c->zh, node, "three", 5, -1, &stat));
    TRUE(stat.version == 2 && stat.dataLength == 5);
    RC(ZBADVERSION, zoo_set(c->zh, node, "no", 2, 0));
    RC(ZBADVERSION, zoo_delete(c->zh, node, 0));
    OK(zoo_exists(c->zh, node, 0, &stat));
    OK(zoo_delete(c->zh, node, 2));
    RC(ZNONODE, zoo_exists(c->zh, node, 0, &stat));
    RC(ZNONODE, zoo_delete(c->zh, node, -1));
}

static void kinds_of_nodes(void) {
    struct client *c = connected();
    const char *top = place(c);
    char made[128];
    struct Stat stat;
    OK(zoo_create(c->zh, below(top, "s-"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, made, sizeof made));
    TEXT(below(top, "s-0000000000"), made);
    OK(zoo_create2(c->zh, below(top, "e-"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL | ZOO_SEQUENCE, made,
                   sizeof made, &stat));
    TEXT(below(top, "e-0000000001"), made);
    TRUE(stat.ephemeralOwner == zoo_client_id(c->zh)->client_id);
    RC(ZNOCHILDRENFOREPHEMERALS, zoo_create(c->zh, below(made, "x"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    RC(ZNOTEMPTY, zoo_delete(c->zh, top, -1));
    OK(zoo_create(c->zh, below(top, "container"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_CONTAINER, NULL, 0));
    OK(zoo_create_ttl(c->zh, below(top, "ttl"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_WITH_TTL, 60000, NULL,
                      0));
    OK(zoo_create2_ttl(c->zh, below(top, "ttl-"), "", 0, &ZOO_OPEN_ACL_UNSAFE,
                       ZOO_PERSISTENT_SEQUENTIAL_WITH_TTL, 60000, made, sizeof made, &stat));
    TEXT(below(top, "ttl-0000000004"), made);
}

static void children(void) {
    struct client *c = connected();
    const char *top = place(c);
    struct String_vector names;
    struct Stat stat;
    OK(zoo_create(c->zh, below(top, "a"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    OK(zoo_create(c->zh, below(top, "b"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    OK(zoo_get_children(c->zh, top, 0, &names));
    TRUE(names.count == 2);
    deallocate_String_vector(&names);
    OK(zoo_get_children2(c->zh, top, 0, &names, &stat));
    TRUE(names.count == 2 && stat.numChildren == 2 && stat.cversion == 2);
    deallocate_String_vector(&names);
}

static void permissions(void) {
    struct client *c = connected();
    const char *node = below(place(c), "node");
    char data[16];
    int length = sizeof data;
    struct ACL_vector acl;
    struct Stat stat;
    RC(ZINVALIDACL, zoo_create(c->zh, node, "x", 1, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
    OK(zoo_add_auth(c->zh, "digest", "ann:secret", 10, NULL, NULL));
    OK(zoo_create(c->zh, node, "x", 1, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
    OK(zoo_get_acl(c->zh, node, &acl, &stat));
    TRUE(acl.count == 1);
    TEXT("digest", acl.data[0].id.scheme);
    deallocate_ACL_vector(&acl);
    struct client *stranger = connected();
    RC(ZNOAUTH, zoo_get(stranger->zh, node, 0, data, &length, &stat));
    RC(ZNOAUTH, zoo_set_acl(stranger->zh, node, -1, &ZOO_OPEN_ACL_UNSAFE));
    OK(zoo_set_acl(c->zh, node, 0, &ZOO_READ_ACL_UNSAFE));
    OK(zoo_get(stranger->zh, node, 0, data, &length, &stat));
    RC(ZNOAUTH, zoo_set(stranger->zh, node, "y", 1, -1));
    TRUE(stat.aversion == 1);
}

static void multi(void) {
    struct client *c = connected();
    const char *top = place(c);
    const char *node = below(top, "node");
    char made[128], numbered[128];
    struct Stat stat;
    zoo_op_t all[5], some[3];
    zoo_op_result_t results[5];
    zoo_create_op_init(&all[0], node, "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made);
    zoo_create_op_init(&all[1], below(top, "s-"), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, numbered,
                       sizeof numbered);
    zoo_check_op_init(&all[2], node, 0);
    zoo_set_op_init(&all[3], node, "y", 1, 0, &stat);
    zoo_delete_op_init(&all[4], node, 1);
    OK(zoo_multi(c->zh, 5, all, results));
    TEXT(node, made);
    TEXT(below(top, "s-0000000001"), numbered);
    TRUE(stat.version == 1);
    zoo_create_op_init(&some[0], node, "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made);
    zoo_check_op_init(&some[1], top, 9);
    zoo_delete_op_init(&some[2], top, -1);
    RC(ZBADVERSION, zoo_multi(c->zh, 3, some, results));
    TRUE(results[0].err == ZOK && results[1].err == ZBADVERSION && results[2].err == ZRUNTIMEINCONSISTENCY);
    RC(ZNONODE, zoo_exists(c->zh, node, 0, NULL));
}

static void large_node(void) {
    struct client *c = connected();
    const char *node = below(place(c), "large");
    const int size = 900 * 1024;
    char *data = malloc(size), *back = malloc(size);
    int length = size;
    for (int i = 0; i < size; i++) data[i] = (char)(i * 31 + i / 251);
    OK(zoo_create(c->zh, node, data, size, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    OK(zoo_get(c->zh, node, 0, back, &length, NULL));
    TRUE(length == size && memcmp(data, back, size) == 0);
    free(data);
    free(back);
}

static void chroot_of_a_client(void) {
    struct client *outside = connected();
    const char *top = place(outside);
    struct client *inside = connected_at(top, NULL, SESSION_TIMEOUT_MS);
    char made[128];
    OK(zoo_create(inside->zh, "/node", "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof made));
    TEXT("/node", made);
    OK(zoo_exists(outside->zh, below(top, "node"), 0, NULL));
}

static void configuration(void) {
    struct client *c = connected();
    char text[1024];
    int length = sizeof text;
    struct Stat stat;
    OK(zoo_getconfig(c->zh, 0, text, &length, &stat));
    TRUE(length <= 0);
    length = sizeof text;
    RC(ZRECONFIGDISABLED, zoo_reconfig(c->zh, NULL, "2", NULL, -1, text, &length, &stat));
}

static void *hammer(void *argument) {
    struct client *c = argument;
    intptr_t failures = 0;
    for (int round = 0; round < 50; round++) {
        char path[128];
        snprintf(path, sizeof path, "/threads/%lu-%d", (unsigned long)pthread_self(), round);
        failures += zoo_create(c->zh, path, "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0) != ZOK;
        failures += zoo_exists(c->zh, path, 0, NULL) != ZOK;
    }
    return (void *)failures;
}

static void threads(void) {
    struct client *c = connected();
    pthread_t workers[8];
    struct Stat stat;
    void *failures;
    OK(zoo_create(c->zh, "/threads", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    for (int i = 0; i < 8; i++) pthread_create(&workers[i], NULL, hammer, c);
    for (int i = 0; i < 8; i++) {
        pthread_join(workers[i], &failures);
        TRUE(failures == NULL);
    }
    OK(zoo_exists(c->zh, "/threads", 0, &stat));
    TRUE(stat.numChildren == 400);
}

void sync_calls(void) {
    check("create and get", create_and_read);
    check("no data and empty data are two things", no_data);
    check("set and delete", set_and_delete);
    check("sequential, ephemeral, container and TTL nodes", kinds_of_nodes);
    check("children", children);
    check("permissions", permissions);
    check("multi", multi);
    check("a node of 900 KB", large_node);
    check("chroot", chroot_of_a_client);
    check("getconfig and reconfig", configuration);
    check("eight threads on one handle", threads);
}
