// The client of the npm package @modelcontextprotocol/client that is told to speak as before. Rule: see steps.py.
import { readFileSync } from 'node:fs';
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { all, answers, listenToFetch, listeners, print } from './steps.mjs';

const target = JSON.parse(process.argv[2]);

function transport() {
  const url = target.url && new URL(target.url);
  switch (target.transport) {
    case 'http':
      return new StreamableHTTPClientTransport(url);
    case 'sse':
      return new SSEClientTransport(url);
    default: {
      const { command, arguments: args, environment } = target;
      return new StdioClientTransport({ command, args, env: { ...process.env, ...environment } });
    }
  }
}

listenToFetch();
const capabilities = { elicitation: { form: {} }, sampling: {}, roots: { listChanged: true } };
const client = new Client({ name: 'client-2', version: '1' }, { capabilities, versionNegotiation: { mode: 'legacy' } });
for (const [method, answer] of Object.entries(answers)) client.setRequestHandler(method, answer);
for (const [method, listener] of Object.entries(listeners)) client.setNotificationHandler(method, listener);

const wire = transport();
await client.connect(wire);
const version = client.getNegotiatedProtocolVersion();
const server = client.getServerVersion().name;
const seen = await all(client, (params, options) => client.callTool(params, options), target.transport);
await wire.terminateSession?.();
await client.close();
const manifest = new URL('node_modules/@modelcontextprotocol/client/package.json', import.meta.url);
print({ version, server, client: JSON.parse(readFileSync(manifest)).version, ...seen });
