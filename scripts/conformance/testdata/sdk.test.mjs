// Every method and every error class of the SDK, in both of its builds.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import net from 'node:net';
import { test } from 'node:test';
import { agent, api, approve, deny, events, marker, ownerKey, put, url } from './vault.mjs';

const require = createRequire(import.meta.url);
const limited = { url: process.env.CONFORMANCE_LIMITED_URL, key: process.env.CONFORMANCE_LIMITED_KEY };

// The package's entry for import names a file that it does not contain, so the
// file that it means is named here.
const builds = {
  esm: await import('./node_modules/@agentsecretstore/sdk/dist/index.js'),
  cjs: require('./node_modules/@agentsecretstore/sdk/dist/index.cjs'),
};

test('require by the name of the package', () => {
  const { AgentVault } = require('@agentsecretstore/sdk');
  assert.equal(AgentVault, builds.esm.AgentVault);
});

const values = {
  PLAIN: marker,
  LINES: `${marker}\none\r\n\ttwo\n\n`,
  QUOTES: `${marker} 'single' "double" \\back\\ $HOME \${X} %s <&> \`tick\``,
  UNICODE: `${marker} héllo ☃ 日本 🔐 \u202e`,
  LARGE: marker + 'x'.repeat((1 << 20) - marker.length),
};

