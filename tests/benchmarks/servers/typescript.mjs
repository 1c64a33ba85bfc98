// The measured tools on the TypeScript SDK. Rule: as its documentation writes a server, and no slower than it can.
//
// With a port: HTTP, 2026-07-28 by its handler, older revisions by a transport a session. Without: stdio.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import * as z from 'zod/v4';

const extras = Number(process.env.BENCH_TOOLS ?? 0);
const echoing = { description: 'Say it back.', inputSchema: z.object({ text: z.string() }) };
const counting = { description: 'Report progress so many times.', inputSchema: z.object({ times: z.number().int() }) };
const echo = async ({ text }) => ({ content: [{ type: 'text', text }] });

function build() {
    const server = new McpServer({ name: 'bench', version: '1.0.0' });
    server.registerTool('echo', echoing, echo);
    server.registerTool('count', counting, async ({ times }, context) => {
        const progressToken = context.mcpReq._meta?.progressToken;
        for (let progress = 1; progress <= times; progress++) {
            if (progressToken !== undefined) {
                const params = { progressToken, progress, total: times };
                await context.mcpReq.notify({ method: 'notifications/progress', params });
            }
        }
        return { content: [{ type: 'text', text: 'done' }] };
    });
    for (let extra = 0; extra < extras; extra++) server.registerTool(`echo_${extra}`, echoing, echo);
    return server;
}

const modern = toNodeHandler(createMcpHandler(build, { legacy: 'reject' }));
const sessions = new Map();

async function legacy(request, response) {
    const known = sessions.get(request.headers['mcp-session-id']);
    if (known) return known.handleRequest(request, response);
    const transport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: id => void sessions.set(id, transport)
    });
    await build().connect(transport);
    return transport.handleRequest(request, response);
}

function serve(request, response) {
    const isModern = request.headers['mcp-protocol-version'] === '2026-07-28';
    return (isModern ? modern : legacy)(request, response);
}

if (process.argv[2]) createServer(serve).listen(Number(process.argv[2]), '127.0.0.1');
else serveStdio(build);
