// Starts the MCP server as the README's configuration says and reads a secret
// through it; then asks whether the one that serves SSE is there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';

const [file, sse] = process.argv.slice(2);
const text = readFileSync(file, 'utf8')
  .replace('ask_agent_...', process.env.ASS_AGENT_KEY)
  .replace('/path/to/assd.pem', process.env.NODE_EXTRA_CA_CERTS);
const [{ command, args, env }] = Object.values(JSON.parse(text).mcpServers);
const client = new Client({ name: 'conformance', version: '1.0.0' });
await client.connect(new StdioClientTransport({ command, args, env: { ...process.env, ...env } }));
const { content } = await client.callTool({ name: 'get_secret', arguments: { namespace: 'production', key: 'OPENAI_API_KEY' } });
console.log(JSON.parse(content[0].text).value);
await client.close();

let up = false;
for (let n = 0; n < 200 && !up; n++) {
  up = await fetch(`${sse}/health`).then((r) => r.ok, () => new Promise((done) => setTimeout(done, 50, false)));
}
assert.ok(up, 'nothing serves SSE');
