import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorTempFramework;
import org.apache.curator.framework.api.CuratorEvent;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.api.transaction.OperationType;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.data.Stat;

final class Framework {
    static void all(Cases cases, Desk desk) {
        cases.check("create, read, write, delete", () -> basics(desk));
        cases.check("create with every option", () -> creations(desk));
        cases.check("protected creation", () -> protection(desk));
        cases.check("namespaces", () -> namespaces(desk));
        cases.check("compression", () -> compression(desk));
        cases.check("ACLs and authorisation", () -> permissions(desk));
        cases.check("background operations", () -> background(desk));
        cases.check("transactions", () -> transactions(desk));
        cases.check("transactions in background", () -> transactionsInBackground(desk));
        cases.check("the older form of transactions", () -> oldTransactions(desk));
        cases.check("watchers added and removed", () -> watchers(desk));
        cases.check("getConfig and reconfig", () -> configuration(desk));
        cases.check("containers go when they are empty", () -> containers(desk));
        cases.check("TTL nodes go when they are old", () -> ttl(desk));
        cases.check("CuratorTempFramework", () -> temporary(desk));
    }

    private static void basics(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        Cases.same(place, client.create().forPath(place, Caches.bytes("one")));
        Stat stat = new Stat();
        Cases.same("one", new String(client.getData().storingStatIn(stat).forPath(place)));
        Cases.same(1, client.setData().withVersion(stat.getVersion()).forPath(place, Caches.bytes("two")).getVersion());
        Cases.fails(KeeperException.BadVersionException.class,
                () -> client.setData().withVersion(0).forPath(place, Caches.bytes("three")));
        client.create().forPath(place + "/child");
        Cases.same(List.of("child"), client.getChildren().storingStatIn(stat).forPath(place));
        Cases.same(1, stat.getNumChildren());
        Cases.fails(KeeperException.NotEmptyException.class, () -> client.delete().forPath(place));
        client.sync().forPath(place);
        client.delete().guaranteed().deletingChildrenIfNeeded().forPath(place);
        client.delete().quietly().forPath(place);
        Cases.same(null, client.checkExists().forPath(place));
    }

    private static void creations(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        Stat stat = new Stat();
        String deep = place + "/a/b/c";
        client.create().storingStatIn(stat).creatingParentsIfNeeded().forPath(deep, Caches.bytes("12345"));
        Cases.same(5, stat.getDataLength());
        client.create().orSetData().forPath(deep, Caches.bytes("again"));
        Cases.same("again", new String(client.getData().forPath(deep)));
        client.create().idempotent().forPath(place + "/once", Caches.bytes("x"));
        client.create().idempotent().forPath(place + "/once", Caches.bytes("x"));
        Cases.fails(KeeperException.NodeExistsException.class,
                () -> client.create().idempotent().forPath(place + "/once", Caches.bytes("y")));
        String first = client.create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath(place + "/s-");
        String second = client.create().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath(place + "/s-");
        Cases.yes(first.compareTo(second) < 0, "numbers rise");
        Cases.yes(client.checkExists().forPath(second).getEphemeralOwner() != 0, "the second is ephemeral");
        Cases.fails(KeeperException.NoChildrenForEphemeralsException.class,
                () -> client.create().forPath(second + "/child"));
        client.create().creatingParentContainersIfNeeded().forPath(place + "/container/leaf");
        client.create().orSetData().creatingParentContainersIfNeeded().withMode(CreateMode.EPHEMERAL)
                .forPath(place + "/container2/leaf");
        client.checkExists().creatingParentContainersIfNeeded().forPath(place + "/container3/leaf");
        Cases.yes(client.checkExists().forPath(place + "/container3") != null, "the parent was made");
    }

    private static void protection(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        String path = client.create().creatingParentsIfNeeded().withProtection()
                .withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath(place + "/lock-");
        Cases.yes(path.startsWith(place + "/_c_"), "its name carries an id");
        Cases.same(1, client.getChildren().forPath(place).size());
    }

    private static void namespaces(Desk desk) throws Exception {
        String name = desk.place().substring(1);
        CuratorFramework outside = desk.client();
        CuratorFramework inside = desk.started(desk.builder().namespace(name).build());
        inside.create().forPath("/node", Caches.bytes("x"));
        Cases.same("x", new String(outside.getData().forPath("/" + name + "/node")));
        outside.usingNamespace(name).setData().forPath("/node", Caches.bytes("y"));
        Cases.same("y", new String(inside.getData().forPath("/node")));
    }

