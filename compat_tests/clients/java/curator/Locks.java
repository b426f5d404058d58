import java.util.Arrays;
import java.util.Collection;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMultiLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.locks.Locker;
import org.apache.curator.framework.recipes.locks.Revoker;
import org.apache.curator.framework.recipes.shared.SharedCount;

final class Locks {
    static void all(Cases cases, Desk desk) {
        cases.check("InterProcessMutex", () -> mutex(desk));
        cases.check("InterProcessMutex under contention", () -> contention(desk));
        cases.check("InterProcessMutex revoked", () -> revoked(desk));
        cases.check("InterProcessSemaphoreMutex", () -> semaphoreMutex(desk));
        cases.check("InterProcessReadWriteLock", () -> readWriteLock(desk));
        cases.check("InterProcessSemaphoreV2", () -> semaphore(desk));
        cases.check("InterProcessSemaphoreV2 with a SharedCount", () -> countedSemaphore(desk));
        cases.check("InterProcessMultiLock", () -> multiLock(desk));
        cases.check("Locker", () -> locker(desk));
    }

    static boolean gets(InterProcessLock lock, long millis) throws Exception {
        return lock.acquire(millis, TimeUnit.MILLISECONDS);
    }

    private static void mutex(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        InterProcessMutex mine = new InterProcessMutex(client, place);
        InterProcessMutex theirs = new InterProcessMutex(desk.client(), place);
        mine.acquire();
        mine.acquire();
        Cases.yes(mine.isOwnedByCurrentThread(), "it is mine");
        Cases.yes(!gets(theirs, 100), "nobody else gets it");
        CompletableFuture<Boolean> waiting = Cases.inThread(() -> gets(theirs, Cases.PATIENCE_MS));
        Cases.eventually("the other one waits", () -> mine.getParticipantNodes().size() == 2);
        mine.release();
        Cases.yes(!waiting.isDone(), "a lock taken twice is held after one release");
        mine.release();
        Cases.yes(Cases.within(waiting), "the other one gets it");
        Cases.fails(IllegalMonitorStateException.class, mine::release);
        Cases.same(1, client.getChildren().forPath(place).size());
    }

    private static void contention(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework[] clients = {desk.client(), desk.client(), desk.client()};
        AtomicInteger inside = new AtomicInteger();
        CompletableFuture<?>[] workers = new CompletableFuture<?>[6];
        for (int number = 0; number < workers.length; number++) {
            InterProcessMutex mutex = new InterProcessMutex(clients[number % clients.length], place);
            workers[number] = Cases.inThread(() -> {
                for (int round = 0; round < 10; round++) {
                    mutex.acquire();
                    Cases.same(1, inside.incrementAndGet());
                    inside.decrementAndGet();
                    mutex.release();
                }
                return true;
            });
        }
        Cases.within(CompletableFuture.allOf(workers));
    }

    private static void revoked(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        InterProcessMutex mutex = new InterProcessMutex(client, place);
        CountDownLatch asked = new CountDownLatch(1);
        mutex.makeRevocable(lock -> asked.countDown());
        mutex.acquire();
        Collection<String> nodes = mutex.getParticipantNodes();
        Cases.same(1, nodes.size());
        Revoker.attemptRevoke(desk.client(), nodes.iterator().next());
        Cases.yes(asked.await(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS), "the holder is asked to let go");
        mutex.release();
    }

    private static void semaphoreMutex(Desk desk) throws Exception {
        String place = desk.place();
        InterProcessSemaphoreMutex mine = new InterProcessSemaphoreMutex(desk.client(), place);
        InterProcessSemaphoreMutex theirs = new InterProcessSemaphoreMutex(desk.client(), place);
        mine.acquire();
        Cases.yes(mine.isAcquiredInThisProcess(), "it is held");
        Cases.yes(!gets(theirs, 200), "nobody else gets it");
        Cases.yes(!gets(mine, 200), "it cannot be taken twice");
        mine.release();
        Cases.yes(gets(theirs, Cases.PATIENCE_MS), "it is free then");
        theirs.release();
    }

