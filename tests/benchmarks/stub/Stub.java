import java.io.BufferedOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.LongAdder;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.CRC32;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * A DynamoDB that costs nothing: it answers Query with pages made beforehand and takes every BatchWriteItem.
 *
 * <p>java Stub.java TEMPLATE PER_PARTITION PER_PAGE SIZE [KEYSTORE PASSWORD]. TEMPLATE is a file with one item's JSON,
 * in which @PK@ and @SK@ (ten digits are put there) stand for its key. Every partition has PER_PARTITION items, PER_PAGE
 * on a page. SIZE is an item's bytes as DynamoDB counts them. It says its port on stdout and ends with its stdin.
 * GET / tells what it did: items written, requests, CPU seconds; GET /units the write units of each tenth of a second.
 */
public final class Stub {
    private static final Pattern PARTITION = Pattern.compile("\"ExpressionAttributeValues\"\\s*:\\s*\\{[^{]*\\{\\s*\"S\"\\s*:\\s*\"([^\"]*)\"");
    private static final Pattern START = Pattern.compile("\"ExclusiveStartKey\".*?\"sk\"\\s*:\\s*\\{\\s*\"S\"\\s*:\\s*\"(\\d{10})\"", Pattern.DOTALL);
    private static final byte[] PUT = "\"PutRequest\"".getBytes(UTF_8);
    private static final byte[] ACCEPTED = "{\"UnprocessedItems\":{}}".getBytes(UTF_8);
    private static final byte[] TABLE = ("{\"Table\":{\"TableName\":\"stub\",\"TableStatus\":\"ACTIVE\",\"KeySchema\":["
        + "{\"AttributeName\":\"pk\",\"KeyType\":\"HASH\"},{\"AttributeName\":\"sk\",\"KeyType\":\"RANGE\"}],"
        + "\"AttributeDefinitions\":[{\"AttributeName\":\"pk\",\"AttributeType\":\"S\"},"
        + "{\"AttributeName\":\"sk\",\"AttributeType\":\"S\"}]}}").getBytes(UTF_8);
    private static final byte[] UNKNOWN = "{\"__type\":\"com.amazon.coral.service#UnknownOperationException\"}".getBytes(UTF_8);

    /** A page: all its bytes, and where in them each item's sort key stands; the last is that of the next page's key. */
    private record Page(byte[] bytes, int[] sorts, int items) {}

    private final String template;
    private final int perPartition;
    private final int perPage;
    private final int size;
    private final Map<String, Page> pages = new ConcurrentHashMap<>();
    private final LongAdder written = new LongAdder();
    private final LongAdder requests = new LongAdder();
    private final long began = System.nanoTime();
    private final AtomicLongArray units = new AtomicLongArray(36_000); // an hour

    private Stub(String template, int perPartition, int perPage, int size) {
        this.template = template;
        this.perPartition = perPartition;
        this.perPage = perPage;
        this.size = size;
    }

    public static void main(String[] args) throws Exception {
        Stub stub = new Stub(Files.readString(Path.of(args[0])).strip(), Integer.parseInt(args[1]), Integer.parseInt(args[2]), Integer.parseInt(args[3]));
        InetAddress here = InetAddress.getLoopbackAddress();
        ServerSocket server = args.length > 4 ? tls(args[4], args[5]).getServerSocketFactory().createServerSocket(0, 256, here) : new ServerSocket(0, 256, here);
        System.out.println(server.getLocalPort());
        start(() -> {
            System.in.transferTo(OutputStream.nullOutputStream());
            System.exit(0);
        });
        while (true) {
            Socket socket = server.accept();
            start(() -> stub.serve(socket));
        }
    }

    private interface Work {
        void run() throws IOException;
    }

    private static void start(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException gone) {
                // the client hung up
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    private static SSLContext tls(String keystore, String password) throws Exception {
        KeyStore keys = KeyStore.getInstance(Path.of(keystore).toFile(), password.toCharArray());
        KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        managers.init(keys, password.toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), null, null);
        return context;
    }

    private void serve(Socket socket) throws IOException {
        try (socket) {
            socket.setTcpNoDelay(true);
            Connection connection = new Connection(socket.getInputStream(), new BufferedOutputStream(socket.getOutputStream(), 1 << 16));
            while (connection.readRequest()) {
                requests.increment();
                switch (connection.operation()) {
                    case "Query" -> query(connection);
                    case "BatchWriteItem" -> {
                        connection.answer(write(connection.body, connection.length));
                    }
                    case "DescribeTable" -> connection.answer(TABLE, TABLE.length);
                    case "" -> connection.answer(connection.header.startsWith("GET /units") ? timeline() : told());
                    default -> connection.answer(400, UNKNOWN, UNKNOWN.length);
                }
            }
        }
    }

