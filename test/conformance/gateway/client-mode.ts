/**
 * The gateway under test as a client: `node client-mode.ts CALLER`. Each ClientCompatRequest goes to a client that speaks
 * CALLER (connect, grpc, grpc-web), which calls the case's server through a gateway. That server checks what the gateway sends to it.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { create, fromBinary } from '@bufbuild/protobuf';
import { goTool } from '@bascule/testing/go-tool';
import { CALLERS, isCalledByNode, parseCaller } from '../callers.ts';
import { encodeMessage, readMessages } from '../framing.ts';
import { HttpVersion, type ClientCompatRequest } from '../messages.ts';
import { loadStubs } from '../stubs.ts';
import { UPSTREAMS, type Upstream } from '../upstreams.ts';
import { startFront, type Front } from './front.ts';

const caller = parseCaller(process.argv[2]);
const stubs = await loadStubs();
const schema = stubs.message('ClientCompatRequest');
const fronts = new Map<string, Promise<Front>>();
const callers = new Map<string, ChildProcessByStdio<Writable, null, null>>();

for await (const bytes of readMessages(process.stdin)) {
  const request = fromBinary(schema, bytes);
  const { gateway } = await frontOf(request);
  const redirected = redirect(request, gateway.apiPort);
  const client = await clientOf(request);
  if (!client.stdin.write(encodeMessage(schema, redirected))) await once(client.stdin, 'drain');
}
for (const client of callers.values()) {
  const exited = once(client, 'exit');
  client.stdin.end();
  const [code] = (await exited) as [number | null];
  if (code !== 0) process.exitCode = 1;
}
for (const front of fronts.values()) await (await front).close();

/** The program that calls. */
async function clientOf({ protocol }: ClientCompatRequest): Promise<ChildProcessByStdio<Writable, null, null>> {
  const command = isCalledByNode(caller, protocol)
    ? [process.execPath, join(import.meta.dirname, '../client/main.ts')]
    : [await goTool('referenceclient')];
  const key = command.join(' ');
  const known = callers.get(key);
  if (known !== undefined) return known;
  const client = spawn(command[0] as string, command.slice(1), { stdio: ['pipe', 'inherit', 'inherit'] });
  callers.set(key, client);
  return client;
}

/** The gateway in front of the server that a case is for. */
function frontOf(request: ClientCompatRequest): Promise<Front> {
  const { host, port } = request;
  const upstream = upstreamOf(request);
  const key = `${upstream} ${host}:${port}`;
  const known = fronts.get(key);
  if (known !== undefined) return known;
  const front = startFront(stubs, {
    backend: { host, port, upstream },
    codecs: ['proto', 'json'],
    maxMessageBytes: 0,
  });
  fronts.set(key, front);
  return front;
}

function upstreamOf({ protocol, httpVersion }: ClientCompatRequest): Upstream {
  for (const [name, upstream] of Object.entries(UPSTREAMS)) {
    if (upstream.protocol === protocol && upstream.httpVersion === httpVersion) return name as Upstream;
  }
  throw new Error(`no upstream for protocol ${protocol} over HTTP version ${httpVersion}`);
}

/** The same case through the gateway. What the server is told to expect is what the gateway makes of it. */
function redirect(request: ClientCompatRequest, port: number): ClientCompatRequest {
  const { protocol } = CALLERS[caller];
  const translated = protocol !== request.protocol;
  return create(schema, {
    ...request,
    host: '127.0.0.1',
    port,
    ...(translated ? { protocol, httpVersion: HttpVersion.two, useGetHttpMethod: false } : {}),
    // A call's HTTP method ends at the gateway: behind it all is POST.
    requestHeaders: request.requestHeaders.map((header) =>
      header.name.toLowerCase() === 'x-expect-http-method' ? { ...header, value: ['POST'] } : header,
    ),
  });
}
