// fastify.cjs - what many would use: Fastify with response schemas, and pg's pool (10 connections) with
// named, so prepared, statements. Same URLs, rows and answers as the pando app beside it.
//     NODE_PATH=… PORT=… DATABASE_URL=… node fastify.cjs
const { Pool } = require('pg');
const app = require('fastify')({ logger: false });
const fastJson = require('fast-json-stringify'); // as fastify does with a response's schema

const WORLDS = 10000, MANY = 20, SHOWN = 20;
const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const next = (id) => (id * 21 + 6) % WORLDS + 1;

const get = { name: 'get', text: 'select id, random_number from bench_world where id = $1' };
const set = { name: 'set', text: 'update bench_world set random_number = $1 where id = $2' };
const fortunes = { name: 'fortunes', text: 'select id, message from bench_fortune' };
const itemGet = { name: 'item', text: 'select id, category, name, price, stock from bench_item where id = $1' };
const itemList = { name: 'items', text: 'select id, category, name, price, stock from bench_item where category = $1 order by id desc limit $2' };
const itemSet = { name: 'item_set', text: 'update bench_item set price = $1, stock = $2 where id = $3 returning category' };
const run = (db, statement, ...values) => db.query({ ...statement, values });

const id = { type: 'object', properties: { id: { type: 'integer' } } };
const world = { type: 'object', properties: { id: { type: 'string' }, random_number: { type: 'integer' } } };
const worlds = { type: 'object', properties: { worlds: { type: 'array', items: world } } };
const item = {
  type: 'object',
  properties: { id: { type: 'string' }, category: { type: 'integer' }, name: { type: 'string' }, price: { type: 'integer' }, stock: { type: 'integer' } },
};
const items = { type: 'object', properties: { items: { type: 'array', items: item } } };
const replies = (schema) => ({ schema: { params: id, response: { 200: schema } } });

async function readMany(first) {
  const ids = [];
  for (let i = 0, at = first; i < MANY; i++, at = next(at)) ids.push(at);
  const results = await Promise.all(ids.map((one) => run(pool, get, one)));
  return results.map((r) => r.rows[0]);
}

app.get('/none', { schema: { response: { 200: world } } }, async () => ({ id: '1', random_number: 1 }));

app.get('/world/:id', replies(world), async (request, reply) => {
  const { rows } = await run(pool, get, request.params.id);
  return rows[0] ?? reply.code(404).send();
});

app.get('/worlds/:id', replies(worlds), async (request) => ({ worlds: await readMany(request.params.id) }));

app.get('/update/:id', replies(worlds), async (request) => {
  const rows = await readMany(request.params.id);
  rows.sort((a, b) => a.id - b.id);
  for (const row of rows) row.random_number = next(row.random_number);
  const client = await pool.connect();
  try {
    await client.query('begin');
    await Promise.all(rows.map((row) => run(client, set, row.random_number, row.id)));
    await client.query('commit');
  } finally {
    client.release();
  }
  return { worlds: rows };
});

const SPECIAL = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text) => String(text).replace(/[&<>"']/g, (c) => SPECIAL[c]);

app.get('/fortunes', async (request, reply) => {
  const { rows } = await run(pool, fortunes);
  rows.push({ id: 0, message: 'Additional fortune added at request time.' });
  rows.sort((a, b) => (a.message < b.message ? -1 : 1));
  const lines = rows.map((row) => `<tr><td>${row.id}</td><td>${escape(row.message)}</td></tr>\n`).join('');
  reply.type('text/html; charset=utf-8');
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Fortunes</title></head>
<body>
<table>
<tr><th>id</th><th>message</th></tr>
${lines}</table>
</body>
</html>
`;
});

// Lists as they were sent, until an item of that category changes; one that was read before is not kept.
const lists = new Map(), versions = new Map();
const stringifyItems = fastJson(items);

app.get('/items/:id', { schema: { params: id } }, async (request, reply) => {
  const category = request.params.id, version = versions.get(category);
  let list = lists.get(category);
  if (list === undefined) {
    list = stringifyItems({ items: (await run(pool, itemList, category, SHOWN)).rows });
    if (versions.get(category) === version) lists.set(category, list);
  }
  reply.type('application/json; charset=utf-8');
  return list;
});

app.get('/item/:id', replies(item), async (request, reply) => {
  const { rows } = await run(pool, itemGet, request.params.id);
  return rows[0] ?? reply.code(404).send();
});

const change = {
  type: 'object', required: ['price', 'stock'], additionalProperties: false,
  properties: { price: { type: 'integer', minimum: 0, maximum: 1000000 }, stock: { type: 'integer', minimum: 0, maximum: 1000000 } },
};
app.put('/item/:id', { schema: { params: id, body: change } }, async (request, reply) => {
  const { rows } = await run(pool, itemSet, request.body.price, request.body.stock, request.params.id);
  if (!rows[0]) return reply.code(404).send();
  const category = Number(rows[0].category);
  versions.set(category, (versions.get(category) ?? 0) + 1);
  lists.delete(category);
  return reply.code(204).send();
});

app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
process.on('SIGTERM', () => process.exit(0)); // as a program ends, not as one is killed
