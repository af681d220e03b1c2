// The same job on Kafka Streams (Java), as a yardstick: conversation events in, 15-minute billing sessions out.
// It does less than Quarterhour must: no duplicates, no late events, no corrections, no seats, no checks of the input.
// usage: Peer BOOTSTRAP TOPIC THREADS at_least_once|exactly_once_v2 EXPECTED_EVENTS
import com.fasterxml.jackson.databind.*;
import java.nio.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.atomic.*;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.*;

public class Peer {
  static final long WINDOW = 900_000L;
  static final ObjectMapper JSON = new ObjectMapper();
  static final AtomicLong seen = new AtomicLong(), sessions = new AtomicLong();
  static volatile long first = 0, last = 0;

  static class Meter implements Processor<String, byte[], String, byte[]> {
    KeyValueStore<String, byte[]> store;
    ProcessorContext<String, byte[]> context;
    public void init(ProcessorContext<String, byte[]> c) { context = c; store = c.getStateStore("conversations"); }

    public void process(Record<String, byte[]> r) {
      if (first == 0) { last = System.nanoTime(); first = last; }
      try {
        JsonNode e = JSON.readTree(r.value()), d = e.get("data");
        if (d == null) return;  // log.closed is no event
        String id = e.get("subject").asText(), type = e.get("type").asText();
        long t = Instant.parse(e.get("time").asText()).toEpochMilli();
        long start = t, end = t, human = 0, transferred = -1, closed = 0;
        byte[] b = store.get(id);
        if (b != null) { LongBuffer q = ByteBuffer.wrap(b).asLongBuffer(); start = q.get(); end = q.get(); human = q.get(); transferred = q.get(); closed = q.get(); }
        if (t > end) end = t;
        if (type.equals("conversation.transferred")) { if (transferred < 0) transferred = t; }
        else if (type.equals("conversation.returned")) { if (transferred >= 0) { human += t - transferred; transferred = -1; } }
        boolean over = type.equals("conversation.ended");
        if (over && transferred >= 0) { human += t - transferred; transferred = -1; }
        long clock = end - start - human - (transferred >= 0 ? end - transferred : 0);
        long n = over ? Math.max(1, (clock + WINDOW - 1) / WINDOW) : clock / WINDOW;
        for (; closed < n; closed++) {
          Map<String, Object> f = new LinkedHashMap<>();
          f.put("billing_session_id", id + "/" + closed); f.put("workspace_id", d.get("workspace_id").asText()); f.put("app_id", d.get("app_id").asText());
          f.put("channel", d.get("channel").asText()); f.put("conversation_id", id); f.put("start", start + closed * WINDOW); f.put("end", start + (closed + 1) * WINDOW);
          context.forward(new Record<>(d.get("workspace_id").asText(), JSON.writeValueAsBytes(f), t));
          sessions.incrementAndGet();
        }
        if (over) store.delete(id);
        else { ByteBuffer w = ByteBuffer.allocate(40); w.putLong(start).putLong(end).putLong(human).putLong(transferred).putLong(closed); store.put(id, w.array()); }
      } catch (Exception x) { x.printStackTrace(); throw new RuntimeException(x); }
      seen.incrementAndGet(); last = System.nanoTime();
    }
  }

  public static void main(String[] a) throws Exception {
    Path dir = Files.createTempDirectory("peer");
    Properties p = new Properties();
    p.put("application.id", "peer-" + System.currentTimeMillis()); p.put("bootstrap.servers", a[0]); p.put("auto.offset.reset", "earliest");
    p.put("num.stream.threads", a[2]); p.put("processing.guarantee", a[3]); p.put("state.dir", dir.toString());
    p.put("producer.linger.ms", "50"); p.put("producer.batch.size", "1000000"); p.put("producer.compression.type", "lz4"); p.put("consumer.max.poll.records", "5000");
    p.put("statestore.cache.max.bytes", "134217728");
    StreamsBuilder s = new StreamsBuilder();
    s.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("conversations"), Serdes.String(), Serdes.ByteArray()).withCachingEnabled());
    s.stream(a[1], Consumed.with(Serdes.String(), Serdes.ByteArray())).process(Meter::new, "conversations").to("peer.sessions", Produced.with(Serdes.String(), Serdes.ByteArray()));
    KafkaStreams k = new KafkaStreams(s.build(), p);
    k.setUncaughtExceptionHandler(x -> { x.printStackTrace(); System.exit(1); return null; });
    long cpu0 = ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO).toMillis();
    k.start();
    long want = Long.parseLong(a[4]);
    while (seen.get() < want && (first == 0 || System.nanoTime() - last < 15_000_000_000L)) Thread.sleep(20);
    k.close(Duration.ofSeconds(20));
    double sec = (last - first) / 1e9, cpu = (ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO).toMillis() - cpu0) / 1e3;
    System.out.printf("{\"engine\":\"kafka-streams\",\"guarantee\":\"%s\",\"threads\":%s,\"events\":%d,\"sessions\":%d,\"seconds\":%.2f,\"events_per_s\":%.0f,\"cpu_us_per_event\":%.2f}%n",
        a[3], a[2], seen.get(), sessions.get(), sec, seen.get() / sec, cpu * 1e6 / seen.get());
    System.exit(0);
  }
}
