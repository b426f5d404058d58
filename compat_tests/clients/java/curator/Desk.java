import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryForever;
import org.apache.curator.utils.CloseableUtils;
import org.apache.zookeeper.ZooKeeper;

/** What every case needs: connected clients, a place of its own in the tree, and the cases' runner. */
final class Desk {
    private final String hosts;
    private final AtomicInteger places = new AtomicInteger();
    private final List<CuratorFramework> clients = new CopyOnWriteArrayList<>();

    Desk(Cases cases, String hosts) {
        this.hosts = hosts;
        cases.afterEach(this::closeClients);
    }

    /** A path that nobody else uses; nothing is there yet. */
    String place() {
        return "/curator-" + places.incrementAndGet();
    }

    CuratorFramework client() throws Exception {
        return client(20_000);
    }

    CuratorFramework client(int sessionTimeoutMs) throws Exception {
        return started(builder().sessionTimeoutMs(sessionTimeoutMs).build());
    }

    CuratorFrameworkFactory.Builder builder() {
        return CuratorFrameworkFactory.builder().connectString(hosts).sessionTimeoutMs(20_000)
                .connectionTimeoutMs(10_000).retryPolicy(new RetryForever(50));
    }

    CuratorFramework started(CuratorFramework client) throws Exception {
        clients.add(client);
        client.start();
        Cases.yes(client.blockUntilConnected((int) Cases.PATIENCE_MS, TimeUnit.MILLISECONDS), "the client connected");
        return client;
    }

    /** Every change of a client's connection from now on. */
    BlockingQueue<ConnectionState> states(CuratorFramework client) {
        BlockingQueue<ConnectionState> seen = new LinkedBlockingQueue<>();
        client.getConnectionStateListenable().addListener((of, state) -> seen.add(state));
        return seen;
    }

    /** End a client's session while it believes to have one: somebody else closes it in its name. */
    void endSession(CuratorFramework client) throws Exception {
        ZooKeeper victim = client.getZookeeperClient().getZooKeeper();
        CompletableFuture<Void> connected = new CompletableFuture<>();
        ZooKeeper impostor = new ZooKeeper(hosts, 20_000, event -> connected.complete(null),
                victim.getSessionId(), victim.getSessionPasswd());
        connected.get(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS);
        impostor.close();
    }

    /** Close every client that was made here; nobody waits for it. */
    void closeClients() {
        for (CuratorFramework client : clients) {
            Cases.inThread(() -> {
                CloseableUtils.closeQuietly(client);
                return null;
            });
        }
        clients.clear();
    }
}