    private static void compression(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        byte[] data = new byte[100_000];
        Arrays.fill(data, (byte) 'x');
        client.create().compressed().forPath(place, data);
        Cases.yes(client.checkExists().forPath(place).getDataLength() < 1_000, "it is stored compressed");
        Cases.yes(Arrays.equals(data, client.getData().decompressed().forPath(place)), "and comes back whole");
    }

    private static void permissions(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework owner = desk.started(desk.builder().authorization("digest", Caches.bytes("ann:pass")).build());
        CuratorFramework stranger = desk.client();
        owner.create().withACL(ZooDefs.Ids.CREATOR_ALL_ACL).forPath(place, Caches.bytes("mine"));
        Cases.same("mine", new String(owner.getData().forPath(place)));
        Cases.fails(KeeperException.NoAuthException.class, () -> stranger.getData().forPath(place));
        Cases.same("digest", owner.getACL().forPath(place).get(0).getId().getScheme());
        owner.setACL().withACL(ZooDefs.Ids.READ_ACL_UNSAFE).forPath(place);
        Cases.same("mine", new String(stranger.getData().forPath(place)));
        Cases.fails(KeeperException.NoAuthException.class,
                () -> owner.setACL().withACL(ZooDefs.Ids.OPEN_ACL_UNSAFE).forPath(place));
    }

    private static void background(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        BlockingQueue<CuratorEvent> told = new LinkedBlockingQueue<>();
        client.create().inBackground((of, event) -> told.add(event), "context").forPath(place, Caches.bytes("x"));
        CuratorEvent created = Cases.next(told);
        Cases.same("CREATE 0 " + place + " context",
                created.getType() + " " + created.getResultCode() + " " + created.getPath() + " " + created.getContext());
        client.getData().inBackground((of, event) -> told.add(event)).forPath(place);
        Cases.same("x", new String(Cases.next(told).getData()));
        client.setData().inBackground((of, event) -> told.add(event)).forPath(place, Caches.bytes("y"));
        Cases.same(1, Cases.next(told).getStat().getVersion());
        client.getChildren().inBackground((of, event) -> told.add(event)).forPath(place);
        Cases.same(List.of(), Cases.next(told).getChildren());
        client.checkExists().inBackground((of, event) -> told.add(event)).forPath(place + "/none");
        Cases.same(KeeperException.Code.NONODE.intValue(), Cases.next(told).getResultCode());
        client.getACL().inBackground((of, event) -> told.add(event)).forPath(place);
        Cases.same(1, Cases.next(told).getACLList().size());
        client.sync().inBackground((of, event) -> told.add(event)).forPath(place);
        Cases.same(0, Cases.next(told).getResultCode());
        client.delete().inBackground((of, event) -> told.add(event)).forPath(place);
        Cases.same(0, Cases.next(told).getResultCode());
        BlockingQueue<CuratorEvent> heard = new LinkedBlockingQueue<>();
        client.getCuratorListenable().addListener((of, event) -> heard.add(event));
        client.create().inBackground().forPath(place);
        Cases.same(place, Cases.next(heard).getName());
    }

    private static void transactions(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        client.create().forPath(place, Caches.bytes("0"));
        List<CuratorTransactionResult> results = client.transaction().forOperations(
                client.transactionOp().check().withVersion(0).forPath(place),
                client.transactionOp().create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath(place + "/s-"),
                client.transactionOp().setData().forPath(place, Caches.bytes("1")),
                client.transactionOp().create().forPath(place + "/gone"),
                client.transactionOp().delete().forPath(place + "/gone"));
        Cases.same(5, results.size());
        Cases.same(place + "/s-0000000000", results.get(1).getResultPath());
        Cases.same(1, results.get(2).getResultStat().getVersion());
        KeeperException error = Cases.fails(KeeperException.BadVersionException.class,
                () -> client.transaction().forOperations(
                        client.transactionOp().create().forPath(place + "/never"),
                        client.transactionOp().check().withVersion(7).forPath(place),
                        client.transactionOp().delete().forPath(place)));
        Cases.same(3, error.getResults().size());
        Cases.same(null, client.checkExists().forPath(place + "/never"));
        if (client.checkExists().forPath(place).getNumChildren() != 1) {
            throw new AssertionError("something of it happened");
        }
    }

