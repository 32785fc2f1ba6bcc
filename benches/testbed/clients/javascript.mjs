// What people do with the JavaScript clients: javascript.mjs PACKAGE URL INDEX, in the folder that has the package.
//
// Every index that is written begins with INDEX. Ends with 0 when the cluster holds what it was told to hold.

import assert from 'node:assert';
import { createRequire } from 'node:module';

const [name, url, index] = process.argv.slice(2);
const require = createRequire(process.cwd() + '/');
const { Client } = require(name);

// Of some the answer is the body, of others it has one.
const body = (answer) => (answer?.body !== undefined && answer?.statusCode !== undefined ? answer.body : answer);

async function refused(promise, status) {
  const error = await promise.then(() => assert.fail('not refused'), (error) => error);
  assert.equal(error.meta?.statusCode ?? error.statusCode, status, String(error));
}

async function single(client, index) {
  const mappings = { properties: { n: { type: 'long' }, text: { type: 'text' } } };
  await client.indices.create({ index, body: { settings: { number_of_shards: 2 }, mappings } });
  await client.index({ index, id: '1', refresh: true, body: { n: 1, text: 'one' } });
  // At once: each on a connection of its own.
  await Promise.all([...Array(30).keys()].map((n) => client.index({ index, body: { n } })));
  await Promise.all([...Array(30).keys()].map((n) => client.index({ index, id: 'same', body: { n } })));
  await client.create({ index, id: '2', body: { n: 2 } });
  await refused(client.create({ index, id: '2', body: { n: 3 } }), 409);
  await client.update({ index, id: '1', body: { doc: { text: 'eins' } } });
  await client.update({ index, id: 'up', body: { doc: { n: 4 }, doc_as_upsert: true } });
  await client.index({ index, id: 'a/b c?d#e%f&g+h é 中', body: { text: 'an id to encode' } });
  await client.index({ index, id: 'large', body: { text: 'lorem ipsum '.repeat(40_000) } });
  await client.delete({ index, id: '2' });
  await refused(client.delete({ index, id: '2' }), 404);
  await refused(client.index({ index, id: 'bad', body: { n: 'no number' } }), 400);
  assert.equal(body(await client.exists({ index, id: '1' })), true);
  assert.equal(body(await client.exists({ index, id: '2' })), false);
  return 1 + 30 + 1 + 1 + 2;
}

async function bulks(client, index) {
  const documents = [...Array(800).keys()].map((n) => ({ n, text: `bulk ${n} é` }));
  const result = await client.helpers.bulk({
    datasource: documents,
    flushBytes: 20_000,
    concurrency: 4,
    onDocument: ({ n }) => ({ index: { _index: index, _id: `b${n}` } }),
  });
  assert.equal(result.successful, 800);
  const lines = [{ delete: { _index: index, _id: 'b0' } }, { create: { _index: index, _id: 'b1' } }, { n: 1 },
    { update: { _index: index, _id: 'b2' } }, { doc: { n: -2 } }, { index: { _index: index } }, { n: 5 }];
  const answer = body(await client.bulk({ refresh: true, body: lines }));
  assert.equal(answer.items.filter((item) => Object.values(item)[0].error).length, 1);
  return 800;
}

async function reads(client, index, expected) {
  await client.indices.refresh({ index });
  let seen = 0;
  for await (const _ of client.helpers.scrollDocuments({ index, size: 100, body: { query: { match_all: {} } } })) seen++;
  assert.equal(seen, expected);
  const found = body(await client.search({ index, body: { query: { match: { text: 'bulk' } }, sort: ['n'], size: 3 } }));
  assert.equal(found.hits.hits.length, 3);
  const both = body(await client.msearch({ body: [{ index }, { size: 1 }, { index: `${index}-no` }, { size: 1 }] }));
  assert.ok(both.responses[1].error && !both.responses[0].error);
  await client.indices.putAlias({ index, name: `${index}-alias` });
  await client.index({ index: `${index}-alias`, id: 'through', body: { n: 1 } });
  await client.indices.create({ index: `${index}-gone` });
  await client.indices.delete({ index: `${index}-gone` });
}

for (const compression of [undefined, 'gzip']) {
  const client = new Client({ node: url, compression, maxRetries: 0 });
  const own = `${index}-js-${compression ?? 'plain'}`;
  const written = (await single(client, own)) + (await bulks(client, own));
  await reads(client, own, written);
  await client.close();
}
