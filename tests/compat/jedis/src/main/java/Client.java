// SPDX-License-Identifier: Apache-2.0
// See ../../../../README.md for what every client does here.
import java.util.Set;
import redis.clients.jedis.AbstractPipeline;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.JedisCluster;
import redis.clients.jedis.JedisPooled;
import redis.clients.jedis.Response;
import redis.clients.jedis.UnifiedJedis;
import redis.clients.jedis.exceptions.JedisException;

public class Client {
  static void check(boolean condition, String what) {
    if (!condition) {
      System.out.println("WRONG " + what);
      System.exit(1);
    }
  }

  public static void main(String[] arguments) throws Exception {
    HostAndPort node = new HostAndPort("127.0.0.1", Integer.parseInt(arguments[1]));
    UnifiedJedis client =
        arguments[0].equals("cluster") ? new JedisCluster(Set.of(node)) : new JedisPooled(node.getHost(), node.getPort());
    check(client.set("compat:k", "v\u0000\r\n").equals("OK"), "set");
    check(client.get("compat:k").equals("v\u0000\r\n"), "get");
    client.del("compat:n");
    Response<Long> last = null;
    try (AbstractPipeline pipeline = client.pipelined()) {
      for (int i = 0; i < 100; i++) last = pipeline.incr("compat:n");
      pipeline.sync();
    }
    check(last.get() == 100, "pipeline");
    System.out.println("READY");

    int sets = 0, errors = 0, acknowledged = 0;
    long end = System.currentTimeMillis() + 6000;
    for (int i = 1; System.currentTimeMillis() < end; i++) {
      try {
        client.set("compat:seq", Integer.toString(i));
        acknowledged = i;
        sets++;
        int read = Integer.parseInt(client.get("compat:seq"));
        check(read >= acknowledged, "read " + read + " after " + acknowledged);
      } catch (JedisException error) {
        errors++;
        Thread.sleep(20);
      }
    }
    check(Integer.parseInt(client.get("compat:seq")) >= acknowledged, "the last write");
    System.out.println("DONE sets=" + sets + " errors=" + errors);
    System.exit(0);
  }
}
