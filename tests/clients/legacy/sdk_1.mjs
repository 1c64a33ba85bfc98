// The client of the npm package @modelcontextprotocol/sdk, of the version that is installed as `package`. Rule: see
// steps.py.
import { readFileSync } from 'node:fs';
import { all, answers, listenToFetch, listeners, print } from './steps.mjs';

const target = JSON.parse(process.argv[2]);
const load = (file) => import(`${target.package}/${file}`);
// Handlers are registered under the schema of what they handle. What a version has no schema for, it does not know.
const SCHEMAS = {
  'elicitation/create': 'ElicitRequestSchema',
  'sampling/createMessage': 'CreateMessageRequestSchema',
  'roots/list': 'ListRootsRequestSchema',
  'notifications/message': 'LoggingMessageNotificationSchema',
  'notifications/tools/list_changed': 'ToolListChangedNotificationSchema',
  'notifications/resources/updated': 'ResourceUpdatedNotificationSchema',
};

async function transport() {
  const url = target.url && new URL(target.url);
  switch (target.transport) {
    case 'http':
      return new (await load('client/streamableHttp.js')).StreamableHTTPClientTransport(url);
    case 'sse':
      // Version 1.0 brings no EventSource: its documentation has Node programs bring this one.
      globalThis.EventSource ??= (await import('eventsource')).default;
      return new (await load('client/sse.js')).SSEClientTransport(url);
    default: {
      const { command, arguments: args, environment } = target;
      const { StdioClientTransport } = await load('client/stdio.js');
      return new StdioClientTransport({ command, args, env: { ...process.env, ...environment } });
    }
  }
}

listenToFetch();
const [types, { Client }] = await Promise.all([load('types.js'), load('client/index.js')]);
const asks = 'ElicitRequestSchema' in types ? { elicitation: {} } : {};
const client = new Client(
  { name: target.package, version: '1' },
  { capabilities: { sampling: {}, roots: { listChanged: true }, ...asks } },
);
for (const [method, answer] of Object.entries(answers)) {
  const schema = types[SCHEMAS[method]];
  if (schema) client.setRequestHandler(schema, answer);
}
for (const [method, listener] of Object.entries(listeners)) {
  client.setNotificationHandler(types[SCHEMAS[method]], listener);
}
let version;
const request = client.request.bind(client);
client.request = async (message, ...rest) => {
  const result = await request(message, ...rest);
  if (message.method === 'initialize') version = result.protocolVersion;
  return result;
};

const wire = await transport();
await client.connect(wire);
const server = client.getServerVersion().name;
const seen = await all(client, (params, options) => client.callTool(params, undefined, options), target.transport);
await wire.terminateSession?.();
await client.close();
const manifest = new URL(`node_modules/${target.package}/package.json`, import.meta.url);
print({ version, server, client: JSON.parse(readFileSync(manifest)).version, ...seen });
