import static org.apache.zookeeper.ZooDefs.Ids.CREATOR_ALL_ACL;
import static org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE;
import static org.apache.zookeeper.ZooDefs.Ids.READ_ACL_UNSAFE;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.ZKUtil;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.admin.ZooKeeperAdmin;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;

/** The calls that wait for their answers. */
final class Calls {
    static void all(Cases cases, Room room) {
        cases.check("create, exists, getData, setData, delete", () -> basics(room));
        cases.check("create in every mode", () -> modes(room));
        cases.check("TTL nodes", () -> ttl(room));
        cases.check("containers", () -> containers(room));
        cases.check("getChildren", () -> children(room));
        cases.check("getAllChildrenNumber and getEphemerals", () -> counted(room));
        cases.check("getACL and setACL", () -> permissions(room));
        cases.check("addAuthInfo and whoAmI", () -> identities(room));
        cases.check("multi, transaction", () -> multi(room));
        cases.check("multi of reads", () -> multiOfReads(room));
        cases.check("multi that fails", () -> failingMulti(room));
        cases.check("getConfig and reconfigure", () -> configuration(room));
        cases.check("ZKUtil's deleteRecursive and visitSubTreeDFS", () -> trees(room));
        cases.check("a node of 900 KB and one too many", () -> large(room));
        cases.check("paths with strange characters", () -> paths(room));
    }

