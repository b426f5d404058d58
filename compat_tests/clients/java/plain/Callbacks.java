import static org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE;

import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.AsyncCallback;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.admin.ZooKeeperAdmin;
import org.apache.zookeeper.data.Stat;

/** The calls whose answers come to a callback. */
final class Callbacks {
    static void all(Cases cases, Room room) {
        cases.check("every call with a callback", () -> everyCall(room));
        cases.check("multi with a callback", () -> multi(room));
        cases.check("addWatch and removeWatches with callbacks", () -> watches(room));
        cases.check("getConfig and reconfigure with callbacks", () -> configuration(room));
        cases.check("2,000 calls in flight are answered in order", () -> inOrder(room));
    }

    private final BlockingQueue<String> told = new LinkedBlockingQueue<>();
    private final AsyncCallback.StringCallback string = (code, path, context, name) -> told.add(code + " " + name);
    private final AsyncCallback.Create2Callback string2 =
            (code, path, context, name, stat) -> told.add(code + " " + name + " " + (stat != null));
    private final AsyncCallback.VoidCallback nothing = (code, path, context) -> told.add(code + " " + context);
    private final AsyncCallback.StatCallback version =
            (code, path, context, stat) -> told.add(code + " " + (stat == null ? "-" : stat.getVersion()));
    private final AsyncCallback.DataCallback data =
            (code, path, context, bytes, stat) -> told.add(code + " " + (bytes == null ? "-" : new String(bytes)));

    private void same(Object... parts) throws Exception {
        StringBuilder expected = new StringBuilder();
        for (Object part : parts) {
            expected.append(expected.length() == 0 ? "" : " ").append(part);
        }
        Cases.same(expected.toString(), Cases.next(told));
    }

    private static void everyCall(Room room) throws Exception {
        Callbacks here = new Callbacks();
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        zk.create(path + "/a", Room.bytes("x"), OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, here.string, null);
        zk.create(path + "/b", Room.bytes("x"), OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL, here.string2, null);
        zk.create(path + "/t", Room.bytes("x"), OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, here.string2, null,
                60_000);
        zk.exists(path + "/a", false, here.version, null);
        zk.getData(path + "/a", false, here.data, null);
        zk.setData(path + "/a", Room.bytes("y"), 0, here.version, null);
        zk.setData(path + "/a", Room.bytes("z"), 0, here.version, null);
        zk.getACL(path + "/a", new Stat(), (code, at, context, list, stat) -> here.told.add(code + " " + list.size()),
                null);
        zk.setACL(path + "/a", OPEN_ACL_UNSAFE, 0,
                (code, at, context, stat) -> here.told.add(code + " " + stat.getAversion()), null);
        zk.getChildren(path, false, (int code, String at, Object context, List<String> names) ->
                here.told.add(code + " " + names.size()), null);
        zk.getChildren(path, false, (int code, String at, Object context, List<String> names, Stat stat) ->
                here.told.add(code + " " + names.size() + " " + stat.getCversion()), null);
        zk.getAllChildrenNumber(path, (code, at, context, number) -> here.told.add(code + " " + number), null);
        zk.getEphemerals((code, context, paths) -> here.told.add(code + " " + paths), null);
        zk.getEphemerals(path + "/a", (code, context, paths) -> here.told.add(code + " " + paths), null);
        zk.sync(path, here.nothing, "synced");
        zk.delete(path + "/a", -1, here.nothing, "deleted");
        zk.getData(path + "/a", false, here.data, null);
        here.same(0, path + "/a");
        here.same(0, path + "/b", true);
        here.same(0, path + "/t", true);
        here.same(0, 0);
        here.same(0, "x");
        here.same(0, 1);
        here.same(-103, "-");
        here.same(0, 1);
        here.same(0, 1);
        here.same(0, 3);
        here.same(0, 3, 3);
        here.same(0, 3);
        here.same(0, "[" + path + "/b]");
        here.same(0, "[]");
        here.same(0, "synced");
        here.same(0, "deleted");
        here.same(-101, "-");
    }

    private static void multi(Room room) throws Exception {
        Callbacks here = new Callbacks();
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        AsyncCallback.MultiCallback results =
                (code, at, context, list) -> here.told.add(code + " " + (list == null ? "-" : list.size()));
        zk.multi(List.of(Op.check(path, 0), Op.delete(path, 0)), results, null);
        zk.multi(List.of(Op.check(path, 0)), results, null);
        here.same(0, 2);
        here.same(-101, 1);
        zk.transaction().create(path, new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT).commit(results, null);
        here.same(0, 1);
    }

    private static void watches(Room room) throws Exception {
        Callbacks here = new Callbacks();
        Room.Notes notes = new Room.Notes();
        ZooKeeper zk = room.connect(notes);
        String path = room.place(zk);
        zk.addWatch(path, AddWatchMode.PERSISTENT, here.nothing, "added");
        here.same(0, "added");
        zk.setData(path, Room.bytes("x"), -1);
        notes.same("NodeDataChanged " + path);
        Room.Notes own = new Room.Notes();
        zk.addWatch(path, own, AddWatchMode.PERSISTENT_RECURSIVE, here.nothing, "added");
        here.same(0, "added");
        zk.removeWatches(path, own, Watcher.WatcherType.Any, false, here.nothing, "removed");
        here.same(0, "removed");
        own.same("PersistentWatchRemoved " + path);
        zk.removeAllWatches(path, Watcher.WatcherType.Any, false, here.nothing, "all removed");
        here.same(0, "all removed");
        zk.removeAllWatches(path, Watcher.WatcherType.Data, false, here.nothing, "none left");
        here.same(-121, "none left");
    }

    private static void configuration(Room room) throws Exception {
        Callbacks here = new Callbacks();
        ZooKeeperAdmin admin = room.admin();
        admin.getConfig(false, here.data, null);
        here.same(0, "");
        admin.reconfigure("server.2=127.0.0.1:1:2;3", null, null, -1, here.data, null);
        here.same(-123, "-");
        admin.reconfigure(List.of(), List.of("2"), List.of(), -1, here.data, null);
        here.same(-123, "-");
    }

    private static void inOrder(Room room) throws Exception {
        Callbacks here = new Callbacks();
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        for (int number = 0; number < 1000; number++) {
            zk.create(path + "/n-", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL, here.string, null);
            zk.exists(path + String.format("/n-%010d", number), false, here.version, null);
        }
        for (int number = 0; number < 1000; number++) {
            here.same(0, path + String.format("/n-%010d", number));
            here.same(0, 0);
        }
    }
}
