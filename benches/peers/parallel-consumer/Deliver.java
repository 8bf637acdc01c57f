import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.vertx.VertxParallelStreamProcessor;
import io.vertx.core.buffer.Buffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Posts every record of a topic with Confluent's Parallel Consumer and Vert.x, one at a time of each
 * merchant. Its own client of Vert.x has as many connections as there may be requests.
 */
public class Deliver {
    private static final int TIMEOUT_MS = 30_000;
    private static final byte[] ID = "{\"id\":\"".getBytes(StandardCharsets.UTF_8);

    public static void main(String[] arguments) {
        Map<String, String> environment = System.getenv();
        String host = environment.get("RECEIVER_HOST");
        int port = Integer.parseInt(environment.get("RECEIVER_PORT"));
        String path = environment.get("RECEIVER_PATH");
        Properties settings = new Properties();
        settings.put("bootstrap.servers", environment.get("BOOTSTRAP"));
        settings.put("group.id", environment.get("GROUP"));
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("fetch.max.wait.ms", "100");
        var options = ParallelConsumerOptions.<String, byte[]>builder()
                .consumer(new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer()))
                .ordering(ProcessingOrder.KEY)
                .maxConcurrency(Integer.parseInt(environment.get("IN_FLIGHT")));
        String buffer = environment.get("MESSAGE_BUFFER_SIZE");
        if (buffer != null) {
            options.messageBufferSize(Integer.parseInt(buffer));
        }
        VertxParallelStreamProcessor<String, byte[]> processor =
                VertxParallelStreamProcessor.createEosStreamProcessor(options.build());
        processor.subscribe(List.of(environment.get("TOPIC")));
        processor.vertxHttpWebClient((client, context) -> {
            var record = context.getSingleConsumerRecord();
            return client.post(port, host, path + "/" + record.key())
                    .timeout(TIMEOUT_MS)
                    .putHeader("content-type", "application/json")
                    .putHeader("webhook-id", idOf(record.value()))
                    .sendBuffer(Buffer.buffer(record.value()));
        }, sent -> {});
    }

    /** With which every event of the benchmark begins. */
    private static String idOf(byte[] event) {
        int end = ID.length;
        while (event[end] != '"') {
            end++;
        }
        return new String(event, ID.length, end - ID.length, StandardCharsets.UTF_8);
    }
}