    private static void basics(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk) + "/node";
        Stat made = new Stat();
        Cases.same(path, zk.create(path, Room.bytes("one"), OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, made));
        Stat stat = new Stat();
        Cases.same("one", new String(zk.getData(path, false, stat)));
        Cases.same(made, stat);
        Cases.same(3, stat.getDataLength());
        Cases.same(stat, zk.exists(path, false));
        Cases.same(1, zk.setData(path, Room.bytes("two"), 0).getVersion());
        Cases.fails(KeeperException.BadVersionException.class, () -> zk.setData(path, new byte[0], 0));
        Cases.fails(KeeperException.BadVersionException.class, () -> zk.delete(path, 0));
        Cases.fails(KeeperException.NodeExistsException.class,
                () -> zk.create(path, new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        Cases.fails(KeeperException.NoNodeException.class,
                () -> zk.create(path + "/a/b", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        zk.delete(path, 1);
        Cases.same(null, zk.exists(path, false));
        Cases.fails(KeeperException.NoNodeException.class, () -> zk.delete(path, -1));
        zk.create(path, null, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        Cases.same(null, zk.getData(path, false, null));
        Cases.fails(KeeperException.BadArgumentsException.class, () -> zk.delete("/zookeeper", -1));
    }

    private static void modes(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        for (CreateMode mode : CreateMode.values()) {
            Stat stat = new Stat();
            long ttl = mode.isTTL() ? 60_000 : -1;
            String made = zk.create(path + "/" + mode + "-", new byte[0], OPEN_ACL_UNSAFE, mode, stat, ttl);
            Cases.same(mode.isSequential(), made.matches(".*-\\d{10}"));
            Cases.same(mode.isEphemeral(), stat.getEphemeralOwner() == zk.getSessionId());
            zk.delete(made, 0);
        }
        String ephemeral = zk.create(path + "/e", new byte[0], OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        Cases.fails(KeeperException.NoChildrenForEphemeralsException.class,
                () -> zk.create(ephemeral + "/x", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
    }

    private static void ttl(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        zk.create(path + "/short", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, null, 300);
        zk.create(path + "/long", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, null, 600_000);
        Cases.eventually("the short one goes", () -> zk.exists(path + "/short", false) == null);
        Cases.yes(zk.exists(path + "/long", false) != null, "the long one stays");
        Cases.fails(IllegalArgumentException.class, () -> zk.create(path + "/0", new byte[0], OPEN_ACL_UNSAFE,
                CreateMode.PERSISTENT_WITH_TTL, null, 0));
    }

    private static void containers(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        for (String name : List.of("/used", "/unused")) {
            zk.create(path + name, new byte[0], OPEN_ACL_UNSAFE, CreateMode.CONTAINER);
        }
        zk.create(path + "/used/x", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.delete(path + "/used/x", -1);
        Cases.eventually("what was used goes", () -> zk.exists(path + "/used", false) == null);
        Cases.yes(zk.exists(path + "/unused", false) != null, "what never was used stays");
    }

    private static void children(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        Cases.same(List.of(), zk.getChildren(path, false));
        for (String name : List.of("a", "b", "c")) {
            zk.create(path + "/" + name, new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        }
        Stat stat = new Stat();
        Cases.same(Set.of("a", "b", "c"), new HashSet<>(zk.getChildren(path, false, stat)));
        Cases.same(3, stat.getNumChildren());
        Cases.same(3, stat.getCversion());
        Cases.fails(KeeperException.NotEmptyException.class, () -> zk.delete(path, -1));
    }

    private static void counted(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        zk.create(path + "/a", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create(path + "/a/b", new byte[0], OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        zk.create(path + "/c", new byte[0], OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        Cases.same(3, zk.getAllChildrenNumber(path));
        Cases.same(Set.of(path + "/a/b", path + "/c"), new HashSet<>(zk.getEphemerals()));
        Cases.same(List.of(path + "/a/b"), zk.getEphemerals(path + "/a"));
    }

    private static void permissions(Room room) throws Exception {
        ZooKeeper owner = room.connect();
        String path = room.place(owner) + "/node";
        if (names(owner).equals(List.of("ip 127.0.0.1"))) {
            Cases.fails(KeeperException.InvalidACLException.class,
                    () -> owner.create(path, new byte[0], CREATOR_ALL_ACL, CreateMode.PERSISTENT));
        }
        owner.addAuthInfo("digest", Room.bytes("ann:secret"));
        // By name, not as the creator: over TLS or with SASL every client here has another identity in common.
        Id ann = new Id("digest", DigestAuthenticationProvider.generateDigest("ann:secret"));
        owner.create(path, Room.bytes("x"), Arrays.asList(new ACL(Perms.ALL, ann)), CreateMode.PERSISTENT);
        Cases.same(Arrays.asList(new ACL(Perms.ALL, ann)), owner.getACL(path, new Stat()));
        ZooKeeper stranger = room.connect();
        Cases.fails(KeeperException.NoAuthException.class, () -> stranger.getData(path, false, null));
        Cases.fails(KeeperException.NoAuthException.class, () -> stranger.getACL(path, null));
        Cases.same(1, owner.setACL(path, READ_ACL_UNSAFE, 0).getAversion());
        Cases.same("x", new String(stranger.getData(path, false, null)));
        Cases.fails(KeeperException.BadVersionException.class, () -> {
            String open = room.place(owner);
            owner.setACL(open, READ_ACL_UNSAFE, 7);
        });
    }

    private static void identities(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        Set<String> before = new HashSet<>(names(zk));
        Cases.yes(before.contains("ip 127.0.0.1"), "its address is known: " + before);
        zk.addAuthInfo("digest", Room.bytes("ann:secret"));
        zk.addAuthInfo("digest", Room.bytes("bob:secret"));
        before.addAll(Set.of("digest ann", "digest bob"));
        Cases.same(before, new HashSet<>(names(zk)));
        ZooKeeper admin = room.connect();
        admin.addAuthInfo("digest", Room.bytes("super:test"));
        String path = room.place(zk) + "/closed";
        zk.create(path, Room.bytes("x"), Arrays.asList(new ACL(0, new Id("world", "anyone"))), CreateMode.PERSISTENT);
        Cases.same("x", new String(admin.getData(path, false, null)));
        Room.Notes notes = new Room.Notes();
        ZooKeeper wrong = room.connect(notes);
        wrong.addAuthInfo("nonsense", Room.bytes("x"));
        notes.await("AuthFailed");
    }

    private static List<String> names(ZooKeeper zk) throws Exception {
        return zk.whoAmI().stream().map(info -> info.getAuthScheme() + " " + info.getUser())
                .collect(Collectors.toList());
    }

    private static void multi(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        List<OpResult> results = zk.multi(List.of(
                Op.create(path + "/a", Room.bytes("1"), OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                Op.create(path + "/s-", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL),
                Op.create(path + "/e", new byte[0], OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL),
                Op.create(path + "/c", new byte[0], OPEN_ACL_UNSAFE, CreateMode.CONTAINER),
                Op.create(path + "/t", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, 60_000),
                Op.check(path + "/a", 0),
                Op.setData(path + "/a", Room.bytes("2"), 0),
                Op.delete(path + "/e", 0)));
        Cases.same(path + "/s-0000000001", ((OpResult.CreateResult) results.get(1)).getPath());
        Cases.same(1, ((OpResult.SetDataResult) results.get(6)).getStat().getVersion());
        Cases.same(4, zk.exists(path, false).getNumChildren());
        zk.transaction().create(path + "/x", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT)
                .check(path + "/x", 0).setData(path + "/x", Room.bytes("y"), 0).delete(path + "/x", 1).commit();
        Cases.same(null, zk.exists(path + "/x", false));
    }

    private static void multiOfReads(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        zk.create(path + "/a", Room.bytes("1"), OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        List<OpResult> results = zk.multi(List.of(
                Op.getData(path + "/a"), Op.getChildren(path), Op.getData(path + "/none")));
        Cases.same("1", new String(((OpResult.GetDataResult) results.get(0)).getData()));
        Cases.same(List.of("a"), ((OpResult.GetChildrenResult) results.get(1)).getChildren());
        Cases.same(KeeperException.Code.NONODE.intValue(), ((OpResult.ErrorResult) results.get(2)).getErr());
    }

    private static void failingMulti(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        KeeperException error = Cases.fails(KeeperException.BadVersionException.class, () -> zk.multi(List.of(
                Op.create(path + "/a", new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
                Op.check(path + "/a", 5),
                Op.delete(path, -1))));
        List<Integer> codes = error.getResults().stream().map(result -> ((OpResult.ErrorResult) result).getErr())
                .collect(Collectors.toList());
        Cases.same(List.of(0, -103, -2), codes);
        Cases.same(null, zk.exists(path + "/a", false));
    }

    private static void configuration(Room room) throws Exception {
        ZooKeeperAdmin admin = room.admin();
        Stat stat = new Stat();
        Cases.same(0, admin.getConfig(false, stat).length);
        Cases.fails(KeeperException.ReconfigDisabledException.class,
                () -> admin.reconfigure("server.2=127.0.0.1:1:2;3", null, null, -1, new Stat()));
        Cases.fails(KeeperException.ReconfigDisabledException.class,
                () -> admin.reconfigure(List.of(), List.of("2"), List.of(), -1, new Stat()));
    }

    private static void trees(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        for (String name : List.of("/a", "/a/b", "/a/b/c", "/d")) {
            zk.create(path + name, new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        }
        Set<String> visited = new HashSet<>();
        ZKUtil.visitSubTreeDFS(zk, path, false, (code, at, context, name) -> visited.add(at));
        Cases.same(5, visited.size());
        Cases.yes(ZKUtil.deleteRecursive(zk, path, 10), "all of it goes");
        Cases.same(null, zk.exists(path, false));
    }

    private static void large(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        byte[] data = new byte[900 * 1024];
        Arrays.fill(data, (byte) 7);
        zk.setData(path, data, -1);
        Cases.yes(Arrays.equals(data, zk.getData(path, false, null)), "it comes back whole");
        Cases.fails(KeeperException.ConnectionLossException.class, () -> zk.setData(path, new byte[1 << 20], -1));
        Cases.eventually("the client is back", () -> zk.getState().isConnected());
    }

    private static void paths(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk);
        for (String name : List.of("é", "中文", "a b", "a%2fb", "...", "x".repeat(1000))) {
            Cases.same(path + "/" + name,
                    zk.create(path + "/" + name, new byte[0], OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        }
        Cases.yes(zk.getChildren(path, false).contains("中文"), "names come back as they went");
        for (String bad : List.of("/a/", "//", "/a/../b", "/a\u0000", "a")) {
            Cases.fails(IllegalArgumentException.class, () -> zk.exists(bad, false));
        }
    }
}
