import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { cacheFolder } from '@bascule/testing/go-tool';

/** A management server of go-control-plane in a process of its own; see test/interop/xds-go. */
export interface ManagementServer {
  readonly port: number;
  readonly address: string;
  /** What clients asked, of all its starts. */
  readonly requests: readonly XdsRequest[];
  /** All clients are told this now. Its version counts, unless it is given. */
  set(clusters: Clusters, version?: string): Promise<void>;
  pause(): void;
  resume(): void;
  kill(): Promise<void>;
  /** On the same port. It tells what it told before, unless it is `empty`: then nothing, and versions begin anew. */
  restart(options?: { readonly empty?: boolean }): Promise<void>;
  stop(): Promise<void>;
}

/** What it says of a DiscoveryRequest. */
export interface XdsRequest {
  readonly stream: number;
  readonly node: string;
  readonly type: string;
  readonly names: readonly string[];
  readonly version: string;
  readonly nonce: string;
  readonly error: string;
}

export type Clusters = Readonly<Record<string, readonly XdsLocality[]>>;

export interface XdsLocality {
  readonly region?: string;
  readonly zone?: string;
  readonly priority?: number;
  readonly endpoints: readonly XdsEndpoint[];
}

export interface XdsEndpoint {
  readonly address?: string;
  readonly port?: number;
  /** In place of address and port. */
  readonly pipe?: string;
  readonly weight?: number;
  readonly health?: 'UNKNOWN' | 'HEALTHY' | 'UNHEALTHY' | 'DRAINING' | 'TIMEOUT' | 'DEGRADED';
  readonly metadata?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Who wants it twice at once waits for the one build. */
let building: Promise<string> | undefined;

async function build(): Promise<string> {
  await mkdir(cacheFolder(), { recursive: true });
  const program = join(cacheFolder(), 'xds-management-server');
  const cwd = join(import.meta.dirname, '../../../../../test/interop/xds-go');
  // Others may build it, or run it, at the same time.
  const part = `${program}.${randomUUID()}`;
  await promisify(execFile)('go', ['build', '-o', part, '.'], { cwd });
  await rename(part, program);
  return program;
}

/** Builds it where that has not been done. With a token, only those who show it are served. */
export async function startManagementServer({ token }: { token?: string } = {}): Promise<ManagementServer> {
  const program = await (building ??= build());
  const requests: XdsRequest[] = [];
  let child: ChildProcess | undefined;
  let port = 0;
  let told: { readonly version: string; readonly clusters: Clusters } | undefined;
  let version = 0;
  let waiting: { resolve(line: Said): void; reject(error: Error): void } | undefined;

  interface Said {
    readonly port?: number;
    readonly set?: string;
    readonly request?: XdsRequest;
  }

  /** The next line that is no request. */
  function next(): Promise<Said> {
    return new Promise((resolve, reject) => {
      waiting = { resolve, reject };
    });
  }

  async function start(): Promise<void> {
    const env = { ...process.env, ...(token !== undefined && { XDS_TOKEN: token }) };
    const started = spawn(program, [String(port)], { stdio: ['pipe', 'pipe', 'inherit'], env });
    child = started;
    started.on('exit', () => waiting?.reject(new Error('the management server has ended')));
    createInterface({ input: started.stdout }).on('line', (line) => {
      const said = JSON.parse(line) as Said;
      if (said.request !== undefined) requests.push(said.request);
      else waiting?.resolve(said);
    });
    port = (await next()).port as number;
    if (told !== undefined) await tell();
  }

  async function tell(): Promise<void> {
    const said = next();
    child?.stdin?.write(`${JSON.stringify(told)}\n`);
    await said;
  }

  async function kill(): Promise<void> {
    const ending = child;
    child = undefined;
    waiting = undefined;
    if (ending === undefined) return;
    const gone = once(ending, 'exit');
    ending.kill('SIGKILL');
    await gone;
  }

  await start();
  return {
    port,
    address: `127.0.0.1:${port}`,
    requests,
    set(clusters, given) {
      told = { version: given ?? String(++version), clusters };
      return tell();
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    kill,
    async restart({ empty = false } = {}) {
      await kill();
      if (empty) [told, version] = [undefined, 0];
      await start();
    },
    stop: kill,
  };
}
