// fhir-kit-client at work: one step after another, each told as a line of JSON; the first that fails ends it.
import assert from 'node:assert/strict';
import { Client } from 'fhir-kit-client';

const { FHIR: baseUrl, TOKEN: bearerToken, TAG: tag, CODE, VERIFIER, BACK } = process.env;
const client = new Client({ baseUrl, bearerToken });
const resourceType = 'Organization';
const organization = (name, value = '1') => ({ resourceType, name, identifier: [{ system: tag, value }] });
const statusOf = (came) => Client.httpFor(came).response.status;
const refused = (asked) => asked.then(() => 'was answered', (error) => error.response.status);
const step = async (name, done) => { await done(); console.log(name); };

await step('capabilities', async () => {
  const statement = await client.capabilityStatement();
  assert.equal(statement.fhirVersion, '4.0.1');
});
let made;
await step('create', async () => {
  made = await client.create({ resourceType, body: organization('Clinique') });
  assert.equal(statusOf(made), 201);
  assert.equal(made.meta.versionId, '1');
});
await step('read', async () => {
  assert.deepEqual(await client.read({ resourceType, id: made.id }), made);
  const same = await refused(client.read({ resourceType, id: made.id, options: { headers: { 'If-None-Match': 'W/"1"' } } }));
  assert.equal(same, 304);
});
await step('update', async () => {
  const updated = await client.update({ resourceType, id: made.id, body: { ...made, name: 'Clinique des Alpes' } });
  assert.equal(updated.meta.versionId, '2');
  const late = { resourceType, id: made.id, body: made, options: { headers: { 'If-Match': 'W/"1"' } } };
  assert.equal(await refused(client.update(late)), 412);
});
await step('vread and history', async () => {
  assert.equal((await client.vread({ resourceType, id: made.id, version: '1' })).name, 'Clinique');
  const history = await client.history({ resourceType, id: made.id });
  assert.deepEqual(history.entry.map((entry) => entry.request.method), ['PUT', 'POST']);
  assert.equal((await client.history({ resourceType })).type, 'history');
});
await step('patch', async () => {
  const jsonPatch = [{ op: 'replace', path: '/name', value: 'Clinique rapiécée' }];
  const patched = await client.patch({ resourceType, id: made.id, jsonPatch });
  assert.equal(patched.name, 'Clinique rapiécée');
});
await step('conditional writes', async () => {
  const options = { headers: { 'If-None-Exist': `identifier=${tag}|1` } };
  const again = await client.create({ resourceType, body: organization('Autre'), options });
  assert.deepEqual([statusOf(again), again.id], [200, made.id]);
  const searchParams = { identifier: `${tag}|1` };
  const updated = await client.update({ resourceType, searchParams, body: organization('Clinique du Lac') });
  assert.deepEqual([updated.id, updated.name], [made.id, 'Clinique du Lac']);
});
await step('transaction', async () => {
  const owner = 'urn:uuid:6d0b5f2c-7a3c-4a8a-9d3e-2f8f0a4b1c11';
  const entry = [{ fullUrl: owner, request: { method: 'POST', url: resourceType }, resource: organization('Groupe', '10') }];
  for (let number = 1; number < 8; number++) {
    const resource = { ...organization(`Service ${number}`, '11'), partOf: { reference: owner } };
    entry.push({ request: { method: 'POST', url: resourceType }, resource });
  }
  const came = await client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry } });
  assert.equal(came.type, 'transaction-response');
  assert.ok(came.entry.every((each) => each.response.status.startsWith('201')));
  const batch = { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: `${resourceType}/${made.id}` } }] };
  assert.equal((await client.batch({ body: batch })).entry[0].resource.id, made.id);
});
for (const postSearch of [false, true]) {
  await step(`search and pages${postSearch ? ' by POST' : ''}`, async () => {
    const searchParams = { identifier: `${tag}|11`, _count: 3, _include: 'Organization:partof' };
    let bundle = await client.search({ resourceType, searchParams, options: { postSearch } });
    assert.equal(bundle.total, 7);
    const found = [];
    for (; bundle; bundle = await client.nextPage({ bundle })) {
      found.push(...bundle.entry.filter((each) => each.search.mode === 'match').map((each) => each.resource.name));
      assert.ok(bundle.entry.some((each) => each.search.mode === 'include' && each.resource.name === 'Groupe'));
    }
    assert.deepEqual(found.sort(), [1, 2, 3, 4, 5, 6, 7].map((number) => `Service ${number}`));
  });
}
await step('resolve', async () => {
  const bundle = await client.search({ resourceType, searchParams: { identifier: `${tag}|11`, _count: 1 } });
  const context = bundle.entry[0].resource;
  assert.equal((await client.resolve({ reference: context.partOf.reference, context })).name, 'Groupe');
});
await step('delete', async () => {
  await client.delete({ resourceType, id: made.id });
  assert.equal(await refused(client.read({ resourceType, id: made.id })), 410);
});
await step('smart', async () => {
  const { authorizeUrl, tokenUrl } = await new Client({ baseUrl }).smartAuthMetadata();
  assert.ok(authorizeUrl.href.startsWith(new URL(baseUrl).origin));
  const form = { grant_type: 'authorization_code', code: CODE, redirect_uri: BACK, client_id: 'patient-app', code_verifier: VERIFIER };
  const answered = await fetch(tokenUrl, { method: 'POST', body: new URLSearchParams(form) });
  const token = await answered.json();
  assert.equal(answered.status, 200, JSON.stringify(token));
  const holder = new Client({ baseUrl, bearerToken: token.access_token });
  assert.equal((await holder.read({ resourceType: 'Patient', id: token.patient })).id, 'paul-martin');
  const mine = await holder.search({ resourceType: 'Observation', searchParams: { patient: token.patient } });
  assert.ok(mine.total > 0);
  assert.equal(await refused(new Client({ baseUrl }).read({ resourceType: 'Patient', id: token.patient })), 401);
});