    private byte[] told() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return ("{\"items\":" + written.sum() + ",\"requests\":" + requests.sum() + ",\"cpu_seconds\":" + system.getProcessCpuTime() / 1e9 + "}").getBytes(UTF_8);
    }

    private byte[] timeline() {
        int last = Math.min(units.length(), tenth() + 1);
        return IntStream.range(0, last).mapToObj(at -> Long.toString(units.get(at))).collect(Collectors.joining(",", "[", "]")).getBytes(UTF_8);
    }

    private int tenth() {
        return (int) ((System.nanoTime() - began) / 100_000_000L);
    }

    private byte[] write(byte[] body, int length) {
        int puts = putsIn(body, length);
        int cost = puts * ((size + 1023) / 1024);
        written.add(puts);
        units.addAndGet(Math.min(tenth(), units.length() - 1), cost);
        int end = Math.min(length, 200);
        String ends = new String(body, 0, end, UTF_8) + new String(body, length - end, end, UTF_8);
        if (!ends.contains("\"ReturnConsumedCapacity\"")) {
            return ACCEPTED;
        }
        return ("{\"UnprocessedItems\":{},\"ConsumedCapacity\":[{\"TableName\":\"stub\",\"CapacityUnits\":" + cost + ".0}]}").getBytes(UTF_8);
    }

    private void query(Connection connection) throws IOException {
        String request = new String(connection.body, 0, connection.length, UTF_8);
        Matcher partition = PARTITION.matcher(request);
        Matcher start = START.matcher(request);
        if (!partition.find()) {
            connection.answer(400, UNKNOWN, UNKNOWN.length);
            return;
        }
        int from = start.find() ? Integer.parseInt(start.group(1)) + 1 : 0;
        int items = Math.max(0, Math.min(perPage, perPartition - from));
        boolean more = from + items < perPartition;
        String key = partition.group(1);
        Page page = pages.computeIfAbsent(key + "/" + items + "/" + more, unused -> render(key, items, more));
        byte[] bytes = connection.copyOf(page.bytes);
        for (int at = 0; at < page.items; at++) {
            putDigits(bytes, page.sorts[at], from + at);
        }
        if (more) {
            putDigits(bytes, page.sorts[page.items], from + items - 1);
        }
        connection.answer(bytes, page.bytes.length);
    }

    private Page render(String partition, int items, boolean more) {
        String item = template.replace("@PK@", partition);
        int sort = item.indexOf("@SK@");
        item = item.replace("@SK@", "0000000000");
        StringBuilder text = new StringBuilder(items * (item.length() + 1) + 300);
        int[] sorts = new int[items + 1];
        text.append("{\"Count\":").append(items).append(",\"ScannedCount\":").append(items).append(",\"ConsumedCapacity\":{\"TableName\":\"stub\",\"CapacityUnits\":128.5},\"Items\":[");
        for (int at = 0; at < items; at++) {
            sorts[at] = text.length() + sort + (at > 0 ? 1 : 0);
            text.append(at > 0 ? "," : "").append(item);
        }
        text.append(']');
        if (more) {
            text.append(",\"LastEvaluatedKey\":{\"pk\":{\"S\":\"").append(partition).append("\"},\"sk\":{\"S\":\"");
            sorts[items] = text.length();
            text.append("0000000000\"}}");
        }
        return new Page(text.append('}').toString().getBytes(UTF_8), sorts, items);
    }

    private static void putDigits(byte[] bytes, int at, int number) {
        for (int place = at + 9; place >= at; place--) {
            bytes[place] = (byte) ('0' + number % 10);
            number /= 10;
        }
    }

    private int putsIn(byte[] body, int length) {
        int puts = 0;
        for (int at = 0; at <= length - PUT.length; at++) {
            if (body[at] == '"' && Arrays.equals(body, at, at + PUT.length, PUT, 0, PUT.length)) {
                puts++;
                at += size / 2; // an item's JSON is longer than that
            }
        }
        return puts;
    }

    /** One connection: a request at a time, whole. */
    private static final class Connection {
        private final InputStream in;
        private final OutputStream out;
        private final byte[] head = new byte[1 << 16];
        private int filled;
        private String header = "";
        private byte[] page = new byte[0];
        byte[] body = new byte[1 << 16];
        int length;

        Connection(InputStream in, OutputStream out) {
            this.in = in;
            this.out = out;
        }

        boolean readRequest() throws IOException {
            int end;
            while ((end = endOfHeader()) < 0) {
                int got = in.read(head, filled, head.length - filled);
                if (got <= 0) {
                    return false;
                }
                filled += got;
            }
            header = new String(head, 0, end, UTF_8);
            length = Integer.parseInt("0" + field("content-length"));
            if (body.length < length) {
                body = new byte[length];
            }
            int here = Math.min(filled - end - 4, length);
            System.arraycopy(head, end + 4, body, 0, here);
            filled -= end + 4 + here;
            System.arraycopy(head, end + 4 + here, head, 0, filled);
            if (in.readNBytes(body, here, length - here) < length - here) {
                throw new EOFException();
            }
            return true;
        }

        private int endOfHeader() {
            for (int at = 0; at + 3 < filled; at++) {
                if (head[at] == '\r' && head[at + 1] == '\n' && head[at + 2] == '\r' && head[at + 3] == '\n') {
                    return at;
                }
            }
            return -1;
        }

        private String field(String name) {
            for (String line : header.split("\r\n")) {
                if (line.length() > name.length() && line.charAt(name.length()) == ':' && line.regionMatches(true, 0, name, 0, name.length())) {
                    return line.substring(name.length() + 1).strip();
                }
            }
            return "";
        }

        String operation() {
            String target = field("x-amz-target");
            return target.substring(target.indexOf('.') + 1);
        }

        byte[] copyOf(byte[] bytes) {
            if (page.length < bytes.length) {
                page = new byte[bytes.length];
            }
            System.arraycopy(bytes, 0, page, 0, bytes.length);
            return page;
        }

        void answer(byte[] bytes) throws IOException {
            answer(bytes, bytes.length);
        }

        void answer(byte[] bytes, int count) throws IOException {
            answer(200, bytes, count);
        }

        void answer(int status, byte[] bytes, int count) throws IOException {
            CRC32 sum = new CRC32();
            sum.update(bytes, 0, count);
            out.write(("HTTP/1.1 " + status + (status == 200 ? " OK" : " Bad Request") + "\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: stub\r\nx-amz-crc32: "
                + sum.getValue() + "\r\nContent-Length: " + count + "\r\n\r\n").getBytes(UTF_8));
            out.write(bytes, 0, count);
            out.flush();
        }
    }
}
