import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.queue.DistributedDelayQueue;
import org.apache.curator.framework.recipes.queue.DistributedIdQueue;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.QueueSharder;
import org.apache.curator.framework.recipes.queue.QueueSharderPolicies;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.state.ConnectionState;

final class Queues {
    static void all(Cases cases, Desk desk) {
        cases.check("DistributedQueue", () -> queue(desk));
        cases.check("DistributedQueue with a lock", () -> lockedQueue(desk));
        cases.check("DistributedIdQueue", () -> idQueue(desk));
        cases.check("DistributedPriorityQueue", () -> priorityQueue(desk));
        cases.check("DistributedDelayQueue", () -> delayQueue(desk));
        cases.check("SimpleDistributedQueue", () -> simpleQueue(desk));
        cases.check("QueueSharder", () -> sharder(desk));
    }

    private static final QueueSerializer<String> TEXT = new QueueSerializer<>() {
        @Override
        public byte[] serialize(String item) {
            return item.getBytes();
        }

        @Override
        public String deserialize(byte[] bytes) {
            return new String(bytes);
        }
    };

    private static QueueConsumer<String> into(BlockingQueue<String> taken) {
        return new QueueConsumer<>() {
            @Override
            public void consumeMessage(String message) {
                taken.add(message);
            }

            @Override
            public void stateChanged(CuratorFramework client, ConnectionState state) {
            }
        };
    }

    private static QueueBuilder<String> producer(Desk desk, String place) throws Exception {
        return QueueBuilder.builder(desk.client(), null, TEXT, place);
    }

    private static QueueBuilder<String> consumer(Desk desk, String place, BlockingQueue<String> taken)
            throws Exception {
        return QueueBuilder.builder(desk.client(), into(taken), TEXT, place);
    }

    private static void queue(Desk desk) throws Exception {
        String place = desk.place();
        BlockingQueue<String> taken = new LinkedBlockingQueue<>();
        DistributedQueue<String> in = producer(desk, place).buildQueue();
        DistributedQueue<String> out = consumer(desk, place, taken).buildQueue();
        in.start();
        for (String item : List.of("a", "b", "c")) {
            in.put(item);
        }
        Cases.yes(in.flushPuts(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS), "all is written");
        out.start();
        Cases.same(List.of("a", "b", "c"), Cases.next(taken, 3));
        in.put("d");
        Cases.same("d", Cases.next(taken));
        in.close();
        out.close();
    }

    private static void lockedQueue(Desk desk) throws Exception {
        String place = desk.place();
        String locks = desk.place();
        BlockingQueue<String> taken = new LinkedBlockingQueue<>();
        DistributedQueue<String> in = producer(desk, place).buildQueue();
        DistributedQueue<String> one = consumer(desk, place, taken).lockPath(locks).buildQueue();
        DistributedQueue<String> two = consumer(desk, place, taken).lockPath(locks).buildQueue();
        in.start();
        one.start();
        two.start();
        Set<String> expected = new HashSet<>();
        for (int number = 0; number < 20; number++) {
            expected.add("item " + number);
            in.put("item " + number);
        }
        List<String> seen = Cases.next(taken, 20);
        Cases.same(expected, new HashSet<>(seen));
        in.close();
        one.close();
        two.close();
        Cases.same(0, taken.size());
    }

    private static void idQueue(Desk desk) throws Exception {
        String place = desk.place();
        BlockingQueue<String> taken = new LinkedBlockingQueue<>();
        DistributedIdQueue<String> in = producer(desk, place).buildIdQueue();
        DistributedIdQueue<String> out = consumer(desk, place, taken).buildIdQueue();
        in.start();
        in.put("keep", "id 1");
        in.put("drop", "id 2");
        Cases.eventually("one is taken back", () -> in.remove("id 2") == 1);
        out.start();
        Cases.same("keep", Cases.next(taken));
        in.close();
        out.close();
        Cases.same(0, taken.size());
    }

    private static void priorityQueue(Desk desk) throws Exception {
        String place = desk.place();
        BlockingQueue<String> taken = new LinkedBlockingQueue<>();
        DistributedPriorityQueue<String> in = producer(desk, place).buildPriorityQueue(1);
        DistributedPriorityQueue<String> out = consumer(desk, place, taken).buildPriorityQueue(1);
        in.start();
        in.put("last", 100);
        in.put("first", -5);
        in.put("middle", 0);
        Cases.yes(in.flushPuts(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS), "all is written");
        out.start();
        Cases.same(List.of("first", "middle", "last"), Cases.next(taken, 3));
        in.close();
        out.close();
    }

    private static void delayQueue(Desk desk) throws Exception {
        String place = desk.place();
        BlockingQueue<String> taken = new LinkedBlockingQueue<>();
        DistributedDelayQueue<String> in = producer(desk, place).buildDelayQueue();
        DistributedDelayQueue<String> out = consumer(desk, place, taken).buildDelayQueue();
        in.start();
        long start = System.currentTimeMillis();
        in.put("later", start + 600);
        in.put("soon", start + 100);
        out.start();
        Cases.same("soon", Cases.next(taken));
        Cases.same("later", Cases.next(taken));
        Cases.yes(System.currentTimeMillis() >= start + 600, "not before its time");
        in.close();
        out.close();
    }

    private static void simpleQueue(Desk desk) throws Exception {
        String place = desk.place();
        SimpleDistributedQueue in = new SimpleDistributedQueue(desk.client(), place);
        SimpleDistributedQueue out = new SimpleDistributedQueue(desk.client(), place);
        Cases.same(null, out.poll());
        Cases.fails(NoSuchElementException.class, out::element);
        CompletableFuture<byte[]> waiting = Cases.inThread(out::take);
        in.offer(Caches.bytes("one"));
        Cases.same("one", new String(Cases.within(waiting)));
        in.offer(Caches.bytes("two"));
        in.offer(Caches.bytes("three"));
        Cases.same("two", new String(out.peek()));
        Cases.same("two", new String(out.remove()));
        Cases.same("three", new String(out.poll(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS)));
        Cases.same(null, out.poll(50, TimeUnit.MILLISECONDS));
    }

    private static void sharder(Desk desk) throws Exception {
        BlockingQueue<String> taken = new LinkedBlockingQueue<>();
        CuratorFramework client = desk.client();
        QueueSharderPolicies policies = QueueSharderPolicies.builder().newQueueThreshold(2).thresholdCheckMs(20).build();
        QueueSharder<String, DistributedQueue<String>> sharder = new QueueSharder<>(client,
                (of, path) -> QueueBuilder.builder(of, into(taken), TEXT, path).buildQueue(),
                desk.place(), desk.place(), policies);
        sharder.start();
        for (String item : Arrays.asList("a", "b", "c", "d")) {
            sharder.getQueue().put(item);
        }
        Cases.same(new HashSet<>(Arrays.asList("a", "b", "c", "d")), new HashSet<>(Cases.next(taken, 4)));
        sharder.close();
    }
}
