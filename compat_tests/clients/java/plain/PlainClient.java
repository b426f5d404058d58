/** Every call of ZooKeeper's own Java client, against the server named last on the command line. */
public final class PlainClient {
    public static void main(String[] arguments) {
        Cases cases = Cases.of(arguments);
        Room room = new Room(cases, Cases.hosts(arguments));
        Calls.all(cases, room);
        Callbacks.all(cases, room);
        Watches.all(cases, room);
        Sessions.all(cases, room);
        Recipes.all(cases, room);
        System.exit(0);
    }
}
