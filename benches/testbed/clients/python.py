"""What people do with the Python clients: python.py MODULE URL INDEX

MODULE is elasticsearch (7 or 8) or opensearchpy. Every index that is written begins with INDEX. Ends with 0 when the
cluster holds what it was told to hold.
"""

import asyncio
import importlib
import sys

module, url, index = sys.argv[1:]
library = importlib.import_module(module)
helpers = importlib.import_module(module + ".helpers")
errors = importlib.import_module(module + ".exceptions")
ANSWERED = getattr(errors, "ApiError", errors.TransportError)  # the server answered, and not what was hoped for
Client = getattr(library, "OpenSearch", None) or library.Elasticsearch
AsyncClient = getattr(library, "AsyncOpenSearch", None) or getattr(library, "AsyncElasticsearch", None)


def refused(call, **arguments):
    """The call has to be refused."""
    try:
        call(**arguments)
    except ANSWERED:
        return
    sys.exit(f"{call} was not refused: {arguments}")


def tried(call, **arguments):
    """Not every server knows the endpoint."""
    try:
        return call(**arguments)
    except ANSWERED as error:
        print("not there:", str(error)[:100], file=sys.stderr)


def single(client, name):
    mappings = {"properties": {"n": {"type": "long"}, "text": {"type": "text"}, "tag": {"type": "keyword"}}}
    client.indices.create(index=name, body={"settings": {"number_of_shards": 2}, "mappings": mappings})
    client.index(index=name, id="1", body={"n": 1, "text": "one"}, refresh=True)
    for n in range(5):
        client.index(index=name, body={"n": n, "tag": "made"})
    client.create(index=name, id="2", body={"n": 2})
    refused(client.create, index=name, id="2", body={"n": 3})
    client.update(index=name, id="1", body={"doc": {"text": "eins"}})
    client.update(index=name, id="3", body={"doc": {"n": 3}, "doc_as_upsert": True})
    client.update(index=name, id="3", body={"doc": {"n": 3}})  # changes nothing
    refused(client.update, index=name, id="no such", body={"doc": {"n": 3}})
    client.index(index=name, id="a/b c?d#e%f&g+h é \u4e2d", body={"text": "an id to encode"})
    client.index(index=name, id="routed", routing="r/1", body={"n": 7})
    client.index(index=name, id="large", body={"text": "lorem ipsum " * 40_000})
    client.delete(index=name, id="2")
    refused(client.delete, index=name, id="2")
    refused(client.get, index=name, id="2")
    refused(client.index, index=name, id="bad", body={"n": "no number"})
    assert client.exists(index=name, id="1") and not client.exists(index=name, id="2")
    assert client.get(index=name, id="1")["_source"] == {"n": 1, "text": "eins"}
    found = client.mget(index=name, body={"ids": ["1", "2", "3"]})["docs"]
    assert [one["found"] for one in found] == [True, False, True]
    client.indices.refresh(index=name)
    assert client.count(index=name, body={"query": {"term": {"tag": "made"}}})["count"] == 5
    return 10


def bulks(client, name):
    def actions(count):
        for n in range(count):
            yield {"_index": name, "_id": f"b{n}", "_source": {"n": n, "text": f"bulk {n} \u00e9"}}

    assert helpers.bulk(client, actions(700), chunk_size=150)[0] == 700
    generated = ({"_index": name, "n": n} for n in range(300))
    done = list(helpers.parallel_bulk(client, generated, thread_count=4, chunk_size=40))
    assert len(done) == 300 and all(ok for ok, _ in done)
    mixed = [{"_op_type": "delete", "_index": name, "_id": f"b{n}"} for n in range(0, 100, 2)]
    mixed += [{"_op_type": "update", "_index": name, "_id": f"b{n}", "doc": {"n": -n}} for n in range(1, 100, 2)]
    mixed += [{"_op_type": "create", "_index": name, "_id": "b1", "_source": {"n": 1}}]
    mixed += [{"_op_type": "index", "_index": name, "_id": "bad", "_source": {"n": "no number"}}]
    failed = [one for ok, one in helpers.streaming_bulk(client, mixed, raise_on_error=False) if not ok]
    assert len(failed) == 2, failed
    lines = [{"index": {"_index": name, "_id": "raw"}}, {"n": 5}, {"delete": {"_index": name, "_id": "b101"}}]
    client.bulk(body=lines, refresh=True, filter_path="errors,items.*.status")
    return 700 + 300 - 50 + 1 - 1


def reads(client, name, expected):
    client.indices.refresh(index=name)
    assert sum(1 for _ in helpers.scan(client, index=name, size=200)) == expected
    found = client.search(index=name, body={"query": {"match": {"text": "bulk"}}, "sort": ["n"], "size": 3})
    assert len(found["hits"]["hits"]) == 3
    both = client.msearch(body=[{"index": name}, {"size": 1}, {"index": name + "-no"}, {"size": 1}])["responses"]
    assert "error" in both[1] and "error" not in both[0]


def indices(client, name):
    client.indices.put_mapping(index=name, body={"properties": {"later": {"type": "keyword"}}})
    client.indices.put_alias(index=name, name=name + "-alias")
    client.index(index=name + "-alias", id="through", body={"later": "x"})
    template = {"index_patterns": [name + "-t*"], "template": {"settings": {"number_of_shards": 3}}}
    client.indices.put_index_template(name=name + "-template", body=template)
    client.index(index=name + "-t1", id="1", body={"n": 1})
    client.indices.delete_index_template(name=name + "-template")
    client.indices.create(index=name + "-gone")
    client.indices.delete(index=name + "-gone")
    assert not client.indices.exists(index=name + "-gone")
    client.indices.refresh(index=name)
    query = {"query": {"range": {"n": {"gte": 600}}}}
    script = {"source": "ctx._source.n += 1"}
    tried(client.update_by_query, index=name, body=query, conflicts="proceed")
    tried(client.update_by_query, index=name, body={**query, "script": script}, refresh=True)
    tried(client.delete_by_query, index=name, body={"query": {"term": {"n": 650}}}, refresh=True)
    tried(helpers.reindex, client=client, source_index=name, target_index=name + "-copy", chunk_size=100)


async def together(name):
    client = AsyncClient(url)
    try:
        await asyncio.gather(*(client.index(index=name, id=f"a{n % 20}", body={"n": n}) for n in range(100)))
        await client.indices.refresh(index=name)
        assert (await client.count(index=name))["count"] == 20
    finally:
        await client.close()


for compress in [False, True]:
    client = Client(url, http_compress=compress)
    name = f"{index}-{module}-{'gzip' if compress else 'plain'}"
    written = single(client, name) + bulks(client, name)
    reads(client, name, written)
    indices(client, name)
    client.close()
if AsyncClient:
    asyncio.run(together(f"{index}-{module}-async"))
