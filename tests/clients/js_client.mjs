// The client of the npm package @modelcontextprotocol/client, as a process. Rule: see conversation.py.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const target = JSON.parse(process.argv[2]);
const mode = /^20/.test(target.mode) ? { pin: target.mode } : target.mode;
const ANSWERS = { name: 'Ann', color: 'green', context: 'tests', ok: true };
const seen = { logs: [], changes: [], progress: [] };
let action = 'accept';

const client = new Client(
  { name: 'js', version: '1' },
  { capabilities: { elicitation: { form: {} }, sampling: {}, roots: {} }, versionNegotiation: { mode } },
);
client.setRequestHandler('elicitation/create', async ({ params }) => {
  if (action !== 'accept') return { action: 'decline' };
  const names = Object.keys(params.requestedSchema.properties);
  return { action, content: Object.fromEntries(names.map((name) => [name, ANSWERS[name]])) };
});
client.setRequestHandler('sampling/createMessage', async ({ params }) => {
  const [message] = params.messages;
  const text = [message.content].flat()[0].text;
  return { role: 'assistant', model: 'm', content: { type: 'text', text: `sampled: ${text}` } };
});
client.setRequestHandler('roots/list', async () => ({ roots: [{ uri: 'file:///work' }] }));
client.setNotificationHandler('notifications/message', async ({ params }) => seen.logs.push([params.level, params.data]));
let heard;
client.setNotificationHandler('notifications/tools/list_changed', async () => {
  seen.changes.push('ToolsListChanged');
  heard?.();
});

const call = (name, args, options) => client.callTool({ name, arguments: args ?? {} }, options);
const text = async (name, args) => (await call(name, args)).content.map((block) => block.text ?? '').join('');
const codeOf = (promise) => promise.then(() => 0, (error) => error.code);
const names = async () => (await client.listTools()).tools.map((tool) => tool.name);

await client.connect(
  target.url
    ? new StreamableHTTPClientTransport(new URL(target.url))
    : new StdioClientTransport({
        command: target.command,
        args: target.arguments,
        env: { ...process.env, ...target.environment },
      }),
);
seen.version = client.getNegotiatedProtocolVersion();
seen.server = client.getServerVersion()?.name ?? null;
seen.tools = await names();
seen.resources = (await client.listResources()).resources.map((one) => one.uri);
seen.templates = (await client.listResourceTemplates()).resourceTemplates.map((one) => one.uriTemplate);
seen.prompts = (await client.listPrompts()).prompts.map((prompt) => prompt.name);

seen.text = await text('test_simple_text');
seen.header_text = await text('test_x_mcp_header', { region: 'zürich ' });
seen.image_type = (await call('test_image_content')).content[0].mimeType;
const failed = await call('test_error_handling');
seen.tool_error = failed.isError ? failed.content[0].text : 'no error';
const refused = await call('test_x_mcp_header', { region: 5 });
seen.bad_argument = refused.isError ? refused.content[0].text : 'no error';
seen.unknown_tool = await codeOf(call('no_such_tool'));
seen.unknown_resource = await codeOf(client.readResource({ uri: 'test://nothing' }));
await call('test_tool_with_progress', {}, { onprogress: ({ progress }) => seen.progress.push(progress) });
await client.callTool({
  name: 'test_tool_with_logging',
  arguments: {},
  _meta: { 'io.modelcontextprotocol/logLevel': 'info' },
});

seen.accepted = await text('test_input_required_result_elicitation');
action = 'decline';
seen.declined = await text('test_input_required_result_elicitation');
action = 'accept';
seen.sampled = await text('test_input_required_result_sampling');
seen.roots = await text('test_input_required_result_list_roots');
seen.many = await text('test_input_required_result_multiple_inputs');
seen.rounds = await text('test_input_required_result_multi_round');
const asking = await client.getPrompt({ name: 'test_input_required_result_prompt' });
seen.prompt_after_question = asking.messages[0].content.text;

const prompt = await client.getPrompt({ name: 'test_prompt_with_arguments', arguments: { arg1: 'a', arg2: 'b' } });
seen.prompt = prompt.messages[0].content.text;
const completed = await client.complete({
  ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' },
  argument: { name: 'arg1', value: 'par' },
});
seen.completion = completed.completion.values;
seen.resource = (await client.readResource({ uri: 'test://static-text' })).contents[0].text;
seen.template = (await client.readResource({ uri: 'test://template/123/data' })).contents[0].text;
seen.blob = (await client.readResource({ uri: 'test://static-binary' })).contents[0].blob.slice(0, 8);

const first = await client.listen({ toolsListChanged: true });
const change = new Promise((resolve) => (heard = resolve));
await call('test_trigger_tool_change');
await change;
await first.close();
seen.tools_after = await names();

const last = await client.listen({ toolsListChanged: true });
console.log('listening');
seen.ended = await last.closed;
console.log(JSON.stringify(seen));
await client.close();
