// A few calls of the npm package @modelcontextprotocol/sdk 1.x, with a pause. Rule: see python_calls.py.
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { listenToFetch, print } from './steps.mjs';

const target = JSON.parse(process.argv[2]);
const load = (file) => import(`${target.package}/${file}`);

listenToFetch();
const { Client } = await load('client/index.js');
const [file, transport] = {
  http: ['client/streamableHttp.js', 'StreamableHTTPClientTransport'],
  sse: ['client/sse.js', 'SSEClientTransport'],
}[target.transport];
const client = new Client({ name: target.package, version: '1' }, { capabilities: {} });
const wire = new (await load(file))[transport](new URL(target.url));

const outcome = async (name) => {
  const { content, isError } = await client.callTool({ name, arguments: {} });
  return [isError ?? false, content.map((block) => block.text ?? '').join('')];
};
const calls = async () => ({
  tools: (await client.listTools()).tools.map((tool) => tool.name),
  text: await outcome('test_simple_text'),
  tool_error: await outcome('test_error_handling'),
  unknown_tool: await outcome('no_such_tool').then(
    () => null,
    ({ code, message }) => [code, message],
  ),
});

/** Wait until EventSource has connected again, which it says to nobody: a ping goes through then. */
async function connectedAgain() {
  for (let attempt = 0; attempt < 80; attempt++) {
    const through = await client.ping().then(
      () => true,
      () => false,
    );
    if (through) return;
    await setTimeout(100);
  }
}

await client.connect(wire);
const first = await calls();
const openedAs = wire.sessionId;
console.log('opened');
await once(process.stdin, 'data');
if (target.transport === 'sse') await connectedAgain();
const again = await calls();
const sameSession = wire.sessionId === openedAs;
await wire.terminateSession?.();
await client.close();
print({ first, again, same_session: sameSession });
