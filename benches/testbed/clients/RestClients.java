import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.http.HttpHost;
import org.apache.http.entity.ContentType;
import org.apache.http.entity.InputStreamEntity;
import org.apache.http.nio.entity.NByteArrayEntity;
import org.apache.http.nio.entity.NStringEntity;
import org.apache.http.util.EntityUtils;
import org.elasticsearch.client.Request;
import org.elasticsearch.client.Response;
import org.elasticsearch.client.ResponseException;
import org.elasticsearch.client.ResponseListener;
import org.elasticsearch.client.RestClient;
import org.elasticsearch.client.RestClientBuilder;

/**
 * What people do with the Java REST client: RestClients HOST PORT INDEX. Every index that is written begins with INDEX. Ends with 0
 * when the cluster holds what it was told to hold.
 */
public class RestClients {
    private final RestClient client;
    private final String index;

    private RestClients(RestClient client, String index) {
        this.client = client;
        this.index = index;
    }

    public static void main(String[] arguments) throws Exception {
        HttpHost host = new HttpHost(arguments[0], Integer.parseInt(arguments[1]), "http");
        String prefix = arguments[2] + "-java-";
        run(RestClient.builder(host), prefix + "plain");
        run(RestClient.builder(host).setCompressionEnabled(true), prefix + "gzip");
        // The head first, and the body when the server has said that it wants it.
        run(RestClient.builder(host).setRequestConfigCallback(c -> c.setExpectContinueEnabled(true)), prefix + "expecting");
    }

    private static void run(RestClientBuilder builder, String index) throws Exception {
        try (RestClient client = builder.build()) {
            new RestClients(client, index).all();
        }
    }

    private void all() throws Exception {
        send("PUT", "", "{\"settings\":{\"number_of_shards\":2}}");
        send("PUT", "/_doc/1?refresh=true", "{\"n\":1}");
        send("POST", "/_doc", "{\"n\":2}");
        send("PUT", "/_create/2", "{\"n\":2}");
        refused(409, "PUT", "/_create/2", "{\"n\":2}");
        send("POST", "/_update/1", "{\"doc\":{\"n\":3}}");
        send("DELETE", "/_doc/2", null);
        refused(404, "GET", "/_doc/2", null);
        send("HEAD", "/_doc/1", null);
        streamed();
        together();
        send("POST", "/_refresh", null);
        String count = EntityUtils.toString(send("GET", "/_count", null).getEntity());
        if (!count.startsWith("{\"count\":" + (2 + 1 + 600 + 200) + ",")) {
            throw new AssertionError(count);
        }
        send("GET", "/_search", "{\"query\":{\"match_all\":{}},\"size\":5}");
    }

    /** A body whose length nobody knows. */
    private void streamed() throws Exception {
        send("PUT", "/_doc/streamed", null, new InputStreamEntity(
            new java.io.ByteArrayInputStream("{\"n\":4}".getBytes()), ContentType.APPLICATION_JSON));
        StringBuilder lines = new StringBuilder();
        for (int n = 0; n < 600; n++) {
            lines.append("{\"index\":{\"_id\":\"b").append(n).append("\"}}\n{\"n\":").append(n).append("}\n");
        }
        send("POST", "/_bulk", null, new NByteArrayEntity(lines.toString().getBytes(), ContentType.create("application/x-ndjson")));
    }

    /** Many at once. */
    private void together() throws Exception {
        CountDownLatch left = new CountDownLatch(400);
        AtomicInteger failed = new AtomicInteger();
        for (int n = 0; n < 400; n++) {
            Request request = new Request("PUT", "/" + index + "/_doc/t" + n % 200);
            request.setJsonEntity("{\"n\":" + n + "}");
            client.performRequestAsync(request, new ResponseListener() {
                @Override
                public void onSuccess(Response response) {
                    left.countDown();
                }

                @Override
                public void onFailure(Exception error) {
                    error.printStackTrace();
                    failed.incrementAndGet();
                    left.countDown();
                }
            });
        }
        if (!left.await(60, TimeUnit.SECONDS) || failed.get() > 0) {
            throw new AssertionError(left.getCount() + " left, " + failed + " failed");
        }
    }

    private Response send(String method, String path, String body) throws Exception {
        return send(method, path, body, body == null ? null : new NStringEntity(body, ContentType.APPLICATION_JSON));
    }

    private Response send(String method, String path, String body, org.apache.http.HttpEntity entity) throws Exception {
        int question = path.indexOf('?');
        Request request = new Request(method, "/" + index + (question < 0 ? path : path.substring(0, question)));
        if (question >= 0) {
            String[] parameter = path.substring(question + 1).split("=");
            request.addParameter(parameter[0], parameter[1]);
        }
        request.setEntity(entity);
        return client.performRequest(request);
    }

    private void refused(int status, String method, String path, String body) throws Exception {
        try {
            send(method, path, body);
        } catch (ResponseException error) {
            if (error.getResponse().getStatusLine().getStatusCode() == status) {
                return;
            }
            throw error;
        }
        throw new AssertionError(method + " " + path + " was not refused");
    }
}
