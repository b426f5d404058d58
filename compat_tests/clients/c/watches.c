/* Watches, each with a watcher of its own and with the session's. */
#include "cases.h"

static struct seen *notes(void) {
    struct seen *seen = malloc(sizeof *seen);
    seen_init(seen);
    return seen;
}

static void event(const char *what, const char *path, struct seen *seen) {
    char expected[160];
    snprintf(expected, sizeof expected, "%s %s", what, path);
    TEXT(expected, seen_next(seen));
}

static void own_watchers(void) {
    struct client *c = connected(), *writer = connected();
    const char *top = place(writer), *node = below(top, "node");
    struct seen *seen = notes();
    struct String_vector names;
    char data[16];
    int length = sizeof data;
    RC(ZNONODE, zoo_wexists(c->zh, node, note_event, seen, NULL));
    OK(zoo_create(writer->zh, node, "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
    event("created", node, seen);
    OK(zoo_wget(c->zh, node, note_event, seen, data, &length, NULL));
    OK(zoo_set(writer->zh, node, "2", 1, -1));
    event("changed", node, seen);
    OK(zoo_wget_children(c->zh, top, note_event, seen, &names));
    deallocate_String_vector(&names);
    OK(zoo_wexists(c->zh, node, note_event, seen, NULL));
    OK(zoo_delete(writer->zh, node, -1));
    event("deleted", node, seen);
    event("children", top, seen);
    TRUE(seen_left(seen) == 0);
}

static void session_watcher(void) {
    struct client *c = connected(), *writer = connected();
    const char *node = place(writer);
    char data[16];
    int length = sizeof data;
    OK(zoo_get(c->zh, node, 1, data, &length, NULL));
    OK(zoo_exists(c->zh, node, 1, NULL));
    OK(zoo_set(writer->zh, node, "1", 1, -1));
    event("changed", node, &c->events);
    OK(zoo_set(writer->zh, node, "2", 1, -1));
    OK(zoo_exists(c->zh, node, 0, NULL));
    TRUE(seen_left(&c->events) == 0);
}

static void before_the_answer(void) {
    struct client *c = connected();
    const char *node = place(c);
    struct seen *seen = notes();
    OK(zoo_wexists(c->zh, node, note_event, seen, NULL));
    OK(zoo_set(c->zh, node, "1", 1, -1));
    event("changed", node, seen);
}

static void removed(void) {
    struct client *c = connected(), *writer = connected();
    const char *node = place(writer);
    struct seen *seen = notes();
    OK(zoo_wexists(c->zh, node, note_event, seen, NULL));
    RC(ZNOWATCHER, zoo_remove_watches(c->zh, node, ZWATCHTYPE_CHILD, note_event, seen, 0));
    OK(zoo_remove_watches(c->zh, node, ZWATCHTYPE_DATA, note_event, seen, 0));
    RC(ZNOWATCHER, zoo_remove_watches(c->zh, node, ZWATCHTYPE_ANY, note_event, seen, 0));
    OK(zoo_wexists(c->zh, node, note_event, seen, NULL));
    OK(zoo_remove_all_watches(c->zh, node, ZWATCHTYPE_ANY, 0));
    OK(zoo_set(writer->zh, node, "1", 1, -1));
    OK(zoo_exists(c->zh, node, 0, NULL));
    while (seen_left(seen) > 0) TRUE(strncmp(seen_next(seen), "changed", 7) != 0);
}

void watches(void) {
    check("watches with watchers of their own", own_watchers);
    check("watches with the session's watcher", session_watcher);
    check("an event comes before the answer to the write that set it off", before_the_answer);
    check("watches can be removed", removed);
}
