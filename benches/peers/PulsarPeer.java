import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.management.ManagementFactory;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.pulsar.client.api.BatchReceivePolicy;
import org.apache.pulsar.client.api.CompressionType;
import org.apache.pulsar.client.api.Message;
import org.apache.pulsar.client.api.MessageId;
import org.apache.pulsar.client.api.Messages;
import org.apache.pulsar.client.api.Producer;
import org.apache.pulsar.client.api.PulsarClient;
import org.apache.pulsar.client.api.PulsarClientException;
import org.apache.pulsar.client.api.Schema;
import org.apache.pulsar.client.api.SubscriptionInitialPosition;
import org.apache.pulsar.client.api.SubscriptionType;

/**
 * Pulsar's own Java client, as a baseline of benches: does one run and prints its figures as one line of JSON, as every contender
 * does.
 *
 * It does a tenth of the work first, which is not counted: what is measured is the client when it is warm, not the start of its
 * JVM. Processor time is that of the whole process from then on, compiler and garbage collector included.
 */
public final class PulsarPeer {
    private static final String USAGE = """
            java -cp "$(scripts/brokers classpath pulsar)" benches/peers/PulsarPeer.java COMMAND NAME=VALUE...
              write broker= topic= n= file= [codec=NONE] [records=1000] [bytes=131072] [linger_ms=1] [pending=10000]
                  n records, confirmed; file has a KEY, a tabulator and a VALUE on each line, and is begun again at its end;
                  a batch has `records` and `bytes` at most, and waits `linger_ms`; `pending` are not confirmed at most
              read broker= topic= n= [queue=1000]
                  the first n records with a reader of its own
              acks broker= topic= n= [queue=1000]
                  the first n records of a Shared subscription, each acknowledged, in groups as they are received""";

    private static final VarHandle WORDS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final int PATIENCE_SECONDS = 60;

    private final PulsarClient client;
    private final Map<String, String> settings;

