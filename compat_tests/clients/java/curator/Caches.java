import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheBridge;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.cache.NodeCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCacheEvent;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.cache.TreeCacheEvent;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher.Event.EventType;

/** The caches; the older three are deprecated and everywhere. */
@SuppressWarnings("deprecation")
final class Caches {
    static void all(Cases cases, Desk desk) {
        cases.check("PathChildrenCache", () -> pathChildrenCache(desk));
        cases.check("NodeCache", () -> nodeCache(desk));
        cases.check("TreeCache", () -> treeCache(desk));
        cases.check("TreeCache of a large tree", () -> largeTree(desk));
        cases.check("CuratorCache", () -> curatorCache(desk));
        cases.check("CuratorCache of a single node", () -> singleNode(desk));
        cases.check("CuratorCacheBridge", () -> bridge(desk));
        cases.check("PersistentWatcher", () -> persistentWatcher(desk, false));
        cases.check("PersistentWatcher, recursive", () -> persistentWatcher(desk, true));
    }

    static byte[] bytes(String text) {
        return text.getBytes();
    }

    static String text(ChildData data) {
        return data.getPath() + "=" + new String(data.getData());
    }

    private static void pathChildrenCache(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        client.create().forPath(place);
        client.create().forPath(place + "/before", bytes("0"));
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        PathChildrenCache cache = new PathChildrenCache(desk.client(), place, true);
        cache.getListenable().addListener((of, event) -> {
            // That a new client is connected may be told before the cache starts, or behind that.
            if (event.getType() != PathChildrenCacheEvent.Type.CONNECTION_RECONNECTED) {
                told.add(event.getType() + (event.getData() == null ? "" : " " + text(event.getData())));
            }
        });
        cache.start(PathChildrenCache.StartMode.POST_INITIALIZED_EVENT);
        Cases.same("CHILD_ADDED " + place + "/before=0", Cases.next(told));
        Cases.same("INITIALIZED", Cases.next(told));
        client.create().forPath(place + "/a", bytes("1"));
        Cases.same("CHILD_ADDED " + place + "/a=1", Cases.next(told));
        client.setData().forPath(place + "/a", bytes("2"));
        Cases.same("CHILD_UPDATED " + place + "/a=2", Cases.next(told));
        client.delete().forPath(place + "/before");
        Cases.same("CHILD_REMOVED " + place + "/before=0", Cases.next(told));
        Cases.same(1, cache.getCurrentData().size());
        cache.clearAndRefresh();
        Cases.same("CHILD_ADDED " + place + "/a=2", Cases.next(told));
        cache.close();
    }

    private static void nodeCache(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        NodeCache cache = new NodeCache(desk.client(), place);
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        cache.getListenable().addListener(() -> told.add(
                cache.getCurrentData() == null ? "none" : new String(cache.getCurrentData().getData())));
        cache.start(true);
        Cases.same(null, cache.getCurrentData());
        client.create().forPath(place, bytes("one"));
        Cases.same("one", Cases.next(told));
        client.setData().forPath(place, bytes("two"));
        Cases.same("two", Cases.next(told));
        client.delete().forPath(place);
        Cases.same("none", Cases.next(told));
        client.create().forPath(place, bytes("three"));
        Cases.same("three", Cases.next(told));
        cache.close();
    }

    private static void treeCache(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        client.create().creatingParentsIfNeeded().forPath(place + "/a/b", bytes("deep"));
        TreeCache cache = TreeCache.newBuilder(desk.client(), place).setCacheData(true).build();
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        cache.getListenable().addListener((of, event) -> told.add(
                event.getType() + (event.getData() == null ? "" : " " + event.getData().getPath())));
        cache.start();
        Cases.await(told, "INITIALIZED");
        Cases.same("deep", new String(cache.getCurrentData(place + "/a/b").getData()));
        client.create().forPath(place + "/a/b/c");
        Cases.same("NODE_ADDED " + place + "/a/b/c", Cases.next(told));
        client.setData().forPath(place + "/a", bytes("new"));
        Cases.same("NODE_UPDATED " + place + "/a", Cases.next(told));
        client.delete().deletingChildrenIfNeeded().forPath(place + "/a");
        TreeSet<String> removed = new TreeSet<>(Cases.next(told, 3));
        Cases.same("[NODE_REMOVED " + place + "/a, NODE_REMOVED " + place + "/a/b, NODE_REMOVED " + place
                + "/a/b/c]", removed.toString());
        Cases.same(0, cache.getCurrentChildren(place).size());
        cache.close();
    }

