import static org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE;

import java.util.NoSuchElementException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.recipes.leader.LeaderElectionSupport;
import org.apache.zookeeper.recipes.lock.LockListener;
import org.apache.zookeeper.recipes.lock.WriteLock;
import org.apache.zookeeper.recipes.queue.DistributedQueue;

/** The recipes that come with ZooKeeper itself. */
final class Recipes {
    static void all(Cases cases, Room room) {
        cases.check("WriteLock", () -> lock(room));
        cases.check("LeaderElectionSupport", () -> election(room));
        cases.check("DistributedQueue", () -> queue(room));
    }

    private static WriteLock lockOf(Room room, String path, String name, BlockingQueue<String> told) throws Exception {
        return new WriteLock(room.connect(), path, OPEN_ACL_UNSAFE, new LockListener() {
            @Override
            public void lockAcquired() {
                told.add(name + " has it");
            }

            @Override
            public void lockReleased() {
                told.add(name + " gave it up");
            }
        });
    }

    private static void lock(Room room) throws Exception {
        String path = room.place(room.connect());
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        WriteLock first = lockOf(room, path, "first", told);
        WriteLock second = lockOf(room, path, "second", told);
        Cases.yes(first.lock(), "it is free");
        Cases.same("first has it", Cases.next(told));
        Cases.yes(!second.lock(), "it is not free");
        first.unlock();
        Cases.await(told, "second has it");
        second.unlock();
    }

    private static LeaderElectionSupport candidate(Room room, String path, String name, BlockingQueue<String> told)
            throws Exception {
        LeaderElectionSupport candidate = new LeaderElectionSupport();
        candidate.setZooKeeper(room.connect());
        candidate.setRootNodeName(path);
        candidate.setHostName(name);
        candidate.addListener(event -> told.add(name + " " + event));
        return candidate;
    }

    private static void election(Room room) throws Exception {
        String path = room.place(room.connect());
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        LeaderElectionSupport first = candidate(room, path, "first", told);
        LeaderElectionSupport second = candidate(room, path, "second", told);
        first.start();
        Cases.await(told, "first ELECTED_COMPLETE");
        second.start();
        Cases.await(told, "second READY_COMPLETE");
        Cases.same("first", second.getLeaderHostName());
        first.stop();
        Cases.await(told, "second ELECTED_COMPLETE");
        second.stop();
    }

    private static void queue(Room room) throws Exception {
        ZooKeeper zk = room.connect();
        String path = room.place(zk) + "/queue";
        DistributedQueue in = new DistributedQueue(zk, path, OPEN_ACL_UNSAFE);
        DistributedQueue out = new DistributedQueue(room.connect(), path, OPEN_ACL_UNSAFE);
        Cases.yes(in.offer(Room.bytes("one")), "it is taken");
        Cases.same("one", new String(out.element()));
        Cases.same("one", new String(out.remove()));
        Cases.fails(NoSuchElementException.class, out::remove);
        CompletableFuture<byte[]> waiting = Cases.inThread(out::take);
        in.offer(Room.bytes("two"));
        Cases.same("two", new String(Cases.within(waiting)));
    }
}
