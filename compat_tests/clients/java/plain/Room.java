import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.admin.ZooKeeperAdmin;

/** What every case needs: connected sessions, and a place of its own in the tree. */
final class Room {
    static final int SESSION_TIMEOUT_MS = 20_000;

    final String hosts;
    private final AtomicInteger places = new AtomicInteger();
    private final List<ZooKeeper> open = new CopyOnWriteArrayList<>();

    Room(Cases cases, String hosts) {
        this.hosts = hosts;
        cases.afterEach(this::closeAll);
    }

    /** A watcher that writes down what it is told, as `type path` or as the state of the session. */
    static final class Notes implements Watcher {
        final BlockingQueue<String> told = new LinkedBlockingQueue<>();

        @Override
        public void process(WatchedEvent event) {
            told.add(event.getType() == EventType.None
                    ? event.getState().toString() : event.getType() + " " + event.getPath());
        }

        String next() throws Exception {
            return Cases.next(told);
        }

        void await(String line) throws Exception {
            Cases.await(told, line);
        }

        /** The next event; what the session goes through is told to every watcher and does not count. */
        void same(String line) throws Exception {
            String seen = next();
            while (isState(seen) && !isState(line)) {
                seen = next();
            }
            Cases.same(line, seen);
        }

        void nothing() {
            told.removeIf(Notes::isState);
            Cases.same("[]", told.toString());
        }

        private static boolean isState(String line) {
            return !line.contains(" ");
        }
    }

    /** A connected session whose watcher is `notes`. */
    ZooKeeper connect(Notes notes) throws Exception {
        return connected(new ZooKeeper(hosts, SESSION_TIMEOUT_MS, notes), notes);
    }

    ZooKeeper connect() throws Exception {
        return connect(new Notes());
    }

    ZooKeeperAdmin admin() throws Exception {
        Notes notes = new Notes();
        ZooKeeperAdmin admin = new ZooKeeperAdmin(hosts, SESSION_TIMEOUT_MS, notes);
        connected(admin, notes);
        return admin;
    }

    ZooKeeper connected(ZooKeeper session, Notes notes) throws Exception {
        open.add(session);
        notes.await("SyncConnected");
        return session;
    }

    /** Keep a session in mind that need not ever connect. */
    ZooKeeper started(ZooKeeper session) {
        open.add(session);
        return session;
    }

    /** A new node that nobody else uses. */
    String place(ZooKeeper session) throws Exception {
        String path = "/plain-" + places.incrementAndGet();
        return session.create(path, new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
    }

    /** Whether a session's connection works at this moment. */
    static boolean answers(ZooKeeper session) throws Exception {
        try {
            return session.exists("/", false) != null;
        } catch (KeeperException.ConnectionLossException error) {
            return false;
        }
    }

    static byte[] bytes(String text) {
        return text.getBytes();
    }

    private void closeAll() {
        for (ZooKeeper session : open) {
            Cases.inThread(() -> {
                session.close();
                return null;
            });
        }
        open.clear();
    }
}