    private static void largeTree(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        client.create().forPath(place);
        for (int branch = 0; branch < 10; branch++) {
            client.create().forPath(place + "/" + branch);
            for (int leaf = 0; leaf < 50; leaf++) {
                client.create().inBackground().forPath(place + "/" + branch + "/" + leaf);
            }
        }
        TreeCache cache = TreeCache.newBuilder(desk.client(), place).build();
        BlockingQueue<TreeCacheEvent.Type> told = new LinkedBlockingQueue<>();
        cache.getListenable().addListener((of, event) -> told.add(event.getType()));
        cache.start();
        Cases.await(told, TreeCacheEvent.Type.INITIALIZED);
        int count = 0;
        for (int branch = 0; branch < 10; branch++) {
            String path = place + "/" + branch;
            Cases.eventually("all leaves are there", () -> cache.getCurrentChildren(path).size() == 50);
        }
        client.delete().deletingChildrenIfNeeded().forPath(place);
        Cases.eventually("all is gone", () -> cache.getCurrentData(place) == null);
        cache.close();
    }

    private static void curatorCache(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        client.create().creatingParentsIfNeeded().forPath(place + "/a/b", bytes("deep"));
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        CuratorCache cache = CuratorCache.build(desk.client(), place);
        cache.listenable().addListener(CuratorCacheListener.builder()
                .forInitialized(() -> told.add("initialized"))
                .forCreates(node -> told.add("created " + node.getPath()))
                .forChanges((old, now) -> told.add("changed " + text(old) + " " + text(now)))
                .forDeletes(node -> told.add("deleted " + node.getPath())).build());
        cache.start();
        Cases.await(told, "initialized");
        Cases.same(3, cache.size());
        Cases.same("deep", new String(cache.get(place + "/a/b").get().getData()));
        client.setData().forPath(place + "/a/b", bytes("new"));
        Cases.same("changed " + place + "/a/b=deep " + place + "/a/b=new", Cases.next(told));
        client.create().forPath(place + "/a/b/c");
        Cases.same("created " + place + "/a/b/c", Cases.next(told));
        client.delete().forPath(place + "/a/b/c");
        Cases.same("deleted " + place + "/a/b/c", Cases.next(told));
        Cases.same(3L, cache.stream().count());
        cache.close();
    }

    private static void singleNode(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        CuratorCache cache = CuratorCache.build(desk.client(), place, CuratorCache.Options.SINGLE_NODE_CACHE);
        cache.listenable().addListener((type, old, now) -> told.add(type.name()));
        cache.start();
        client.create().forPath(place, bytes("1"));
        Cases.same("NODE_CREATED", Cases.next(told));
        client.create().forPath(place + "/child");
        client.setData().forPath(place, bytes("2"));
        Cases.same("NODE_CHANGED", Cases.next(told));
        client.delete().deletingChildrenIfNeeded().forPath(place);
        Cases.same("NODE_DELETED", Cases.next(told));
        cache.close();
    }

    private static void bridge(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        client.create().creatingParentsIfNeeded().forPath(place + "/a", bytes("1"));
        CuratorCacheBridge cache = CuratorCache.bridgeBuilder(desk.client(), place).build();
        cache.start();
        Cases.eventually("it knows both", () -> cache.size() == 2);
        cache.close();
    }

    private static void persistentWatcher(Desk desk, boolean recursive) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        PersistentWatcher watcher = new PersistentWatcher(desk.client(), place, recursive);
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        watcher.getListenable().addListener(event -> told.add(story(event)));
        BlockingQueue<Boolean> ready = new LinkedBlockingQueue<>();
        watcher.getResetListenable().addListener(() -> ready.add(true));
        watcher.start();
        Cases.next(ready);
        client.create().forPath(place);
        Cases.same("NodeCreated " + place, Cases.next(told));
        client.create().forPath(place + "/a");
        Cases.same(recursive ? "NodeCreated " + place + "/a" : "NodeChildrenChanged " + place, Cases.next(told));
        client.setData().forPath(place, bytes("x"));
        Cases.same("NodeDataChanged " + place, Cases.next(told));
        client.setData().forPath(place, bytes("y"));
        Cases.same("NodeDataChanged " + place, Cases.next(told));
        watcher.close();
        Cases.eventually("the server has no watch left", () -> {
            told.clear();
            client.setData().forPath(place, bytes("z"));
            client.sync().forPath(place);
            return told.isEmpty();
        });
    }

    static String story(WatchedEvent event) {
        return event.getType() == EventType.None ? event.getState().toString() : event.getType() + " " + event.getPath();
    }
}
