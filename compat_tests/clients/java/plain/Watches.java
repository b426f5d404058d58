import static org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE;

import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.WatcherType;
import org.apache.zookeeper.ZooKeeper;

/** Watches of every kind, and how they are taken back. */
final class Watches {
    static void all(Cases cases, Room room) {
        cases.check("watches that go off once", () -> once(room));
        cases.check("the session's own watcher", () -> byDefault(room));
        cases.check("persistent watches", () -> persistent(room));
        cases.check("persistent recursive watches", () -> recursive(room));
        cases.check("watches can be removed by type", () -> removed(room));
        cases.check("a watch on the configuration", () -> configuration(room));
        cases.check("an event comes before the answer to its write", () -> beforeTheAnswer(room));
        cases.check("a deletion sets off every kind of watch", () -> deletion(room));
    }

    private static void create(ZooKeeper zk, String path) throws Exception {
        zk.create(path, new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
    }

    private static void once(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        ZooKeeper writer = room.connect();
        String path = room.place(writer);
        Room.Notes notes = new Room.Notes();
        Cases.same(null, zk.exists(path + "/a", notes));
        create(writer, path + "/a");
        notes.same("NodeCreated " + path + "/a");
        zk.getData(path + "/a", notes, null);
        writer.setData(path + "/a", Room.bytes("1"), -1);
        notes.same("NodeDataChanged " + path + "/a");
        writer.setData(path + "/a", Room.bytes("2"), -1);
        zk.getChildren(path, notes);
        create(writer, path + "/b");
        notes.same("NodeChildrenChanged " + path);
        zk.exists(path + "/b", notes);
        writer.delete(path + "/b", -1);
        notes.same("NodeDeleted " + path + "/b");
        Cases.fails(KeeperException.NoNodeException.class, () -> zk.getData(path + "/c", notes, null));
        create(writer, path + "/c");
        zk.exists(path, false);
        notes.nothing();
    }

    private static void byDefault(Room room) throws Exception {
        Room.Notes first = new Room.Notes();
        ZooKeeper zk = room.connect(first);
        String path = room.place(zk);
        zk.getData(path, true, null);
        zk.setData(path, Room.bytes("1"), -1);
        first.same("NodeDataChanged " + path);
        Room.Notes second = new Room.Notes();
        zk.register(second);
        zk.exists(path, true);
        zk.getChildren(path, true);
        zk.setData(path, Room.bytes("2"), -1);
        second.same("NodeDataChanged " + path);
        create(zk, path + "/a");
        second.same("NodeChildrenChanged " + path);
        first.nothing();
    }

    private static void persistent(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        ZooKeeper writer = room.connect();
        String path = room.place(writer);
        Room.Notes notes = new Room.Notes();
        zk.addWatch(path, notes, AddWatchMode.PERSISTENT);
        for (int round = 0; round < 3; round++) {
            writer.setData(path, Room.bytes("x"), -1);
            notes.same("NodeDataChanged " + path);
            create(writer, path + "/" + round);
            notes.same("NodeChildrenChanged " + path);
            create(writer, path + "/" + round + "/deep");
        }
        zk.exists(path, false);
        notes.nothing();
    }

    private static void recursive(Room room) throws Exception {
        Room.Notes notes = new Room.Notes();
        ZooKeeper zk = room.connect(notes);
        ZooKeeper writer = room.connect();
        String path = room.place(writer);
        zk.addWatch(path, AddWatchMode.PERSISTENT_RECURSIVE);
        create(writer, path + "/a");
        notes.same("NodeCreated " + path + "/a");
        create(writer, path + "/a/b");
        notes.same("NodeCreated " + path + "/a/b");
        writer.setData(path + "/a/b", Room.bytes("x"), -1);
        notes.same("NodeDataChanged " + path + "/a/b");
        writer.delete(path + "/a/b", -1);
        notes.same("NodeDeleted " + path + "/a/b");
        zk.exists(path, false);
        notes.nothing();
    }

    private static void removed(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        ZooKeeper writer = room.connect();
        String path = room.place(writer);
        Room.Notes notes = new Room.Notes();
        zk.getData(path, notes, null);
        zk.getChildren(path, notes);
        zk.removeWatches(path, notes, WatcherType.Data, false);
        notes.same("DataWatchRemoved " + path);
        writer.setData(path, Room.bytes("x"), -1);
        Cases.fails(KeeperException.NoWatcherException.class,
                () -> zk.removeWatches(path, notes, WatcherType.Data, false));
        zk.removeAllWatches(path, WatcherType.Children, false);
        notes.same("ChildWatchRemoved " + path);
        create(writer, path + "/a");
        zk.addWatch(path, notes, AddWatchMode.PERSISTENT);
        zk.removeWatches(path, notes, WatcherType.Any, false);
        notes.same("PersistentWatchRemoved " + path);
        writer.setData(path, Room.bytes("y"), -1);
        zk.exists(path, false);
        notes.nothing();
        Cases.fails(KeeperException.NoWatcherException.class,
                () -> zk.removeAllWatches(path, WatcherType.Any, false));
    }

    private static void configuration(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        Room.Notes notes = new Room.Notes();
        zk.getConfig(notes, null);
        ZooKeeper writer = room.connect();
        writer.addAuthInfo("digest", Room.bytes("super:test"));
        writer.setData("/zookeeper/config", new byte[0], -1);
        notes.same("NodeDataChanged /zookeeper/config");
    }

    private static void beforeTheAnswer(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        Room.Notes notes = new Room.Notes();
        for (int round = 0; round < 50; round++) {
            zk.getData(path, notes, null);
            zk.setData(path, Room.bytes("x"), -1, (code, at, context, stat) -> notes.told.add("answered"), null);
            notes.same("NodeDataChanged " + path);
            notes.same("answered");
        }
    }

    private static void deletion(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        ZooKeeper writer = room.connect();
        String path = room.place(writer) + "/a";
        create(writer, path);
        Room.Notes data = new Room.Notes();
        Room.Notes children = new Room.Notes();
        Room.Notes persistent = new Room.Notes();
        Room.Notes recursive = new Room.Notes();
        zk.getData(path, data, null);
        zk.getChildren(path, children);
        zk.addWatch(path, persistent, AddWatchMode.PERSISTENT);
        zk.addWatch(path, recursive, AddWatchMode.PERSISTENT_RECURSIVE);
        writer.delete(path, -1);
        for (Room.Notes notes : new Room.Notes[] {data, children, persistent, recursive}) {
            notes.same("NodeDeleted " + path);
        }
        zk.exists(path, false);
        for (Room.Notes notes : new Room.Notes[] {data, children, persistent, recursive}) {
            notes.nothing();
        }
    }
}