    private static void readWriteLock(Desk desk) throws Exception {
        String place = desk.place();
        InterProcessReadWriteLock mine = new InterProcessReadWriteLock(desk.client(), place);
        InterProcessReadWriteLock theirs = new InterProcessReadWriteLock(desk.client(), place);
        mine.readLock().acquire();
        Cases.yes(gets(theirs.readLock(), Cases.PATIENCE_MS), "two may read");
        theirs.readLock().release();
        Cases.yes(!gets(theirs.writeLock(), 100), "nobody writes while somebody reads");
        mine.readLock().release();
        mine.writeLock().acquire();
        mine.readLock().acquire();
        Cases.yes(!gets(theirs.readLock(), 100), "nobody reads while somebody writes");
        mine.writeLock().release();
        Cases.yes(gets(theirs.readLock(), Cases.PATIENCE_MS), "a writer becomes a reader");
        mine.readLock().release();
        theirs.readLock().release();
    }

    private static void semaphore(Desk desk) throws Exception {
        String place = desk.place();
        InterProcessSemaphoreV2 mine = new InterProcessSemaphoreV2(desk.client(), place, 3);
        InterProcessSemaphoreV2 theirs = new InterProcessSemaphoreV2(desk.client(), place, 3);
        Collection<Lease> two = mine.acquire(2);
        mine.setNodeData("who".getBytes());
        Lease third = theirs.acquire(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS);
        Cases.yes(third != null, "the third lease is free");
        Cases.same(null, theirs.acquire(100, TimeUnit.MILLISECONDS));
        Cases.same(3, mine.getParticipantNodes().size());
        CompletableFuture<Collection<Lease>> waiting = Cases.inThread(() -> theirs.acquire(2));
        mine.returnAll(two);
        Cases.same(2, Cases.within(waiting).size());
        theirs.returnLease(third);
        Lease named = mine.acquire();
        Cases.same("who", new String(named.getData()));
        mine.returnLease(named);
    }

    private static void countedSemaphore(Desk desk) throws Exception {
        String place = desk.place();
        SharedCount count = new SharedCount(desk.client(), place + "-count", 1);
        count.start();
        InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(desk.client(), place, count);
        Lease only = semaphore.acquire();
        CompletableFuture<Lease> waiting = Cases.inThread(semaphore::acquire);
        Cases.eventually("two want it", () -> semaphore.getParticipantNodes().size() == 2);
        Cases.yes(!waiting.isDone(), "one lease and no more");
        count.setCount(2);
        semaphore.returnLease(Cases.within(waiting));
        semaphore.returnLease(only);
        count.close();
    }

    private static void multiLock(Desk desk) throws Exception {
        String one = desk.place();
        String two = desk.place();
        InterProcessMultiLock both = new InterProcessMultiLock(desk.client(), Arrays.asList(one, two));
        CuratorFramework other = desk.client();
        InterProcessMutex second = new InterProcessMutex(other, two);
        InterProcessMutex first = new InterProcessMutex(other, one);
        second.acquire();
        Cases.yes(!gets(both, 200), "one of the two is not free");
        Cases.yes(gets(first, Cases.PATIENCE_MS), "the one that was got is let go");
        first.release();
        second.release();
        Cases.yes(gets(both, Cases.PATIENCE_MS), "both are free");
        Cases.yes(!gets(first, 100), "both are held");
        both.release();
    }

    private static void locker(Desk desk) throws Exception {
        InterProcessMutex mutex = new InterProcessMutex(desk.client(), desk.place());
        try (Locker held = new Locker(mutex, Cases.PATIENCE_MS, TimeUnit.MILLISECONDS)) {
            Cases.yes(mutex.isOwnedByCurrentThread(), "it is held inside");
        }
        Cases.yes(!mutex.isOwnedByCurrentThread(), "it is let go behind");
    }
}