    private static void transactionsInBackground(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        BlockingQueue<CuratorEvent> told = new LinkedBlockingQueue<>();
        client.transaction().inBackground((of, event) -> told.add(event)).forOperations(
                client.transactionOp().create().forPath(place),
                client.transactionOp().create().withMode(CreateMode.CONTAINER).forPath(place + "/container"),
                client.transactionOp().create().withTtl(60_000).withMode(CreateMode.PERSISTENT_WITH_TTL)
                        .forPath(place + "/ttl"));
        CuratorEvent event = Cases.next(told);
        Cases.same(0, event.getResultCode());
        Cases.same(OperationType.CREATE, event.getOpResults().get(2).getType());
        Cases.same(new HashSet<>(List.of("container", "ttl")), new HashSet<>(client.getChildren().forPath(place)));
    }

    @SuppressWarnings("deprecation")
    private static void oldTransactions(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        Cases.same(2, client.inTransaction().create().forPath(place).and().setData().forPath(place, Caches.bytes("x"))
                .and().commit().size());
    }

    private static void watchers(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        CuratorFramework writer = desk.client();
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        Watcher watcher = event -> told.add(Caches.story(event));
        Cases.same(null, client.checkExists().usingWatcher(watcher).forPath(place));
        writer.create().forPath(place);
        Cases.same("NodeCreated " + place, Cases.next(told));
        client.getData().usingWatcher(watcher).forPath(place);
        client.getChildren().usingWatcher(watcher).forPath(place);
        writer.setData().forPath(place, Caches.bytes("1"));
        Cases.same("NodeDataChanged " + place, Cases.next(told));
        writer.create().forPath(place + "/child");
        Cases.same("NodeChildrenChanged " + place, Cases.next(told));
        client.watchers().add().withMode(AddWatchMode.PERSISTENT_RECURSIVE).usingWatcher(watcher).forPath(place);
        writer.setData().forPath(place + "/child", Caches.bytes("2"));
        Cases.same("NodeDataChanged " + place + "/child", Cases.next(told));
        client.watchers().remove(watcher).ofType(Watcher.WatcherType.Any).forPath(place);
        Cases.next(told);
        Cases.fails(KeeperException.NoWatcherException.class,
                () -> client.watchers().remove(watcher).ofType(Watcher.WatcherType.Any).forPath(place));
        writer.setData().forPath(place + "/child", Caches.bytes("3"));
        client.sync().forPath(place);
        Cases.same(0, told.size());
        client.getData().usingWatcher(watcher).forPath(place);
        client.watchers().removeAll().forPath(place);
        Cases.same("DataWatchRemoved " + place, Cases.next(told));
    }

    private static void configuration(Desk desk) throws Exception {
        CuratorFramework client = desk.started(desk.builder().authorization("digest", Caches.bytes("super:test")).build());
        Stat stat = new Stat();
        Cases.yes(client.getConfig().storingStatIn(stat).forEnsemble().length == 0, "one server alone has no list");
        Cases.fails(KeeperException.ReconfigDisabledException.class,
                () -> client.reconfig().leaving("2").fromConfig(-1).forEnsemble());
    }

    private static void containers(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        client.create().withMode(CreateMode.CONTAINER).forPath(place);
        client.create().forPath(place + "/child");
        client.delete().forPath(place + "/child");
        Cases.eventually("it is gone", () -> client.checkExists().forPath(place) == null);
    }

    private static void ttl(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        client.create().withTtl(300).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath(place);
        String numbered = client.create().withTtl(300).withMode(CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)
                .forPath(place + "-");
        Cases.yes(client.checkExists().forPath(numbered) != null, "it is there");
        Cases.eventually("both are gone", () -> client.checkExists().forPath(place) == null
                && client.checkExists().forPath(numbered) == null);
    }

    private static void temporary(Desk desk) throws Exception {
        String place = desk.place();
        try (CuratorTempFramework client = desk.builder().buildTemp()) {
            client.inTransaction().create().forPath(place, Caches.bytes("x")).and().commit();
            Cases.same("x", new String(client.getData().forPath(place)));
        }
    }
}
