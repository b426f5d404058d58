import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.zookeeper.data.Stat;

final class Barriers {
    static void all(Cases cases, Desk desk) {
        cases.check("DistributedBarrier", () -> barrier(desk));
        cases.check("DistributedDoubleBarrier", () -> doubleBarrier(desk));
    }

    private static void barrier(Desk desk) throws Exception {
        String place = desk.place();
        DistributedBarrier keeper = new DistributedBarrier(desk.client(), place);
        DistributedBarrier waiter = new DistributedBarrier(desk.client(), place);
        Cases.yes(waiter.waitOnBarrier(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS), "no barrier keeps nobody");
        keeper.setBarrier();
        Cases.yes(!waiter.waitOnBarrier(100, TimeUnit.MILLISECONDS), "it keeps them");
        CompletableFuture<Boolean> waiting =
                Cases.inThread(() -> waiter.waitOnBarrier(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS));
        keeper.removeBarrier();
        Cases.yes(Cases.within(waiting), "it lets them go");
    }

    private static void doubleBarrier(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        DistributedDoubleBarrier[] members = new DistributedDoubleBarrier[3];
        for (int number = 0; number < members.length; number++) {
            members[number] = new DistributedDoubleBarrier(desk.client(), place, members.length);
        }
        Cases.yes(!members[0].enter(100, TimeUnit.MILLISECONDS), "one alone does not enter");
        CompletableFuture<?>[] entering = new CompletableFuture<?>[members.length];
        for (int number = 0; number < members.length; number++) {
            DistributedDoubleBarrier member = new DistributedDoubleBarrier(desk.client(), place + "-2", members.length);
            entering[number] = Cases.inThread(() -> {
                Cases.yes(member.enter(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS), "all enter");
                Cases.yes(member.leave(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS), "all leave");
                return true;
            });
        }
        Cases.within(CompletableFuture.allOf(entering));
        // It is a container: the server may have removed it already.
        Cases.eventually("nobody is left", () -> {
            Stat stat = client.checkExists().forPath(place + "-2");
            return stat == null || stat.getNumChildren() == 0;
        });
    }
}
