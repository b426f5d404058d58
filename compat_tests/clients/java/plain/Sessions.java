import static org.apache.zookeeper.ZooDefs.Ids.CREATOR_ALL_ACL;
import static org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE;

import java.util.List;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.client.ZKClientConfig;

/** Sessions: how they begin, move, end and live through outages of the server. */
final class Sessions {
    static void all(Cases cases, Room room) {
        cases.check("facts of a session", () -> facts(room));
        cases.check("chroot", () -> chroot(room));
        cases.check("a session that may be read-only", () -> readOnly(room));
        cases.check("a session is taken over by id and password", () -> takenOver(room));
        cases.check("a wrong password means that the session has expired", () -> wrongPassword(room));
        cases.check("a closed session takes its ephemerals with it", () -> closed(room));
        cases.check("sessions, watches and identities live through a restart", () -> restart(cases, room));
        cases.check("persistent watches live through a restart", () -> persistentWatches(cases, room));
        cases.check("thousands of watches are set again after a restart", () -> manyWatches(cases, room));
        cases.check("changes missed in an outage are told afterwards", () -> missed(room));
        cases.check("what was answered survives a SIGKILL", () -> durable(cases, room));
        cases.check("updateServerList keeps the session", () -> serverList(room));
    }

    private static void facts(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        Cases.yes(zk.getSessionId() != 0, "it has an id");
        Cases.same(16, zk.getSessionPasswd().length);
        Cases.same(Room.SESSION_TIMEOUT_MS, zk.getSessionTimeout());
        Cases.same("CONNECTED", zk.getState().toString());
        Cases.yes(zk.toString().contains(Long.toHexString(zk.getSessionId())), "it can be printed");
        Cases.yes(zk.getClientConfig() != null && zk.getTestable() != null, "its configuration is known");
        Cases.yes(!zk.getSaslClient().getConfigStatus().isEmpty(), "it says whether it uses SASL");
        Room.Notes notes = new Room.Notes();
        ZooKeeper shortest = room.connected(new ZooKeeper(room.hosts, 900, notes, new ZKClientConfig()), notes);
        Cases.same(1_000, shortest.getSessionTimeout());
        Cases.yes(zk.close(1_000), "it closes within a second");
    }

    private static void chroot(Room room) throws Exception {
        ZooKeeper outside = room.connect();
        String path = room.place(outside);
        Room.Notes notes = new Room.Notes();
        ZooKeeper inside = room.connected(new ZooKeeper(room.hosts + path, Room.SESSION_TIMEOUT_MS, notes), notes);
        inside.exists("/a", true);
        Cases.same("/a", inside.create("/a", new byte[0], OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL));
        notes.same("NodeCreated /a");
        Cases.yes(outside.exists(path + "/a", false) != null, "it is below the root");
        inside.addWatch("/", notes, AddWatchMode.PERSISTENT_RECURSIVE);
        outside.setData(path + "/a", Room.bytes("x"), -1);
        notes.same("NodeDataChanged /a");
        Cases.same(List.of("a"), inside.getChildren("/", false));
    }

    private static void readOnly(Room room) throws Exception {
        Room.Notes notes = new Room.Notes();
        ZooKeeper zk = room.connected(new ZooKeeper(room.hosts, Room.SESSION_TIMEOUT_MS, notes, true), notes);
        Cases.same("CONNECTED", zk.getState().toString());
        room.place(zk);
    }

