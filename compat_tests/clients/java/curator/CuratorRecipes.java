/** Every recipe of Apache Curator, against the server named last on the command line. */
public final class CuratorRecipes {
    public static void main(String[] arguments) {
        Cases cases = Cases.of(arguments);
        Desk desk = new Desk(cases, Cases.hosts(arguments));
        Framework.all(cases, desk);
        Leaders.all(cases, desk);
        Locks.all(cases, desk);
        Barriers.all(cases, desk);
        Counters.all(cases, desk);
        Caches.all(cases, desk);
        Nodes.all(cases, desk);
        Queues.all(cases, desk);
        Discovery.all(cases, desk);
        Outages.all(cases, desk);
        System.exit(0);
    }
}
