import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Properties;
import java.util.Scanner;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's own producer, driven by lines on standard input: `begin`, `commit`, `abort`, `flush`, or `send TOPIC KEY VALUE
 * [NAME HEADER ...]` with keys, values and headers in base64 and `-` for null. Its arguments are settings, as `name=value`.
 * Prints partition and offset of each record that the broker took, in the order of sending.
 */
public class Producer {
    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        for (String argument : arguments) {
            String[] pair = argument.split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer =
                        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
                Scanner lines = new Scanner(System.in)) {
            if (settings.containsKey("transactional.id")) {
                producer.initTransactions();
            }
            while (lines.hasNextLine()) {
                String[] words = lines.nextLine().split(" ");
                switch (words[0]) {
                    case "begin" -> producer.beginTransaction();
                    case "commit" -> producer.commitTransaction();
                    case "abort" -> {
                        producer.flush(); // what was not sent yet would never reach the log
                        producer.abortTransaction();
                    }
                    case "flush" -> producer.flush();
                    case "send" -> sent.add(producer.send(record(words)));
                    default -> throw new IllegalArgumentException(words[0]);
                }
            }
            producer.flush();
        }
        for (Future<RecordMetadata> one : sent) {
            System.out.println(one.get().partition() + " " + one.get().offset());
        }
    }

    private static ProducerRecord<byte[], byte[]> record(String[] words) {
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(words[1], bytes(words[2]), bytes(words[3]));
        for (int at = 4; at < words.length; at += 2) {
            record.headers().add(words[at], bytes(words[at + 1]));
        }
        return record;
    }

    private static byte[] bytes(String word) {
        return word.equals("-") ? null : Base64.getDecoder().decode(word);
    }
}
