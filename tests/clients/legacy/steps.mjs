// What every Node client does, step by step: the steps of steps.py, under the same names. Rule: see there.
import { randomUUID } from 'node:crypto';

const PATIENCE_MS = 5000;
const ANSWERS = { name: 'Ann', color: 'green', username: 'ann', email: 'ann@example.com', context: 'tests', ok: true };

// Requests in the order in which they are answered, as [method, path, status].
const requests = [];
let streamAnswered;
const stream = new Promise((resolve) => (streamAnswered = resolve));

/** Note the requests that go through fetch, which all these clients use (but for the stream of SDK 1.0). */
export function listenToFetch() {
  const fetch = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const response = await fetch(input, init);
    const method = init?.method ?? 'GET';
    requests.push([method, new URL(input.url ?? input).pathname, response.status]);
    if (method === 'GET') streamAnswered();
    return response;
  };
}

const heard = { progress: [], logs: [], changes: [], updated: [] };
let news = [];
const note = (kind, value) => {
  heard[kind].push(value);
  for (const tell of news.splice(0)) tell();
};
/** Wait until `enough` is so, or for a while: the transcript shows what is missing. */
async function until(enough) {
  const tooLate = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, 'too late').unref());
  while (!enough()) {
    const came = new Promise((resolve) => news.push(resolve));
    if ((await Promise.race([came, tooLate])) === 'too late') return;
  }
}

let action = 'accept';
/** How the user, their model and their editor answer, by method. */
export const answers = {
  'elicitation/create': async ({ params }) => {
    if (action !== 'accept') return { action };
    const names = Object.keys(params.requestedSchema.properties);
    return { action, content: Object.fromEntries(names.map((name) => [name, ANSWERS[name]])) };
  },
  'sampling/createMessage': async ({ params }) => {
    const [{ content }] = params.messages;
    const text = `sampled: ${[content].flat()[0].text}`;
    return { role: 'assistant', model: 'm', content: { type: 'text', text } };
  },
  'roots/list': async () => ({ roots: [{ uri: 'file:///work' }] }),
};
/** What becomes of notifications, by method. */
export const listeners = {
  'notifications/message': async ({ params }) => note('logs', [params.level, params.data]),
  'notifications/tools/list_changed': async () => note('changes', 'tools'),
  'notifications/resources/updated': async ({ params }) => note('updated', params.uri),
};

/**
 * Every step, and the transcript. `client` is the SDK's; `callTool` is its own with (params, options), because the
 * major versions order their arguments differently.
 */
export async function all(client, callTool, transport) {
  const seen = {};
  const call = async (name, args, options) => {
    const { content, isError } = await callTool({ name, arguments: args ?? {} }, options);
    return [isError ?? false, content.map((block) => block.text ?? '').join('')];
  };
  const told = (name, args) =>
    call(name, args).then(
      ([, text]) => text,
      ({ code, message }) => [code, message],
    );
  const refusal = (promise) =>
    promise.then(
      () => null,
      ({ code, message }) => [code, message],
    );
  const names = async () => (await client.listTools()).tools.map((tool) => tool.name);

  seen.tools = await names();
  seen.resources = (await client.listResources()).resources.map((one) => one.uri);
  seen.templates = (await client.listResourceTemplates()).resourceTemplates.map((one) => one.uriTemplate);
  seen.prompts = (await client.listPrompts()).prompts.map((prompt) => prompt.name);

  seen.text = await call('test_simple_text');
  seen.tool_error = await call('test_error_handling');
  seen.bad_argument = await call('test_x_mcp_header', { region: 5 });
  seen.unknown_tool = await refusal(call('no_such_tool'));
  seen.unknown_resource = await refusal(client.readResource({ uri: 'test://nothing' }));

  await call('test_tool_with_progress', {}, { onprogress: ({ progress }) => note('progress', progress) });
  // It forgets a call once it has read the answer, and drops progress that came in one piece with it.
  seen.progress = heard.progress;
  seen.reconnected = await call('test_reconnection');

  await client.setLoggingLevel('info');
  await call('test_tool_with_logging');
  await until(() => heard.logs.length >= 3);
  seen.logs = [...heard.logs];
  await client.setLoggingLevel('error');
  await call('test_tool_with_logging');
  seen.logs_at_error = heard.logs.slice(seen.logs.length);

  for (const [name, how] of Object.entries({ accepted: 'accept', declined: 'decline', cancelled: 'cancel' })) {
    action = how;
    seen[name] = await told('test_elicitation', { message: 'Who?' });
  }
  action = 'accept';
  seen.sampled = await told('test_sampling', { prompt: 'Hello' });
  seen.roots = await told('test_input_required_result_list_roots');
  seen.many = await told('test_input_required_result_multiple_inputs');
  seen.rounds = await told('test_input_required_result_multi_round');

  seen.resource = (await client.readResource({ uri: 'test://static-text' })).contents[0].text;
  seen.template = (await client.readResource({ uri: 'test://template/123/data' })).contents[0].text;
  const prompt = await client.getPrompt({ name: 'test_prompt_with_arguments', arguments: { arg1: 'a', arg2: 'b' } });
  seen.prompt = prompt.messages[0].content.text;
  const completed = await client.complete({
    ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' },
    argument: { name: 'arg1', value: 'par' },
  });
  seen.completion = completed.completion.values;

  if (transport === 'http') {
    await Promise.race([stream, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS).unref())]);
  }
  const [watched, other] = [`touch://${randomUUID()}`, `touch://${randomUUID()}`];
  await client.subscribeResource({ uri: watched });
  await call('touch', { uri: other });
  await call('touch', { uri: watched });
  await until(() => heard.updated.length >= 1);
  seen.updated = heard.updated.map((uri) => ({ [watched]: 'watched', [other]: 'other' })[uri]);
  // The tool touches the resource when it is cancelled, which it is once it has said that it is there.
  const stop = new AbortController();
  const options = { signal: stop.signal, onprogress: () => stop.abort('enough') };
  const given = await call('touch_when_cancelled', { uri: watched }, options).then(([, text]) => text, () => 'given up');
  await until(() => heard.updated.length >= 2);
  seen.cancelled_call = [given, heard.updated.length - seen.updated.length];
  await client.unsubscribeResource({ uri: watched });
  const updates = heard.updated.length;
  await call('touch', { uri: watched });

  const before = heard.changes.length;
  await call('test_trigger_tool_change');
  await until(() => heard.changes.length > before);
  seen.changes = heard.changes.length - before;
  // On one stream, in order: what an ended subscription still brought would have come before the change.
  seen.updates_after_unsubscribe = heard.updated.length - updates;
  seen.tools_after = await names();

  await client.sendRootsListChanged();
  await client.ping();
  seen.ping = true;
  return seen;
}

/** Print the transcript, and end. */
export function print(seen) {
  process.stdout.write(JSON.stringify({ ...seen, closed: true, requests }), () => process.exit(0));
}
