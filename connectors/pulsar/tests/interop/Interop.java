import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.pulsar.client.api.CompressionType;
import org.apache.pulsar.client.api.CryptoKeyReader;
import org.apache.pulsar.client.api.EncryptionKeyInfo;
import org.apache.pulsar.client.api.Message;
import org.apache.pulsar.client.api.MessageId;
import org.apache.pulsar.client.api.PulsarClient;
import org.apache.pulsar.client.api.Schema;
import org.apache.pulsar.client.api.SubscriptionInitialPosition;
import org.apache.pulsar.client.api.TypedMessageBuilder;

/**
 * Pulsar's own Java client, told on standard input what to do: one start of the JVM serves all checks of a test.
 *
 * "write TOPIC FORM CODEC KEY N" and N lines with a record each are answered by "written", "read TOPIC N" by N lines. FORM is
 * "batched", "single", or the number of bytes of a chunk; KEY names an encryption key, "-" none. A record's line is
 * "KEY VALUE TIME ORDERING-KEY NAME=VALUE...", bytes in hexadecimal with a dot in front, "-" for null. What fails is answered
 * by "failed" and why. Keys lie in the folder that is the second argument, as NAME.pem and NAME.pub.pem.
 */
public final class Interop {
    private static final int PATIENCE_SECONDS = 60;

    private final PulsarClient client;
    private final Keys keys;
    private final BufferedReader orders;
    private final PrintStream answers;

    private Interop(PulsarClient client, Keys keys, BufferedReader orders, PrintStream answers) {
        this.client = client;
        this.keys = keys;
        this.orders = orders;
        this.answers = answers;
    }

    public static void main(String[] arguments) throws IOException {
        PrintStream answers = System.out;
        // A jar of the broker's has settings that log to standard output; these log errors, to standard error.
        System.setProperty("log4j2.loggerContextFactory", "org.apache.logging.log4j.simple.SimpleLoggerContextFactory");
        Keys keys = new Keys(Path.of(arguments[1]));
        try (PulsarClient client = PulsarClient.builder().serviceUrl("pulsar://" + arguments[0]).build()) {
            BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            new Interop(client, keys, orders, answers).obey();
        }
    }

    private void obey() throws IOException {
        for (String order = orders.readLine(); order != null; order = orders.readLine()) {
            String[] words = order.split(" ");
            try {
                if (words[0].equals("write")) {
                    write(words, lines(Integer.parseInt(words[5])));
                } else {
                    read(words[1], Integer.parseInt(words[2]));
                }
            } catch (Exception e) {
                answers.println("failed " + e.toString().replace('\n', ' '));
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

    private void write(String[] order, List<String> lines) throws Exception {
        var builder = client.newProducer(Schema.BYTES).topic(order[1]).compressionType(CompressionType.valueOf(order[3]))
                .blockIfQueueFull(true).enableBatching(false);
        switch (order[2]) {
            case "batched" -> builder.enableBatching(true).batchingMaxMessages(lines.size())
                    .batchingMaxPublishDelay(PATIENCE_SECONDS, TimeUnit.SECONDS);
            case "single" -> { }
            default -> builder.enableChunking(true).chunkMaxMessageSize(Integer.parseInt(order[2]));
        }
        if (!order[4].equals("-")) {
            builder.cryptoKeyReader(keys).addEncryptionKey(order[4]);
        }
        try (var producer = builder.create()) {
            List<CompletableFuture<MessageId>> sent = new ArrayList<>();
            for (String line : lines) {
                sent.add(message(producer.newMessage(), line.split(" ")).sendAsync());
            }
            producer.flush();
            CompletableFuture.allOf(sent.toArray(CompletableFuture[]::new)).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }
        answers.println("written");
    }

    private static TypedMessageBuilder<byte[]> message(TypedMessageBuilder<byte[]> message, String[] words) {
        byte[] key = bytes(words[0]);
        if (key != null && isText(key)) {
            message.key(new String(key, StandardCharsets.UTF_8));
        } else if (key != null) {
            message.keyBytes(key);
        }
        message.value(bytes(words[1]));
        if (!words[2].equals("-")) {
            message.eventTime(Long.parseLong(words[2]));
        }
        if (bytes(words[3]) != null) {
            message.orderingKey(bytes(words[3]));
        }
        for (int i = 4; i < words.length; i++) {
            String[] property = words[i].split("=", 2);
            message.property(property[0], new String(bytes(property[1]), StandardCharsets.UTF_8));
        }
        return message;
    }

    private void read(String topic, int n) throws Exception {
        try (var consumer = client.newConsumer(Schema.BYTES).topic(topic).subscriptionName("java")
                .subscriptionInitialPosition(SubscriptionInitialPosition.Earliest).cryptoKeyReader(keys).subscribe()) {
            for (int i = 0; i < n; i++) {
                Message<byte[]> message = consumer.receive(PATIENCE_SECONDS, TimeUnit.SECONDS);
                if (message == null) {
                    throw new IllegalStateException("nothing came after " + i + " messages");
                }
                answers.println(line(message));
                consumer.acknowledge(message);
            }
        }
    }

    private static String line(Message<byte[]> message) {
        List<String> words = new ArrayList<>();
        words.add(text(message.hasKey() ? message.getKeyBytes() : null));
        words.add(text(message.getValue()));
        words.add(message.getEventTime() == 0 ? "-" : Long.toString(message.getEventTime()));
        words.add(text(message.hasOrderingKey() ? message.getOrderingKey() : null));
        message.getProperties().forEach((name, value) -> words.add(name + "=" + text(value.getBytes(StandardCharsets.UTF_8))));
        return String.join(" ", words);
    }

    private static boolean isText(byte[] bytes) {
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
            return true;
        } catch (CharacterCodingException e) {
            return false;
        }
    }

    private static byte[] bytes(String word) {
        return word.equals("-") ? null : HexFormat.of().parseHex(word.substring(1));
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "-" : "." + HexFormat.of().formatHex(bytes);
    }

    /** Keys in a folder. */
    private record Keys(Path folder) implements CryptoKeyReader {
        @Override
        public EncryptionKeyInfo getPublicKey(String name, Map<String, String> metadata) {
            return key(name + ".pub.pem", metadata);
        }

        @Override
        public EncryptionKeyInfo getPrivateKey(String name, Map<String, String> metadata) {
            return key(name + ".pem", metadata);
        }

        private EncryptionKeyInfo key(String file, Map<String, String> metadata) {
            try {
                return new EncryptionKeyInfo(Files.readAllBytes(folder.resolve(file)), metadata);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
