import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.curator.x.discovery.details.ServiceCacheListener;

final class Discovery {
    static void all(Cases cases, Desk desk) {
        cases.check("ServiceDiscovery", () -> discovery(desk));
        cases.check("ServiceCache", () -> cache(desk));
        cases.check("ServiceProvider", () -> provider(desk));
    }

    private static ServiceInstance<String> instance(int port) throws Exception {
        return ServiceInstance.<String>builder().name("shop").address("127.0.0.1").port(port).payload("till " + port)
                .build();
    }

    private static ServiceDiscovery<String> at(Desk desk, String place, ServiceInstance<String> instance)
            throws Exception {
        ServiceDiscovery<String> found = ServiceDiscoveryBuilder.builder(String.class).client(desk.client())
                .basePath(place).thisInstance(instance).build();
        found.start();
        return found;
    }

    private static void discovery(Desk desk) throws Exception {
        String place = desk.place();
        ServiceInstance<String> instance = instance(1);
        ServiceDiscovery<String> shop = at(desk, place, instance);
        ServiceDiscovery<String> visitor = at(desk, place, null);
        Cases.same("[shop]", visitor.queryForNames().toString());
        ServiceInstance<String> found = visitor.queryForInstance("shop", instance.getId());
        Cases.same("till 1", found.getPayload());
        ServiceInstance<String> second = instance(2);
        shop.registerService(second);
        Cases.same(2, visitor.queryForInstances("shop").size());
        shop.unregisterService(second);
        Cases.same(1, visitor.queryForInstances("shop").size());
        shop.close();
        Cases.same(0, visitor.queryForInstances("shop").size());
        visitor.close();
    }

    private static void cache(Desk desk) throws Exception {
        String place = desk.place();
        ServiceDiscovery<String> shop = at(desk, place, instance(1));
        ServiceDiscovery<String> visitor = at(desk, place, null);
        ServiceCache<String> cache = visitor.serviceCacheBuilder().name("shop").build();
        BlockingQueue<Integer> told = new LinkedBlockingQueue<>();
        cache.addListener(new ServiceCacheListener() {
            @Override
            public void cacheChanged() {
                told.add(cache.getInstances().size());
            }

            @Override
            public void stateChanged(CuratorFramework client, ConnectionState state) {
            }
        });
        cache.start();
        Cases.same(1, cache.getInstances().size());
        shop.registerService(instance(2));
        Cases.await(told, 2);
        shop.close();
        Cases.await(told, 0);
        cache.close();
        visitor.close();
    }

    private static void provider(Desk desk) throws Exception {
        String place = desk.place();
        ServiceDiscovery<String> shop = at(desk, place, instance(1));
        ServiceDiscovery<String> visitor = at(desk, place, null);
        ServiceProvider<String> provider = visitor.serviceProviderBuilder().serviceName("shop").build();
        provider.start();
        Cases.same("till 1", provider.getInstance().getPayload());
        shop.close();
        Cases.eventually("nobody serves", () -> provider.getInstance() == null);
        provider.close();
        visitor.close();
    }
}
