import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's own Java client, told on standard input what to do: one start of the JVM serves all checks of a test.
 *
 * "write TOPIC CODEC LEVEL N" and N lines with a record each are answered by "written", "read TOPIC N" by N lines. A line is
 * "PARTITION KEY VALUE NAME=VALUE...", bytes in hexadecimal with a dot in front, "-" for null. What fails is answered by
 * "failed" and why.
 */
public final class Interop {
    private static final long PATIENCE_SECONDS = 60;

    private final String brokers;
    private final BufferedReader orders;
    private final PrintStream answers;

    private Interop(String brokers, BufferedReader orders, PrintStream answers) {
        this.brokers = brokers;
        this.orders = orders;
        this.answers = answers;
    }

    public static void main(String[] arguments) throws IOException {
        new Interop(arguments[0], new BufferedReader(new InputStreamReader(System.in)), System.out).obey();
    }

    private void obey() throws IOException {
        for (String order = orders.readLine(); order != null; order = orders.readLine()) {
            String[] words = order.split(" ");
            try {
                if (words[0].equals("write")) {
                    write(words[1], words[2], words[3], lines(Integer.parseInt(words[4])));
                } else {
                    read(words[1], Integer.parseInt(words[2]));
                }
            } catch (Exception e) {
                answers.println("failed " + e);
            }
            answers.flush();
        }
    }

    private List<String> lines(int n) throws IOException {
        List<String> lines = new ArrayList<>(n);
        for (int i = 0; i < n; i++) {
            lines.add(orders.readLine());
        }
        return lines;
    }

    private void write(String topic, String codec, String level, List<String> lines) throws Exception {
        Properties settings = settings();
        settings.put("compression.type", codec);
        if (!level.equals("-")) {
            settings.put("compression." + codec + ".level", level);
        }
        settings.put("max.request.size", "10000000");
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<?>> sent = new ArrayList<>();
            for (String line : lines) {
                String[] words = line.split(" ");
                var record = new ProducerRecord<>(topic, bytes(words[1]), bytes(words[2]));
                addHeaders(record.headers(), words);
                sent.add(producer.send(record));
            }
            for (Future<?> one : sent) {
                one.get();
            }
        }
        answers.println("written");
    }

    private static void addHeaders(Headers headers, String[] words) {
        for (int i = 3; i < words.length; i++) {
            int equals = words[i].indexOf('=');
            headers.add(words[i].substring(0, equals), bytes(words[i].substring(equals + 1)));
        }
    }

    private void read(String topic, int n) {
        Properties settings = settings();
        settings.put("auto.offset.reset", "earliest");
        List<String> found = new ArrayList<>(n);
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList());
            long end = System.nanoTime() + PATIENCE_SECONDS * 1_000_000_000L;
            while (found.size() < n && System.nanoTime() < end) {
                consumer.poll(Duration.ofMillis(100)).forEach(record -> found.add(line(record)));
            }
        }
        if (found.size() != n) {
            answers.println("failed " + found.size() + " of " + n + " records came");
            return;
        }
        found.forEach(answers::println);
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.putAll(Map.of("bootstrap.servers", brokers, "fetch.max.wait.ms", "10", "enable.auto.commit", "false"));
        return settings;
    }

    private static String line(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder line = new StringBuilder();
        line.append(record.partition()).append(' ').append(text(record.key())).append(' ').append(text(record.value()));
        for (Header header : record.headers()) {
            line.append(' ').append(header.key()).append('=').append(text(header.value()));
        }
        return line.toString();
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "-" : "." + HexFormat.of().formatHex(bytes);
    }

    private static byte[] bytes(String text) {
        return text.equals("-") ? null : HexFormat.of().parseHex(text.substring(1));
    }
}
