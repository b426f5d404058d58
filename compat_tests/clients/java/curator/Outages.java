import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.data.Stat;

/** The server goes away and comes back; the session lives on, or does not. */
final class Outages {
    static void all(Cases cases, Desk desk) {
        cases.check("a session and its ephemerals live through a restart", () -> session(cases, desk));
        cases.check("a mutex is held through a crash of the server", () -> mutex(cases, desk));
        cases.check("a LeaderLatch is given up in an outage and won again", () -> latch(cases, desk));
        cases.check("a CuratorCache catches up after a restart", () -> cache(cases, desk));
        cases.check("persistent watches are set again after a restart", () -> watches(cases, desk));
        cases.check("a background operation waits for the server", () -> background(cases, desk));
        cases.check("an ended session is told as LOST and recipes start anew", () -> lost(desk));
        cases.check("a mutex is free once its holder's session has expired", () -> expired(desk));
    }

    private static void awaitBack(BlockingQueue<ConnectionState> states) throws Exception {
        Cases.await(states, ConnectionState.SUSPENDED);
        Cases.await(states, ConnectionState.RECONNECTED);
    }

    private static void session(Cases cases, Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        client.create().withMode(CreateMode.EPHEMERAL).forPath(place);
        long id = client.getZookeeperClient().getZooKeeper().getSessionId();
        BlockingQueue<ConnectionState> states = desk.states(client);
        cases.ask("restart");
        awaitBack(states);
        Cases.same(id, client.getZookeeperClient().getZooKeeper().getSessionId());
        Cases.same(id, client.checkExists().forPath(place).getEphemeralOwner());
    }

    private static void mutex(Cases cases, Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework holder = desk.client();
        InterProcessMutex mine = new InterProcessMutex(holder, place);
        mine.acquire();
        CuratorFramework other = desk.client();
        InterProcessMutex theirs = new InterProcessMutex(other, place);
        BlockingQueue<ConnectionState> mineStates = desk.states(holder);
        BlockingQueue<ConnectionState> theirStates = desk.states(other);
        cases.ask("crash");
        awaitBack(mineStates);
        awaitBack(theirStates);
        Cases.yes(!Locks.gets(theirs, 200), "it is still held");
        mine.release();
        Cases.yes(Locks.gets(theirs, Cases.PATIENCE_MS), "it is let go");
        theirs.release();
    }

    private static void latch(Cases cases, Desk desk) throws Exception {
        CuratorFramework client = desk.client();
        LeaderLatch latch = new LeaderLatch(client, desk.place(), "one");
        latch.start();
        latch.await();
        cases.ask("stop");
        Cases.eventually("it leads no more", () -> !latch.hasLeadership());
        cases.ask("start");
        Cases.yes(latch.await(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS), "it leads again");
        latch.close();
    }

    private static void cache(Cases cases, Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        CuratorFramework writer = desk.client();
        writer.create().forPath(place, Caches.bytes("old"));
        CuratorCache cache = CuratorCache.build(client, place);
        cache.start();
        Cases.eventually("it is filled", () -> cache.size() == 1);
        BlockingQueue<ConnectionState> states = desk.states(client);
        cases.ask("stop");
        Cases.await(states, ConnectionState.SUSPENDED);
        writer.create().inBackground().forPath(place + "/new");
        writer.setData().inBackground().forPath(place, Caches.bytes("new"));
        cases.ask("start");
        Cases.eventually("it has caught up", () -> cache.get(place + "/new").isPresent()
                && new String(cache.get(place).get().getData()).equals("new"));
        cache.close();
    }

    private static void watches(Cases cases, Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        client.create().forPath(place);
        CuratorFramework writer = desk.client();
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        PersistentWatcher watcher = new PersistentWatcher(client, place, true);
        BlockingQueue<Boolean> ready = new LinkedBlockingQueue<>();
        watcher.getResetListenable().addListener(() -> ready.add(true));
        watcher.getListenable().addListener(event -> told.add(Caches.story(event)));
        watcher.start();
        Cases.next(ready);
        BlockingQueue<String> once = new LinkedBlockingQueue<>();
        CuratorFramework other = desk.client();
        Watcher watchOnce = event -> once.add(Caches.story(event));
        other.getChildren().usingWatcher(watchOnce).forPath(place);
        BlockingQueue<ConnectionState> states = desk.states(client);
        BlockingQueue<ConnectionState> otherStates = desk.states(other);
        cases.ask("restart");
        awaitBack(states);
        awaitBack(otherStates);
        // Watches are set again before these are answered.
        client.checkExists().forPath(place);
        other.checkExists().forPath(place);
        writer.create().forPath(place + "/child");
        Cases.await(told, "NodeCreated " + place + "/child");
        Cases.await(once, "NodeChildrenChanged " + place);
        watcher.close();
    }

    private static void background(Cases cases, Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        BlockingQueue<Integer> told = new LinkedBlockingQueue<>();
        BlockingQueue<ConnectionState> states = desk.states(client);
        cases.ask("kill");
        Cases.await(states, ConnectionState.SUSPENDED);
        client.create().inBackground((of, event) -> told.add(event.getResultCode())).forPath(place);
        Cases.same(null, told.poll(200, TimeUnit.MILLISECONDS));
        cases.ask("start");
        Cases.same(0, Cases.next(told));
        Cases.yes(client.checkExists().forPath(place) != null, "it was made");
    }

    private static void lost(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        CuratorFramework witness = desk.client();
        PersistentNode node = new PersistentNode(client, CreateMode.EPHEMERAL, false, place, Caches.bytes("x"));
        node.start();
        node.waitForInitialCreate(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS);
        String services = desk.place();
        ServiceDiscovery<String> discovery = ServiceDiscoveryBuilder.builder(String.class).client(client)
                .basePath(services)
                .thisInstance(ServiceInstance.<String>builder().name("shop").address("127.0.0.1").port(1).build())
                .build();
        discovery.start();
        long id = client.getZookeeperClient().getZooKeeper().getSessionId();
        BlockingQueue<ConnectionState> states = desk.states(client);
        desk.endSession(client);
        Cases.await(states, ConnectionState.LOST);
        Cases.await(states, ConnectionState.RECONNECTED);
        Cases.yes(client.getZookeeperClient().getZooKeeper().getSessionId() != id, "the session is another one");
        Cases.eventually("the node is back", () -> witness.checkExists().forPath(place) != null);
        String shop = services + "/shop";
        Cases.eventually("the service is back", () -> {
            Stat stat = witness.checkExists().forPath(shop);
            return stat != null && stat.getNumChildren() == 1;
        });
        discovery.close();
        node.close();
    }

    private static void expired(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework holder = desk.client(2_000);
        InterProcessMutex mine = new InterProcessMutex(holder, place);
        mine.acquire();
        InterProcessMutex theirs = new InterProcessMutex(desk.client(), place);
        desk.endSession(holder);
        Cases.yes(Locks.gets(theirs, Cases.PATIENCE_MS), "it is free");
        theirs.release();
    }
}
