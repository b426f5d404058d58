import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderLatchListener;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;

final class Leaders {
    static void all(Cases cases, Desk desk) {
        cases.check("LeaderLatch", () -> leaderLatch(desk));
        cases.check("LeaderLatchListener", () -> leaderLatchListener(desk));
        cases.check("LeaderSelector", () -> leaderSelector(desk));
        cases.check("LeaderSelector interrupted", () -> interrupted(desk));
    }

    private static void leaderLatch(Desk desk) throws Exception {
        String place = desk.place();
        LeaderLatch first = new LeaderLatch(desk.client(), place, "first");
        LeaderLatch second = new LeaderLatch(desk.client(), place, "second");
        first.start();
        Cases.yes(first.await(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS), "the first leads");
        second.start();
        Cases.eventually("both are known", () -> second.getParticipants().size() == 2);
        Cases.same("first", second.getLeader().getId());
        Cases.yes(!second.hasLeadership(), "the second does not lead");
        first.close();
        Cases.yes(second.await(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS), "the second leads then");
        Cases.same("second", second.getLeader().getId());
        second.close();
    }

    private static void leaderLatchListener(Desk desk) throws Exception {
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        LeaderLatch latch = new LeaderLatch(desk.client(), desk.place(), "one", LeaderLatch.CloseMode.NOTIFY_LEADER);
        latch.addListener(new LeaderLatchListener() {
            @Override
            public void isLeader() {
                told.add("leads");
            }

            @Override
            public void notLeader() {
                told.add("leads no more");
            }
        });
        latch.start();
        Cases.same("leads", Cases.next(told));
        latch.close();
        Cases.same("leads no more", Cases.next(told));
    }

    private static void leaderSelector(Desk desk) throws Exception {
        String place = desk.place();
        BlockingQueue<String> leaders = new LinkedBlockingQueue<>();
        LeaderSelector[] selectors = new LeaderSelector[3];
        for (int number = 0; number < selectors.length; number++) {
            String name = "number " + number;
            selectors[number] = new LeaderSelector(desk.client(), place, new LeaderSelectorListenerAdapter() {
                @Override
                public void takeLeadership(CuratorFramework client) {
                    leaders.add(name);
                }
            });
            selectors[number].setId(name);
            selectors[number].autoRequeue();
            selectors[number].start();
        }
        for (LeaderSelector selector : selectors) {
            Cases.await(leaders, selector.getId());
        }
        Cases.eventually("all take part", () -> selectors[0].getParticipants().size() == 3);
        for (LeaderSelector selector : selectors) {
            selector.close();
        }
    }

    private static void interrupted(Desk desk) throws Exception {
        BlockingQueue<String> told = new LinkedBlockingQueue<>();
        LeaderSelector selector = new LeaderSelector(desk.client(), desk.place(), new LeaderSelectorListenerAdapter() {
            @Override
            public void takeLeadership(CuratorFramework client) throws InterruptedException {
                told.add("taken");
                try {
                    new CountDownLatch(1).await();
                } finally {
                    told.add("given up");
                }
            }
        });
        selector.start();
        Cases.same("taken", Cases.next(told));
        Cases.yes(selector.hasLeadership(), "it leads");
        selector.interruptLeadership();
        Cases.same("given up", Cases.next(told));
        Cases.eventually("it leads no more", () -> !selector.hasLeadership());
        Cases.yes(selector.requeue(), "it can be put in the queue again");
        Cases.same("taken", Cases.next(told));
        selector.close();
    }
}
