import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { create } from '@bufbuild/protobuf';
import { goTool } from '@bascule/testing/go-tool';
import { encodeMessage, readMessage } from '../framing.ts';
import type { ServerCompatRequest } from '../messages.ts';
import type { Stubs } from '../stubs.ts';
import { UPSTREAMS, type Upstream } from '../upstreams.ts';

export interface Backend {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Starts connect-go's server of the suite as a child; it speaks what `upstream` says, without TLS. */
export async function startBackend(
  stubs: Stubs,
  { upstream, messageReceiveLimit }: { upstream: Upstream; messageReceiveLimit: number },
): Promise<Backend> {
  const child = spawn(await goTool('referenceserver'), { stdio: ['pipe', 'pipe', 'inherit'] });
  const { protocol, httpVersion } = UPSTREAMS[upstream];
  const schema = stubs.message('ServerCompatRequest');
  const request: ServerCompatRequest = create(schema, { protocol, httpVersion, messageReceiveLimit });
  child.stdin.end(encodeMessage(schema, request));
  const { host, port } = await readMessage(child.stdout, stubs.message('ServerCompatResponse'));
  return { host, port, close: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
