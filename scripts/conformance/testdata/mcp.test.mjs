// Every tool of the MCP server over both of its transports, by the official
// client of the protocol.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { agent, api, approve, deny, marker, put, url } from './vault.mjs';

const program = new URL('node_modules/@agentsecretstore/mcp/bin/run.js', import.meta.url).pathname;

const environment = (key, more = {}) => ({
  PATH: process.env.PATH,
  NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS,
  ASS_API_URL: `${url}/`, // it drops the slash
  ASS_AGENT_KEY: key,
  ...more,
});

// Each returns a transport to a server of its own, and how to end that.
const transports = {
  async stdio(key) {
    const transport = new StdioClientTransport({ command: process.execPath, args: [program], env: environment(key), stderr: 'inherit' });
    return { transport, end: async () => {} };
  },
  async sse(key) {
    const port = await freePort();
    const server = spawn(process.execPath, [program, '--transport', 'sse'], { env: environment(key, { PORT: String(port) }), stdio: 'ignore' });
    const exited = new Promise((done) => server.once('exit', done));
    const base = `http://localhost:${port}`;
    for (let n = 0; !(await fetch(`${base}/health`).then((r) => r.ok, () => false)); n++) {
      assert.ok(n < 500 && server.exitCode === null, 'the server does not listen');
      await new Promise((done) => setTimeout(done, 20));
    }
    return {
      transport: new SSEClientTransport(new URL(`${base}/sse`)),
      end: async () => {
        server.kill('SIGTERM');
        assert.equal(await exited, 0);
      },
    };
  },
};

