import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Publishes lines "key TAB value" in transactions of a hundred, as a payment service in Java does;
 * before each it publishes the same records in a transaction that it aborts.
 */
public class TransactionalPublisher {
    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("transactional.id", arguments[1] + "-publisher");
        settings.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        settings.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        List<String> lines = new ArrayList<>();
        try (BufferedReader input = new BufferedReader(
                new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                lines.add(line);
            }
        }
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
            producer.initTransactions();
            for (int first = 0; first < lines.size(); first += 100) {
                List<String> batch = lines.subList(first, Math.min(first + 100, lines.size()));
                send(producer, arguments[1], batch);
                producer.abortTransaction();
                send(producer, arguments[1], batch);
                producer.commitTransaction();
            }
        }
    }

    private static void send(KafkaProducer<String, String> producer, String topic, List<String> lines) {
        producer.beginTransaction();
        for (String line : lines) {
            int tab = line.indexOf('\t');
            producer.send(new ProducerRecord<>(topic, line.substring(0, tab), line.substring(tab + 1)));
        }
        producer.flush();
    }
}
