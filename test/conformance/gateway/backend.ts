import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { goTool } from '@bascule/testing/go-tool';
import { encodeMessage, readMessage } from '../framing.ts';
import type { ServerCompatRequest } from '../messages.ts';
import type { Stubs } from '../stubs.ts';
import { UPSTREAMS, type Upstream } from '../upstreams.ts';

/** Who answers behind the gateway: connect-go's server, grpc-go's, or our own kit. */
export const BACKENDS = ['connect-go', 'grpc-go', 'kit'] as const;
export type BackendKind = (typeof BACKENDS)[number];

export interface Backend {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Starts a server as a child; it speaks what `upstream` says, without TLS. */
export async function startBackend(
  stubs: Stubs,
  kind: BackendKind,
  { upstream, messageReceiveLimit }: { upstream: Upstream; messageReceiveLimit: number },
): Promise<Backend> {
  const [program, ...parameters] = await commandOf(kind);
  const child = spawn(program as string, parameters, { stdio: ['pipe', 'pipe', 'inherit'] });
  const { protocol, httpVersion } = UPSTREAMS[upstream];
  const schema = stubs.message('ServerCompatRequest');
  const request: ServerCompatRequest = create(schema, { protocol, httpVersion, messageReceiveLimit });
  child.stdin.end(encodeMessage(schema, request));
  const { host, port } = await readMessage(child.stdout, stubs.message('ServerCompatResponse'));
  return { host, port, close: () => stop(child) };
}

async function commandOf(kind: BackendKind): Promise<string[]> {
  switch (kind) {
    case 'connect-go':
      return [await goTool('referenceserver')];
    case 'grpc-go':
      return [await goTool('grpcserver')];
    case 'kit':
      return [process.execPath, join(import.meta.dirname, '../server/main.ts')];
    default:
      return kind satisfies never;
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