for (const [build, sdk] of Object.entries(builds)) {
  const {
    AgentVault, VaultError, AuthError, ScopeError, ApprovalRequiredError,
    SecretNotFoundError, RateLimitError, ValidationError, NetworkError,
  } = sdk;
  const ns = `sdk-${build}`;
  const all = ['read', 'write', 'delete'].map((act) => `secrets:${act}:${ns}/*`);
  const agentKey = await agent(ns, [ns], all);
  const vault = (options = {}) => new AgentVault({ agentKey, baseUrl: url, ...options });

  // fails awaits a rejection with just this class and the fields given.
  const fails = (promise, Class, fields = {}) =>
    assert.rejects(promise, (err) => {
      assert.equal(err.constructor, Class, `${err.name}: ${err.message}`);
      assert.ok(err instanceof VaultError && err.message !== '' && err.message !== 'Request failed', err.message);
      for (const [name, want] of Object.entries(fields)) assert.equal(err[name], want, name);
      return true;
    });

  // asks awaits the rejection that waits for approval, and returns its id.
  const asks = async (promise) => {
    let id;
    await fails(promise.catch((err) => {
      id = err.approvalId;
      throw err;
    }), ApprovalRequiredError, { status: 403, code: 'APPROVAL_REQUIRED' });
    assert.ok(id);
    return id;
  };

  test(`${build}: setSecret, getSecret, getSecretWithMetadata`, async () => {
    const v = vault();
    const metadata = { team: 'core', tags: ['a', 'b'], nested: { n: 1.5, yes: true, none: null } };
    const path = `${ns}/api/openai/KEY`;
    const written = await v.setSecret(path, marker, { secretType: 'api_key', accessTier: 'standard', metadata });
    assert.equal(written.namespace, `${ns}/api/openai`);
    assert.equal(written.key, 'KEY');
    assert.equal(written.version, 1);
    assert.equal(written.secret_type, 'api_key');
    assert.equal(written.access_tier, 'standard');
    assert.deepEqual(written.metadata, metadata);
    assert.ok(written.id && Date.parse(written.created_at) && Date.parse(written.updated_at));
    assert.equal(await v.getSecret(path), marker);
    const got = await v.getSecretWithMetadata(path);
    assert.deepEqual(
      [got.value, got.secret_type, got.access_tier, got.version, got.metadata],
      [marker, 'api_key', 'standard', 1, metadata],
    );
    assert.equal((await v.setSecret(path, `${marker} 2`)).version, 2);
    assert.equal(await v.getSecret(path), `${marker} 2`);
  });

  test(`${build}: values come back as they were`, async () => {
    const v = vault();
    for (const [key, value] of Object.entries(values)) {
      await v.setSecret(`${ns}/values/${key}`, value);
      assert.ok((await v.getSecret(`${ns}/values/${key}`)) === value, key);
    }
    await fails(v.setSecret(`${ns}/values/LARGER`, values.LARGE + 'x'), VaultError);
  });

  test(`${build}: listSecrets`, async () => {
    const v = vault();
    for (const key of ['a/b/ONE', 'a/b/TWO', 'a/OTHER']) await v.setSecret(`${ns}/list/${key}`, marker, { secretType: 'ssh_key' });
    for (const [below, keys] of [['list/a/b', ['ONE', 'TWO']], ['list/a', ['OTHER']]]) {
      const list = await v.listSecrets(`${ns}/${below}`);
      assert.equal(list.namespace, `${ns}/${below}`);
      const direct = list.items.filter((i) => i.namespace === list.namespace);
      assert.deepEqual(direct.map((i) => i.key).sort(), keys);
      for (const i of list.items) {
        assert.deepEqual([i.version, i.secret_type, i.access_tier, 'value' in i], [1, 'ssh_key', 'standard', false]);
        assert.ok(Date.parse(i.created_at) && Date.parse(i.updated_at));
      }
    }
    // One segment as it is sent.
    const top = await v.listSecrets(ns);
    assert.equal(top.namespace, ns);
    assert.ok(Array.isArray(top.items));
  });

  test(`${build}: deleteSecret`, async () => {
    const v = vault();
    await v.setSecret(`${ns}/a/DOOMED`, marker);
    assert.equal(await v.deleteSecret(`${ns}/a/DOOMED`), undefined);
    await fails(v.getSecret(`${ns}/a/DOOMED`), SecretNotFoundError, { status: 404, code: 'SECRET_NOT_FOUND' });
    await fails(v.deleteSecret(`${ns}/a/DOOMED`), SecretNotFoundError);
  });

  test(`${build}: importEnv`, async () => {
    const v = vault();
    const text = `# comment\nexport ONE=${marker}\nTWO="${marker}\\ntwo"\nTHREE='${marker} $HOME'\n`;
    const done = await v.importEnv(text, `${ns}/env/app`, { secretType: 'db_credential' });
    assert.equal(done.namespace, `${ns}/env/app`);
    assert.deepEqual(done.imported.toSorted(), ['ONE', 'THREE', 'TWO']);
    assert.equal(done.imported_count, 3);
    assert.equal(await v.getSecret(`${ns}/env/app/TWO`), `${marker}\ntwo`);
    assert.equal(await v.getSecret(`${ns}/env/app/THREE`), `${marker} $HOME`);
    assert.equal((await v.getSecretWithMetadata(`${ns}/env/app/ONE`)).secret_type, 'db_credential');
    await fails(v.importEnv(`A=${marker}\nA=${marker}\n`, `${ns}/env/twice`), VaultError, { status: 400, code: 'VALIDATION_ERROR' });
  });

  test(`${build}: requestToken, its lifetime and defaultTtl`, async () => {
    const lifetime = async (v, options) => {
      const token = await v.requestToken({ scopes: [all[0]], ...options });
      assert.ok(token.token && token.token_id);
      return (Date.parse(token.expires_at) - Date.now()) / 60_000;
    };
    for (const [options, request, minutes] of [
      [{}, {}, 60],
      [{ defaultTtl: '30m' }, {}, 30],
      [{ defaultTtl: '30m' }, { ttl: '15m' }, 15],
      [{}, { ttl: '7d' }, 7 * 24 * 60],
      [{}, { ttl: 300 }, 5],
    ]) {
      const got = await lifetime(vault(options), request);
      assert.ok(got > minutes - 1 && got < minutes + 0.1, `${JSON.stringify(request)}: ${got} minutes`);
    }
    await fails(vault().requestToken({ scopes: all, ttl: 'soon' }), VaultError, { status: 400, code: 'VALIDATION_ERROR' });
    await fails(vault().requestToken({ scopes: all, ttl: '9999h' }), VaultError, { status: 400, code: 'VALIDATION_ERROR' });
    await fails(vault().requestToken({ scopes: [] }), VaultError, { status: 400 });
    await fails(vault().requestToken({ scopes: ['nonsense'] }), VaultError, { status: 400 });
    assert.ok((await vault({ agentKey: ownerKey }).requestToken({ scopes: ['read:secrets'] })).token);
  });

  test(`${build}: a token is used again while it covers`, async () => {
    const v = vault();
    await v.requestToken({ scopes: all });
    const before = (await events(ns, 'token.create')).length;
    await v.setSecret(`${ns}/again/KEY`, marker);
    await v.getSecret(`${ns}/again/KEY`);
    await v.listSecrets(`${ns}/again`);
    await v.deleteSecret(`${ns}/again/KEY`);
    assert.equal((await events(ns, 'token.create')).length, before);
    await vault().setSecret(`${ns}/again/KEY`, marker);
    assert.equal((await events(ns, 'token.create')).length, before + 1);
  });

  test(`${build}: autoToken false`, async () => {
    const v = vault({ autoToken: false });
    await put(`${ns}/manual/KEY`, marker);
    await fails(v.getSecret(`${ns}/manual/KEY`), AuthError);
    await v.requestToken({ scopes: [`secrets:read:${ns}/manual/KEY`] });
    assert.equal(await v.getSecret(`${ns}/manual/KEY`), marker);
    await fails(v.setSecret(`${ns}/manual/KEY`, marker), ScopeError, { status: 403, code: 'SCOPE_DENIED' });
    await fails(v.listSecrets(`${ns}/manual`), ScopeError);
  });

  test(`${build}: maxUses`, async () => {
    const v = vault();
    await put(`${ns}/uses/KEY`, marker);
    await v.requestToken({ scopes: [`secrets:read:${ns}/uses/KEY`], maxUses: 2 });
    assert.equal(await v.getSecret(`${ns}/uses/KEY`), marker);
    assert.equal(await v.getSecret(`${ns}/uses/KEY`), marker);
    await fails(v.getSecret(`${ns}/uses/KEY`), AuthError, { status: 401 });
    await fails(v.requestToken({ scopes: all, maxUses: 0 }), VaultError, { status: 400 });
  });

  test(`${build}: ipAllowlist`, async () => {
    await put(`${ns}/from/KEY`, marker);
    const scopes = [`secrets:read:${ns}/from/KEY`];
    const here = vault();
    await here.requestToken({ scopes, ipAllowlist: ['127.0.0.0/8', '::1'] });
    assert.equal(await here.getSecret(`${ns}/from/KEY`), marker);
    const elsewhere = vault();
    await elsewhere.requestToken({ scopes, ipAllowlist: ['192.0.2.1'] });
    await assert.rejects(elsewhere.getSecret(`${ns}/from/KEY`), (err) => err instanceof AuthError || err instanceof ScopeError);
    await fails(vault().requestToken({ scopes, ipAllowlist: ['nowhere'] }), VaultError, { status: 400 });
  });

  test(`${build}: ApprovalRequiredError, approved`, async () => {
    const v = vault();
    await put(`${ns}/gated/KEY`, marker, 'sensitive');
    const id = await asks(v.getSecret(`${ns}/gated/KEY`));
    assert.equal(await asks(v.requestToken({ scopes: [`secrets:read:${ns}/gated/KEY`] })), id, 'the same wish is the same request');
    await approve(id);
    assert.equal(await v.getSecret(`${ns}/gated/KEY`), marker);
    assert.equal((await v.getSecretWithMetadata(`${ns}/gated/KEY`)).access_tier, 'sensitive');
  });

  test(`${build}: ApprovalRequiredError, denied`, async () => {
    const v = vault();
    await put(`${ns}/gated/NEVER`, marker, 'sensitive');
    await deny(await asks(v.getSecret(`${ns}/gated/NEVER`)));
    // Refused, or asked anew; the value does not come.
    await assert.rejects(v.getSecret(`${ns}/gated/NEVER`), (err) => err instanceof VaultError && err.status === 403);
  });

  test(`${build}: a critical secret needs approval to write, each time`, async () => {
    const v = vault();
    await put(`${ns}/gated/CRITICAL`, marker, 'critical');
    await approve(await asks(v.setSecret(`${ns}/gated/CRITICAL`, `${marker} 2`)));
    const written = await v.setSecret(`${ns}/gated/CRITICAL`, `${marker} 2`);
    assert.deepEqual([written.version, written.access_tier], [2, 'critical']);
    // The token is still good, the approval is used up.
    await fails(v.setSecret(`${ns}/gated/CRITICAL`, `${marker} 3`), VaultError, { status: 403, code: 'APPROVAL_REQUIRED' });
    await asks(vault().setSecret(`${ns}/gated/CRITICAL`, `${marker} 3`));
  });

  test(`${build}: AuthError`, async () => {
    await fails(vault({ agentKey: 'ask_agent_thisisnosuchkeyatall' }).getSecret(`${ns}/a/KEY`), AuthError, { status: 401, code: 'UNAUTHORIZED' });
    const key = await agent(`${ns}-revoked`, [ns], [all[0]]);
    const v = vault({ agentKey: key });
    await put(`${ns}/revoked/KEY`, marker);
    assert.equal(await v.getSecret(`${ns}/revoked/KEY`), marker);
    assert.equal((await api('DELETE', `/v1/agents/${ns}-revoked`)).status, 204);
    await fails(v.getSecret(`${ns}/revoked/KEY`), AuthError, { status: 401 }); // its token
    await fails(vault({ agentKey: key }).getSecret(`${ns}/revoked/KEY`), AuthError); // its key
  });

  test(`${build}: ScopeError`, async () => {
    await put(`elsewhere-${build}/KEY`, marker);
    for (const path of [`elsewhere-${build}/KEY`, `elsewhere-${build}/NOSUCH`]) {
      await fails(vault().getSecret(path), ScopeError, { status: 403, code: 'SCOPE_DENIED' });
    }
    await fails(vault().listSecrets(`elsewhere-${build}`), ScopeError);
    await fails(vault().setSecret(`elsewhere-${build}/KEY`, marker), ScopeError);
    await fails(vault().importEnv(`A=${marker}`, `elsewhere-${build}`), ScopeError);
  });

  test(`${build}: SecretNotFoundError`, async () => {
    await fails(vault().getSecret(`${ns}/a/NOSUCH`), SecretNotFoundError, { status: 404, code: 'SECRET_NOT_FOUND' });
    await fails(vault().getSecret(`${ns}/NOSUCH`), SecretNotFoundError);
  });

  test(`${build}: ValidationError, and VaultError for what assd refuses`, async () => {
    await fails(vault().getSecret('NOSLASH'), ValidationError, { status: 400, code: 'VALIDATION_ERROR' });
    await fails(vault().setSecret(`${ns}/a/KEY`, marker, { secretType: 'nonsense' }), VaultError, { status: 400, code: 'VALIDATION_ERROR' });
    await fails(vault().setSecret(`${ns}/a b/KEY`, marker), VaultError, { status: 400 });
  });

  test(`${build}: RateLimitError`, async () => {
    const agentKey = await limitedAgent(ns);
    const v = new AgentVault({ agentKey, baseUrl: limited.url });
    let caught;
    for (let n = 0; n < 50 && !caught; n++) await v.requestToken({ scopes: ['read:secrets'] }).catch((err) => (caught = err));
    assert.equal(caught?.constructor, RateLimitError, caught?.message);
    assert.deepEqual([caught.status, caught.code], [429, 'RATE_LIMITED']);
    assert.ok(caught.retryAfter >= 1 && caught.retryAfter <= 60, `retryAfter ${caught.retryAfter}`);
    await new Promise((done) => setTimeout(done, caught.retryAfter * 1000));
    assert.ok((await v.requestToken({ scopes: ['read:secrets'] })).token, 'after retryAfter it is served');
  });

  test(`${build}: NetworkError`, async () => {
    const port = await freePort();
    await fails(vault({ baseUrl: `https://127.0.0.1:${port}`, retries: 0 }).getSecret(`${ns}/a/KEY`), NetworkError, { status: 0, code: 'NETWORK_ERROR' });
  });
}

// limitedAgent makes an agent on the assd that counts requests, waiting where
// the owner's key is told to.
async function limitedAgent(name) {
  for (;;) {
    const body = { name, allowed_scopes: ['secrets:read:*'] };
    const made = await api('POST', '/v1/agents', { body, key: limited.key, base: limited.url });
    if (made.status === 200) return made.body.api_key;
    assert.equal(made.status, 429);
    await new Promise((done) => setTimeout(done, 1000 * Number(made.headers.get('retry-after'))));
  }
}

function freePort() {
  return new Promise((done) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}
