import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentEphemeralNode;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.zookeeper.CreateMode;

@SuppressWarnings("deprecation")
final class Nodes {
    static void all(Cases cases, Desk desk) {
        cases.check("PersistentNode", () -> persistentNode(desk));
        cases.check("PersistentNode after the session ended", () -> sessionEnded(desk));
        cases.check("PersistentEphemeralNode", () -> persistentEphemeralNode(desk));
        cases.check("PersistentTtlNode", () -> persistentTtlNode(desk));
        cases.check("GroupMember", () -> groupMember(desk));
    }

    private static void awaitCreated(PersistentNode node) throws Exception {
        Cases.yes(node.waitForInitialCreate(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS), "it is made");
    }

    private static void persistentNode(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        PersistentNode node =
                new PersistentNode(desk.client(), CreateMode.EPHEMERAL, true, place + "/node", Caches.bytes("data"));
        node.start();
        awaitCreated(node);
        String path = node.getActualPath();
        Cases.same("data", new String(client.getData().forPath(path)));
        client.delete().forPath(path);
        Cases.eventually("it comes back", () -> node.getActualPath() != null
                && client.checkExists().forPath(node.getActualPath()) != null);
        node.setData(Caches.bytes("new"));
        Cases.eventually("its data is new",
                () -> new String(client.getData().forPath(node.getActualPath())).equals("new"));
        node.close();
        Cases.same(0, client.getChildren().forPath(place).size());
    }

    private static void sessionEnded(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        CuratorFramework owner = desk.client();
        PersistentNode node = new PersistentNode(owner, CreateMode.EPHEMERAL, false, place, Caches.bytes("data"));
        node.start();
        awaitCreated(node);
        long before = client.checkExists().forPath(place).getCzxid();
        desk.endSession(owner);
        Cases.eventually("it is made again", () -> client.checkExists().forPath(place) != null
                && client.checkExists().forPath(place).getCzxid() > before);
        node.close();
    }

    private static void persistentEphemeralNode(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        PersistentEphemeralNode node = new PersistentEphemeralNode(desk.client(),
                PersistentEphemeralNode.Mode.PROTECTED_EPHEMERAL_SEQUENTIAL, place + "/node", Caches.bytes("data"));
        node.start();
        awaitCreated(node);
        Cases.yes(node.getActualPath().endsWith("0000000000"), "it has a number");
        Cases.yes(client.checkExists().forPath(node.getActualPath()).getEphemeralOwner() != 0, "it is ephemeral");
        node.close();
    }

    private static void persistentTtlNode(Desk desk) throws Exception {
        String place = desk.place();
        CuratorFramework client = desk.client();
        PersistentTtlNode node = new PersistentTtlNode(desk.client(), place, 2_000, Caches.bytes("data"));
        node.start();
        Cases.yes(node.waitForInitialCreate(Cases.PATIENCE_MS, TimeUnit.MILLISECONDS), "it is made");
        Cases.same("data", new String(client.getData().forPath(place)));
        Cases.eventually("it is kept alive by its child", () -> client.checkExists().forPath(place + "/touch") != null);
        node.close();
        Cases.eventually("it goes when nobody touches it", () -> client.checkExists().forPath(place) == null);
    }

    private static void groupMember(Desk desk) throws Exception {
        String place = desk.place();
        GroupMember first = new GroupMember(desk.client(), place, "first", Caches.bytes("1"));
        GroupMember second = new GroupMember(desk.client(), place, "second", Caches.bytes("2"));
        first.start();
        second.start();
        Cases.eventually("both know both",
                () -> first.getCurrentMembers().size() == 2 && second.getCurrentMembers().size() == 2);
        Cases.same("2", new String(first.getCurrentMembers().get("second")));
        second.setThisData(Caches.bytes("two"));
        Cases.eventually("news is told", () -> new String(first.getCurrentMembers().get("second")).equals("two"));
        second.close();
        Cases.eventually("one is left", () -> first.getCurrentMembers().size() == 1);
        first.close();
    }
}