    private static void takenOver(Room room) throws Exception {
        Room.Notes before = new Room.Notes();
        ZooKeeper zk = room.connect(before);
        String path = room.place(zk) + "/mine";
        zk.create(path, new byte[0], OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        Room.Notes notes = new Room.Notes();
        ZooKeeper next = room.connected(new ZooKeeper(room.hosts, Room.SESSION_TIMEOUT_MS, notes, zk.getSessionId(),
                zk.getSessionPasswd()), notes);
        before.await("Disconnected");
        Cases.same(zk.getSessionId(), next.getSessionId());
        next.close();
        before.await("Expired");
        Cases.fails(KeeperException.SessionExpiredException.class, () -> zk.exists("/", false));
        Cases.same(null, room.connect().exists(path, false));
    }

    private static void wrongPassword(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        byte[] password = zk.getSessionPasswd().clone();
        password[7] ^= 1;
        Room.Notes notes = new Room.Notes();
        ZooKeeper thief = room.started(new ZooKeeper(room.hosts, Room.SESSION_TIMEOUT_MS, notes, zk.getSessionId(),
                password));
        notes.await("Expired");
        Cases.same("CLOSED", thief.getState().toString());
        Cases.eventually("the owner goes on", () -> Room.answers(zk));
    }

    private static void closed(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        ZooKeeper witness = room.connect();
        String path = room.place(witness);
        for (String name : List.of("/a", "/b", "/c")) {
            zk.create(path + name, new byte[0], OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        }
        Room.Notes notes = new Room.Notes();
        witness.addWatch(path, notes, AddWatchMode.PERSISTENT_RECURSIVE);
        zk.close();
        Cases.same(3, Cases.next(notes.told, 3).size());
        Cases.same(0, witness.exists(path, false).getNumChildren());
        Cases.fails(KeeperException.SessionExpiredException.class, () -> zk.exists("/", false));
    }

    private static void awaitBack(Room.Notes notes) throws Exception {
        notes.await("Disconnected");
        notes.await("SyncConnected");
    }

    private static void restart(Cases cases, Room room) throws Exception {
        Room.Notes session = new Room.Notes();
        ZooKeeper zk = room.connect(session);
        String path = room.place(zk);
        zk.addAuthInfo("digest", Room.bytes("ann:secret"));
        zk.create(path + "/mine", Room.bytes("x"), CREATOR_ALL_ACL, CreateMode.EPHEMERAL);
        Room.Notes data = new Room.Notes();
        Room.Notes exists = new Room.Notes();
        Room.Notes children = new Room.Notes();
        zk.getData(path, data, null);
        zk.exists(path + "/new", exists);
        zk.getChildren(path, children);
        long id = zk.getSessionId();
        cases.ask("restart");
        awaitBack(session);
        Cases.same(id, zk.getSessionId());
        Cases.same("x", new String(zk.getData(path + "/mine", false, null)));
        zk.setData(path, Room.bytes("y"), -1);
        zk.create(path + "/new", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        data.await("NodeDataChanged " + path);
        exists.await("NodeCreated " + path + "/new");
        children.await("NodeChildrenChanged " + path);
    }

    private static void persistentWatches(Cases cases, Room room) throws Exception {
        Room.Notes session = new Room.Notes();
        Room.Notes otherSession = new Room.Notes();
        ZooKeeper zk = room.connect(session);
        ZooKeeper other = room.connect(otherSession);
        String path = room.place(zk);
        Room.Notes plain = new Room.Notes();
        Room.Notes recursive = new Room.Notes();
        zk.addWatch(path, plain, AddWatchMode.PERSISTENT);
        // Before 3.9 a session's two watches of one path are one, of the kind that was set last.
        other.addWatch(path, recursive, AddWatchMode.PERSISTENT_RECURSIVE);
        cases.ask("crash");
        awaitBack(session);
        awaitBack(otherSession);
        // Its watches are set again before this is answered; what happened earlier nobody would be told.
        other.exists(path, false);
        zk.create(path + "/a", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        plain.await("NodeChildrenChanged " + path);
        recursive.await("NodeCreated " + path + "/a");
        zk.setData(path, Room.bytes("x"), -1);
        plain.await("NodeDataChanged " + path);
        recursive.await("NodeDataChanged " + path);
    }

    /** More paths than one setWatches packet takes (128 KiB of them). */
    private static void manyWatches(Cases cases, Room room) throws Exception {
        Room.Notes session = new Room.Notes();
        ZooKeeper zk = room.connect(session);
        String path = room.place(zk) + "/" + "x".repeat(100) + "-";
        Room.Notes notes = new Room.Notes();
        for (int number = 0; number < 2000; number++) {
            zk.exists(path + number, notes, (code, at, context, stat) -> { }, null);
        }
        zk.exists(path, false);
        cases.ask("restart");
        awaitBack(session);
        for (int number = 0; number < 2000; number += 199) {
            zk.create(path + number, new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
            notes.await("NodeCreated " + path + number);
        }
    }

    private static void missed(Room room) throws Exception {
        Room.Notes session = new Room.Notes();
        ZooKeeper zk = room.connect(session);
        ZooKeeper writer = room.connect();
        String path = room.place(writer);
        writer.create(path + "/gone", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        Room.Notes data = new Room.Notes();
        Room.Notes created = new Room.Notes();
        Room.Notes deleted = new Room.Notes();
        Room.Notes children = new Room.Notes();
        zk.getData(path, data, null);
        zk.exists(path + "/new", created);
        zk.exists(path + "/gone", deleted);
        zk.getChildren(path, children);
        // The same session on another connection: this one is cut off, and the server forgets its watches.
        Room.Notes notes = new Room.Notes();
        ZooKeeper other = room.connected(new ZooKeeper(room.hosts, Room.SESSION_TIMEOUT_MS, notes, zk.getSessionId(),
                zk.getSessionPasswd()), notes);
        writer.setData(path, Room.bytes("y"), -1);
        writer.create(path + "/new", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        writer.delete(path + "/gone", -1);
        awaitBack(session);
        data.same("NodeDataChanged " + path);
        created.same("NodeCreated " + path + "/new");
        deleted.same("NodeDeleted " + path + "/gone");
        children.same("NodeChildrenChanged " + path);
        Cases.yes(other.getSessionId() == zk.getSessionId(), "one session all the time");
    }

    private static void durable(Cases cases, Room room) throws Exception {
        Room.Notes session = new Room.Notes();
        ZooKeeper zk = room.connect(session);
        String path = room.place(zk);
        for (int number = 0; number < 50; number++) {
            zk.create(path + "/" + number, Room.bytes("x"), OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        }
        zk.delete(path + "/7", -1);
        cases.ask("crash");
        awaitBack(session);
        Cases.same(49, zk.getChildren(path, false).size());
        Cases.same(51, zk.exists(path, false).getCversion());
    }

    private static void serverList(Room room) throws Exception {
        Room.Notes notes = new Room.Notes();
        ZooKeeper zk = room.connect(notes);
        long id = zk.getSessionId();
        zk.updateServerList(room.hosts);
        Cases.eventually("it goes on", () -> Room.answers(zk));
        Cases.same(id, zk.getSessionId());
    }
}
