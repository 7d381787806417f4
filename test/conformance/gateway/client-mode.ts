/**
 * The gateway under test as a client: `node client-mode.ts CALLER`. Each ClientCompatRequest goes to a client that speaks
 * CALLER (connect, grpc, grpc-web), which calls the case's server through a gateway. That server checks what the gateway sends to it.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { fromBinary } from '@bufbuild/protobuf';
import { goTool } from '@bascule/testing/go-tool';
import { isCalledByNode, parseCaller } from '../callers.ts';
import { encodeMessage, readMessages } from '../framing.ts';
import type { ClientCompatRequest } from '../messages.ts';
import { loadStubs } from '../load-stubs.ts';
import { createFronts, redirect } from './fronts.ts';

const caller = parseCaller(process.argv[2]);
const stubs = await loadStubs();
const schema = stubs.message('ClientCompatRequest');
const fronts = createFronts(stubs);
const callers = new Map<string, ChildProcessByStdio<Writable, null, null>>();

for await (const bytes of readMessages(process.stdin)) {
  const request = fromBinary(schema, bytes);
  const { gateway } = await fronts.of(request);
  const redirected = redirect(stubs, request, { caller, port: gateway.apiPort });
  const client = await clientOf(request);
  if (!client.stdin.write(encodeMessage(schema, redirected))) await once(client.stdin, 'drain');
}
for (const client of callers.values()) {
  const exited = once(client, 'exit');
  client.stdin.end();
  const [code] = (await exited) as [number | null];
  if (code !== 0) process.exitCode = 1;
}
await fronts.close();

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