for (const [kind, connect] of Object.entries(transports)) {
  describe(kind, { timeout: 60_000 }, () => {
    const ns = `mcp-${kind}`;
    const client = new Client({ name: 'conformance', version: '1.0.0' });
    let key, session;

    before(async () => {
      key = await agent(ns, [ns], [`secrets:read:${ns}/*`, `secrets:write:${ns}/*`, 'namespaces:read']);
      session = await connect(key);
      await client.connect(session.transport);
    });
    after(async () => {
      await client.close();
      await session.end();
    });

    // call calls a tool and returns the document it answers with.
    const call = async (name, args) => {
      const { content, isError } = await client.callTool({ name, arguments: args });
      assert.ok(!isError && content.length === 1);
      return JSON.parse(content[0].text);
    };
    // refused returns the message of a call that must fail.
    const refused = async (name, args) => {
      let message;
      await assert.rejects(client.callTool({ name, arguments: args }), (err) => {
        message = err.message;
        return true;
      });
      return message;
    };
    // detail is what assd itself says about a request of the agent.
    const detail = async (status, ...request) => {
      const got = await api(...request);
      assert.equal(got.status, status);
      assert.ok(got.body.detail && got.body.detail === got.body.error.message);
      return got.body.detail;
    };

    test('tools/list', async () => {
      const { tools } = await client.listTools();
      assert.deepEqual(tools.map((t) => t.name).sort(), [
        'delete_secret', 'get_approval_status', 'get_secret', 'list_namespaces',
        'list_secrets', 'request_token', 'rotate_secret', 'set_secret',
      ]);
    });

    test('set_secret, get_secret', async () => {
      const at = { namespace: `${ns}/api/openai`, key: 'KEY' };
      const value = `${marker}\n"quoted" ☃`;
      const written = await call('set_secret', { ...at, value, secret_type: 'api_key' });
      assert.deepEqual([written.namespace, written.key, written.version, written.secret_type, written.access_tier],
        [at.namespace, at.key, 1, 'api_key', 'standard']);
      const got = await call('get_secret', at);
      assert.deepEqual([got.namespace, got.key, got.version, got.value], [at.namespace, at.key, 1, value]);
      assert.equal((await call('set_secret', { ...at, value: `${marker} 2` })).version, 2);
      assert.equal((await call('get_secret', at)).value, `${marker} 2`);
    });

    test('list_secrets, list_namespaces', async () => {
      await put(`${ns}/list/a/ONE`, marker);
      await put(`${ns}/list/a/TWO`, marker);
      const list = await call('list_secrets', { namespace: `${ns}/list/a` });
      assert.equal(list.namespace, `${ns}/list/a`);
      assert.deepEqual(list.items.map((i) => i.key).sort(), ['ONE', 'TWO']);
      assert.ok(!JSON.stringify(list).includes(marker));
      const { items } = await call('list_namespaces', {});
      const found = items.find((i) => i.namespace === `${ns}/list/a`);
      assert.equal(found?.secret_count, 2);
      assert.ok(items.every((i) => i.namespace.startsWith(ns)), 'an agent sees its own');
    });

    test('delete_secret, rotate_secret only say who may', async () => {
      await put(`${ns}/stays/KEY`, marker);
      for (const tool of ['delete_secret', 'rotate_secret']) {
        const answer = await call(tool, { namespace: `${ns}/stays`, key: 'KEY' });
        assert.equal(answer.requires_human_auth, true);
      }
      assert.equal((await call('get_secret', { namespace: `${ns}/stays`, key: 'KEY' })).version, 1);
    });

    test('request_token', async () => {
      await put(`${ns}/token/KEY`, marker);
      const scopes = [`secrets:read:${ns}/token/*`];
      const { token } = await call('request_token', { scopes, ttl: '15m' });
      const got = await api('GET', `/v1/secrets/${ns}/token/KEY`, { key: token });
      assert.deepEqual([got.status, got.body.value], [200, marker]);
      assert.equal((await api('GET', `/v1/secrets/${ns}/stays/KEY`, { key: token })).status, 403);
      assert.ok((await call('request_token', { scopes })).token);
      const body = { scopes, ttl: 'soon' };
      assert.ok((await refused('request_token', body)).includes(await detail(400, 'POST', '/v1/tokens', { key, body })));
    });

    test('get_approval_status: pending, approved', async () => {
      const at = { namespace: `${ns}/gated`, key: 'KEY' };
      await put(`${ns}/gated/KEY`, marker, 'sensitive');
      const message = await refused('get_secret', at);
      const [, approval_id] = /Approval ID: ([^\s.]+)/.exec(message) ?? assert.fail(message);
      assert.equal((await call('get_approval_status', { approval_id })).status, 'pending');
      const asked = await call('request_token', { scopes: [`secrets:read:${ns}/gated/KEY`] });
      assert.deepEqual([asked.requires_approval, asked.approval_id], [true, approval_id]);
      await approve(approval_id);
      const status = await call('get_approval_status', { approval_id });
      assert.equal(status.status, 'approved');
      assert.ok(Date.parse(status.approved_at) && Date.parse(status.expires_at) > Date.now());
      assert.equal((await call('get_secret', at)).value, marker);
    });

    test('get_approval_status: denied', async () => {
      const at = { namespace: `${ns}/gated`, key: 'CRITICAL' };
      await put(`${ns}/gated/CRITICAL`, marker, 'critical');
      const [, approval_id] = /Approval ID: ([^\s.]+)/.exec(await refused('set_secret', { ...at, value: marker }));
      await deny(approval_id);
      const status = await call('get_approval_status', { approval_id });
      assert.equal(status.status, 'denied');
      assert.ok(Date.parse(status.denied_at));
      await refused('set_secret', { ...at, value: marker });
    });

    test('errors say what assd says', async () => {
      const elsewhere = { scopes: ['secrets:read:elsewhere/KEY'], ttl: '1h' };
      assert.ok((await refused('get_secret', { namespace: 'elsewhere', key: 'KEY' }))
        .includes(await detail(403, 'POST', '/v1/tokens', { key, body: elsewhere })));
      assert.ok((await refused('get_secret', { namespace: `${ns}/a`, key: 'NOSUCH' }))
        .includes(await detail(404, 'GET', `/v1/secrets/${ns}%2Fa/NOSUCH`, { key })));
      assert.ok((await refused('get_approval_status', { approval_id: 'apr_nosuchrequest' }))
        .includes(await detail(404, 'GET', '/v1/approvals/agent/apr_nosuchrequest', { key })));
      assert.match(await refused('get_secret', { namespace: ns }), /key/);
    });
  });
}

test('a key that is wrong is refused', { timeout: 60_000 }, async (t) => {
  const client = new Client({ name: 'conformance', version: '1.0.0' });
  t.after(() => client.close());
  await client.connect((await transports.stdio('ask_agent_thisisnosuchkeyatall')).transport);
  const { body } = await api('POST', '/v1/tokens', { key: 'ask_agent_thisisnosuchkeyatall', body: { scopes: ['namespaces:read'], ttl: '1h' } });
  await assert.rejects(client.callTool({ name: 'list_namespaces', arguments: {} }), (err) => err.message.includes(body.detail));
});

function freePort() {
  return new Promise((done) => {
    const server = net.createServer().listen(0, () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}
