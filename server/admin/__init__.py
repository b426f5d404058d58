"""Commands over HTTP: what Java's `org.apache.zookeeper.server.admin` and its Prometheus provider serve."""
