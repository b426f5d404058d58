import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.CachedAtomicInteger;
import org.apache.curator.framework.recipes.atomic.CachedAtomicLong;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicInteger;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicValue;
import org.apache.curator.framework.recipes.atomic.PromotedToLock;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedCountListener;
import org.apache.curator.framework.recipes.shared.SharedCountReader;
import org.apache.curator.framework.recipes.shared.SharedValue;
import org.apache.curator.framework.recipes.shared.VersionedValue;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;

final class Counters {
    static void all(Cases cases, Desk desk) {
        cases.check("SharedCount", () -> sharedCount(desk));
        cases.check("SharedValue", () -> sharedValue(desk));
        cases.check("DistributedAtomicLong", () -> atomicLong(desk));
        cases.check("DistributedAtomicLong promoted to a lock", () -> promoted(desk));
        cases.check("DistributedAtomicInteger", () -> atomicInteger(desk));
        cases.check("DistributedAtomicValue", () -> atomicValue(desk));
        cases.check("CachedAtomicLong and CachedAtomicInteger", () -> cached(desk));
    }

    private static void sharedCount(Desk desk) throws Exception {
        String place = desk.place();
        SharedCount mine = new SharedCount(desk.client(), place, 5);
        SharedCount theirs = new SharedCount(desk.client(), place, 6);
        mine.start();
        theirs.start();
        Cases.same(5, theirs.getCount());
        BlockingQueue<Integer> told = new LinkedBlockingQueue<>();
        theirs.addListener(new SharedCountListener() {
            @Override
            public void countHasChanged(SharedCountReader count, int value) {
                told.add(value);
            }

            @Override
            public void stateChanged(CuratorFramework client, ConnectionState state) {
            }
        });
        mine.setCount(10);
        Cases.await(told, 10);
        VersionedValue<Integer> seen = theirs.getVersionedValue();
        Cases.yes(mine.trySetCount(mine.getVersionedValue(), 11), "the current version can be replaced");
        Cases.yes(!theirs.trySetCount(seen, 12), "an old version cannot");
        Cases.await(told, 11);
        mine.close();
        theirs.close();
    }

    private static void sharedValue(Desk desk) throws Exception {
        String place = desk.place();
        SharedValue mine = new SharedValue(desk.client(), place, "seed".getBytes());
        SharedValue theirs = new SharedValue(desk.client(), place, "other".getBytes());
        mine.start();
        theirs.start();
        Cases.same("seed", new String(theirs.getValue()));
        mine.setValue("new".getBytes());
        Cases.eventually("the other one sees it", () -> new String(theirs.getValue()).equals("new"));
        mine.close();
        theirs.close();
    }

    private static void atomicLong(Desk desk) throws Exception {
        String place = desk.place();
        DistributedAtomicLong number = new DistributedAtomicLong(desk.client(), place, new RetryNTimes(1000, 1));
        Cases.yes(number.initialize(40L), "it is new");
        Cases.yes(!number.initialize(50L), "and then it is not");
        Cases.same(41L, number.increment().postValue());
        Cases.same(40L, number.subtract(1L).postValue());
        Cases.yes(!number.compareAndSet(39L, 1L).succeeded(), "another value is not replaced");
        Cases.yes(number.compareAndSet(40L, 0L).succeeded(), "the right one is");
        CompletableFuture<?>[] workers = new CompletableFuture<?>[4];
        for (int worker = 0; worker < workers.length; worker++) {
            DistributedAtomicLong same = new DistributedAtomicLong(desk.client(), place, new RetryNTimes(1000, 1));
            workers[worker] = Cases.inThread(() -> {
                for (int round = 0; round < 25; round++) {
                    Cases.yes(same.increment().succeeded(), "it is counted in the end");
                }
                return true;
            });
        }
        Cases.within(CompletableFuture.allOf(workers));
        Cases.same(100L, number.get().postValue());
    }

    private static void promoted(Desk desk) throws Exception {
        String place = desk.place();
        PromotedToLock promotion = PromotedToLock.builder().lockPath(desk.place())
                .retryPolicy(new RetryNTimes(1000, 1)).timeout(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS).build();
        CompletableFuture<?>[] workers = new CompletableFuture<?>[4];
        for (int worker = 0; worker < workers.length; worker++) {
            DistributedAtomicLong number =
                    new DistributedAtomicLong(desk.client(), place, new RetryNTimes(0, 0), promotion);
            workers[worker] = Cases.inThread(() -> {
                for (int round = 0; round < 10; round++) {
                    Cases.yes(number.add(2L).succeeded(), "it is added in the end");
                }
                return true;
            });
        }
        Cases.within(CompletableFuture.allOf(workers));
        DistributedAtomicLong number = new DistributedAtomicLong(desk.client(), place, new RetryNTimes(0, 0));
        Cases.same(80L, number.get().postValue());
    }

    private static void atomicInteger(Desk desk) throws Exception {
        DistributedAtomicInteger number =
                new DistributedAtomicInteger(desk.client(), desk.place(), new RetryNTimes(10, 1));
        Cases.same(0, number.get().postValue());
        Cases.same(1, number.increment().postValue());
        Cases.same(8, number.add(7).postValue());
        Cases.same(7, number.decrement().postValue());
        number.forceSet(70);
        AtomicValue<Integer> set = number.trySet(71);
        Cases.yes(set.succeeded(), "nobody else writes");
        Cases.same(70, set.preValue());
        Cases.same(71, set.postValue());
    }

    private static void atomicValue(Desk desk) throws Exception {
        DistributedAtomicValue value =
                new DistributedAtomicValue(desk.client(), desk.place(), new RetryNTimes(10, 1));
        Cases.yes(value.initialize("one".getBytes()), "it is new");
        AtomicValue<byte[]> seen = value.compareAndSet("one".getBytes(), "two".getBytes());
        Cases.yes(seen.succeeded(), "it is replaced");
        Cases.same("two", new String(value.get().postValue()));
        Cases.same(1, value.trySet("three".getBytes()).getStats().getOptimisticTries());
    }

    private static void cached(Desk desk) throws Exception {
        CachedAtomicLong longs = new CachedAtomicLong(
                new DistributedAtomicLong(desk.client(), desk.place(), new RetryNTimes(10, 1)), 10);
        CachedAtomicInteger integers = new CachedAtomicInteger(
                new DistributedAtomicInteger(desk.client(), desk.place(), new RetryNTimes(10, 1)), 10);
        long firstLong = longs.next().postValue();
        int firstInteger = integers.next().postValue();
        for (int step = 1; step < 25; step++) {
            Cases.same(firstLong + step, longs.next().postValue());
            Cases.same(firstInteger + step, integers.next().postValue());
        }
    }
}