    private PulsarPeer(PulsarClient client, Map<String, String> settings) {
        this.client = client;
        this.settings = settings;
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 0 || !List.of("write", "read", "acks").contains(arguments[0])) {
            System.err.println(USAGE);
            System.exit(2);
        }
        // A jar of the broker's has settings that log to standard output; these log errors, to standard error.
        System.setProperty("log4j2.loggerContextFactory", "org.apache.logging.log4j.simple.SimpleLoggerContextFactory");
        Map<String, String> settings = new HashMap<>();
        for (int i = 1; i < arguments.length; i++) {
            String[] setting = arguments[i].split("=", 2);
            settings.put(setting[0], setting[1]);
        }
        String url = "pulsar://" + settings.get("broker");
        try (PulsarClient client = PulsarClient.builder().serviceUrl(url).statsInterval(0, TimeUnit.SECONDS).build()) {
            System.out.println(new PulsarPeer(client, settings).run(arguments[0]));
        }
    }

    private String run(String command) throws Exception {
        int n = number("n", 0);
        Work work = switch (command) {
            case "write" -> writing();
            case "read" -> this::read;
            default -> this::acknowledge;
        };
        work.run(n / 10, "-warm-up");
        double cpu = cpuSeconds();
        long start = System.nanoTime();
        String seen = work.run(n, "");
        double wall = (System.nanoTime() - start) / 1e9;
        return String.format(Locale.ROOT, "{\"cpu_seconds\":%.3f,\"wall_seconds\":%.3f,\"resident_mb\":%.1f,\"seen\":{%s}}",
                cpuSeconds() - cpu, wall, residentMegabytes(), seen);
    }

    /** Does the work for n records; what is written goes to, and what is read is known to the broker as, a name with this end. */
    private interface Work {
        String run(int n, String end) throws Exception;
    }

    private Work writing() throws IOException {
        List<String> lines = Files.readAllLines(Path.of(settings.get("file")));
        String[] keys = new String[lines.size()];
        byte[][] values = new byte[lines.size()][];
        for (int i = 0; i < values.length; i++) {
            String[] parts = lines.get(i).split("\t", 2);
            keys[i] = parts[0];
            values[i] = parts[1].getBytes(StandardCharsets.UTF_8);
        }
        return (n, end) -> write(n, end, keys, values);
    }

    private String write(int n, String end, String[] keys, byte[][] values) throws Exception {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        try (Producer<byte[]> producer = producer(settings.get("topic") + end)) {
            for (int i = 0; i < n; i++) {
                int at = i % values.length;
                producer.newMessage().key(keys[at]).value(values[at]).sendAsync().whenComplete((id, error) -> {
                    if (error != null) {
                        failure.compareAndSet(null, error);
                    }
                });
            }
            producer.flush();
        }
        if (failure.get() != null) {
            throw new IllegalStateException("not all was written", failure.get());
        }
        return "\"written\":" + n;
    }

    private Producer<byte[]> producer(String topic) throws PulsarClientException {
        return client.newProducer(Schema.BYTES).topic(topic)
                .compressionType(CompressionType.valueOf(settings.getOrDefault("codec", "NONE")))
                .batchingMaxMessages(number("records", 1000)).batchingMaxBytes(number("bytes", 128 << 10))
                .batchingMaxPublishDelay(number("linger_ms", 1), TimeUnit.MILLISECONDS)
                .maxPendingMessages(number("pending", 10_000)).blockIfQueueFull(true).create();
    }

    private String read(int n, String end) throws Exception {
        long sum = 0;
        try (var reader = client.newReader(Schema.BYTES).topic(settings.get("topic")).startMessageId(MessageId.earliest)
                .receiverQueueSize(number("queue", 1000)).create()) {
            for (int i = 0; i < n; i++) {
                sum += checksum(present(reader.readNext(PATIENCE_SECONDS, TimeUnit.SECONDS), i).getData());
            }
        }
        return seen(n, sum);
    }

    private String acknowledge(int n, String end) throws Exception {
        long sum = 0;
        int nRead = 0;
        try (var consumer = client.newConsumer(Schema.BYTES).topic(settings.get("topic")).subscriptionName("peer" + end)
                .subscriptionType(SubscriptionType.Shared).subscriptionInitialPosition(SubscriptionInitialPosition.Earliest)
                .receiverQueueSize(number("queue", 1000)).enableBatchIndexAcknowledgment(true)
                .batchReceivePolicy(BatchReceivePolicy.builder().maxNumMessages(number("queue", 1000) / 2)
                        .timeout(10, TimeUnit.MILLISECONDS).build())
                .subscribe()) {
            while (nRead < n) {
                Messages<byte[]> messages = consumer.batchReceive();
                for (Message<byte[]> message : messages) {
                    if (nRead < n) {
                        sum += checksum(message.getData());
                        nRead++;
                    }
                }
                consumer.acknowledgeAsync(messages);
            }
        }
        return seen(n, sum);
    }

    private static <M> M present(M message, int nBefore) {
        if (message == null) {
            throw new IllegalStateException("nothing came after " + nBefore + " records");
        }
        return message;
    }

    private static String seen(int n, long sum) {
        return "\"records\":" + n + ",\"checksum\":" + Long.toUnsignedString(sum);
    }

    /** The sum of the words of eight bytes, and of the bytes that are left: as all contenders have it. */
    private static long checksum(byte[] bytes) {
        long sum = 0;
        int at = 0;
        for (; at + 8 <= bytes.length; at += 8) {
            sum += (long) WORDS.get(bytes, at);
        }
        for (; at < bytes.length; at++) {
            sum += bytes[at] & 0xff;
        }
        return sum;
    }

    private int number(String name, int otherwise) {
        return Integer.parseInt(settings.getOrDefault(name, Integer.toString(otherwise)));
    }

    private static double cpuSeconds() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return Duration.ofNanos(system.getProcessCpuTime()).toNanos() / 1e9;
    }

    private static double residentMegabytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) * 1.024e-3;
            }
        }
        throw new IOException("Linux tells how much memory a process had at most");
    }
}
