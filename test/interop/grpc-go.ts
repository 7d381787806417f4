import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { cacheFolder } from '@bascule/testing/go-tool';

const run = promisify(execFile);

/** Builds the program in `go/`; quick when nothing has changed. */
export async function buildGrpcGo(): Promise<string> {
  const folder = cacheFolder();
  await mkdir(folder, { recursive: true });
  const program = join(folder, 'grpc-go-echo');
  await run('go', ['build', '-o', program, '.'], { cwd: join(import.meta.dirname, 'go') });
  return program;
}

/** What the client of grpc-go saw; see `go/main.go`. */
export async function callWithGrpcGo(program: string, port: number): Promise<unknown> {
  const { stdout } = await run(program, ['call', `127.0.0.1:${port}`]);
  return JSON.parse(stdout);
}

/** What it has to see of every server of EchoService. */
export const SEEN_BY_GRPC_GO = {
  say: 'hello',
  seenBin: '0001ff',
  zipped: 100_000,
  code: 'NotFound',
  message: 'nothing there: ü',
  deadline: 'DeadlineExceeded',
  unknown: 'Unimplemented',
  count: ['1', '2', '3'],
  join: 'a b c',
  chat: ['one', 'two'],
  cancelled: 'Canceled',
};

/** A server of grpc-go. */
export interface GrpcGoServer extends AsyncDisposable {
  readonly port: number;
  /** SIGKILL: it says goodbye to nobody. */
  kill(): void;
}

/** Where a server registers by itself, over plain gRPC. */
export interface GrpcGoRegistration {
  /** "host:port" of a registry. */
  readonly registry: string;
  readonly token: string;
  /** File with the registry's own descriptors. */
  readonly descriptors: string;
  readonly instanceId: string;
}

/** `more` are variables for it; see `go/tls.go`. */
export async function startGrpcGo(
  program: string,
  registration?: GrpcGoRegistration,
  more: Readonly<Record<string, string>> = {},
): Promise<GrpcGoServer> {
  const args =
    registration === undefined
      ? ['serve']
      : ['register', registration.registry, registration.descriptors, registration.instanceId];
  const env = { ...process.env, BASCULE_TOKEN: registration?.token ?? '', ...more };
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env });
  const exited = once(child, 'exit');
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return {
    port: (JSON.parse(line) as { port: number }).port,
    kill: () => void child.kill('SIGKILL'),
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await exited;
    },
  };
}
