// What the scripts for the SDK and the MCP server share: where assd is, and
// requests to it as its owner.
export const url = process.env.CONFORMANCE_URL;
export const ownerKey = process.env.CONFORMANCE_OWNER_KEY;

// marker is in every value that is stored, so that a leak can be found.
export const marker = 'conformance-plaintext';

// api sends a request and returns { status, body, headers }.
export async function api(method, path, { key = ownerKey, body, base = url } = {}) {
  const response = await fetch(base + path, {
    method,
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : undefined, headers: response.headers };
}

// good is api for requests that must succeed; it returns the body.
export async function good(method, path, options) {
  const { status, body } = await api(method, path, options);
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${body?.detail}`);
  return body;
}

// agent makes an agent and returns its key.
export async function agent(name, namespaces, scopes, base = url, key = ownerKey) {
  const body = { name, allowed_namespaces: namespaces, allowed_scopes: scopes };
  return (await good('POST', '/v1/agents', { body, base, key })).api_key;
}

export const approve = (id) => good('POST', `/v1/approvals/${id}/approve`);
export const deny = (id) => good('POST', `/v1/approvals/${id}/deny`, { body: { reason: 'not today' } });

// put stores a secret as the owner.
export const put = (path, value, tier = 'standard') =>
  good('PUT', `/v1/secrets/${path}`, { body: { value, access_tier: tier } });

// events returns the newest events of an agent that did this.
export async function events(name, action) {
  const { events } = await good('GET', '/v1/audit?limit=1000');
  return events.filter((e) => e.agent_id === name && e.action === action);
}
