import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serve, type Server } from '@bascule/server';
import { createClient } from '@connectrpc/connect';
import { startChild, type Child } from '../e2e/rig/child.ts';
import { connectGrpc, connectGrpcWeb } from '../e2e/rig/dialects.ts';
import { EchoService } from '../e2e/rig/echo-schema.ts';
import { makeFolder } from '../e2e/rig/folder.ts';
import { connectOperator, type Operator, type Sample } from '../e2e/rig/operator.ts';
import { pause } from '../e2e/rig/eventually.ts';

const BASCULE = 'packages/cli/bin/bascule.mjs';

/** What the backend was asked to do. */
export interface Work {
  started: number;
  running: number;
  mostRunning: number;
}

/** A gateway of its own process, with one backend, to be attacked. */
export interface Victim extends AsyncDisposable {
  readonly port: number;
  readonly operator: Operator;
  readonly work: Work;
  /** Resident memory of the gateway. */
  memoryBytes(): Promise<number>;
  openFiles(): Promise<number>;
  /** Peers cut off or refused so far, by kind. */
  abuse(): Promise<Readonly<Record<string, number>>>;
  /** Calls evenly over time until stopped; half of them gRPC-Web over HTTP/1.1, half gRPC over HTTP/2. */
  startGoodTraffic(): GoodTraffic;
}

export interface GoodTraffic {
  /** Ends it, after at least so many calls, and tells how they went. */
  stop(): Promise<{ readonly lost: readonly string[] }>;
}

const CALL_EVERY_MS = 5;
/** An attack may be over in a moment; what comes behind it counts as well. */
const LEAST_CALLS = 20;

export async function startVictim(): Promise<Victim> {
  const folder = await makeFolder();
  const work: Work = { started: 0, running: 0, mostRunning: 0 };
  const backend = await startBackend(work);
  const config = {
    discovery: {
      endpoints: [{ address: `127.0.0.1:${backend.port}`, services: [EchoService.typeName], codecs: ['json'] }],
    },
    observe: { accessLog: 'off' },
    stateDir: join(folder.path, 'state'),
  };
  const configFile = join(folder.path, 'bascule.yaml');
  await writeFile(configFile, JSON.stringify(config));
  const ports = ['--port', '0', '--operator-port', '0'];
  const child: Child = await startChild([
    BASCULE,
    'gateway',
    '--config',
    configFile,
    ...ports,
    '--json',
    '--exit-with-stdin',
  ]);
  const { api, operator: operatorUrl, stateDir } = child.said as { api: string; operator: string; stateDir: string };
  const operator = connectOperator(operatorUrl, (await readFile(join(stateDir, 'token'), 'utf8')).trim());
  const status = (): Promise<string> => readFile(`/proc/${child.pid}/status`, 'utf8');
  return {
    port: Number(new URL(api).port),
    operator,
    work,
    memoryBytes: async () => Number(/VmRSS:\s+(\d+)/.exec(await status())?.[1]) * 1024,
    openFiles: async () => Number(/FDSize:\s+(\d+)/.exec(await status())?.[1]),
    abuse: async () => toCounts(await operator.metrics()),
    startGoodTraffic: () => startGoodTraffic(api),
    async [Symbol.asyncDispose]() {
      operator.close();
      await child.stop();
      await backend.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function toCounts(samples: readonly Sample[]): Record<string, number> {
  const counts = samples.filter(({ name }) => name === 'bascule_peer_abuse_total');
  return Object.fromEntries(counts.map(({ labels, value }) => [labels['kind'] ?? '', value]));
}

/** Answers at once, but for "hang": that takes until the caller gives up. */
function startBackend(work: Work): Promise<Server> {
  return serve({
    propagationMs: 0,
    routes: (router) => {
      router.service(EchoService, {
        async say({ value }, { signal }) {
          work.started += 1;
          work.running += 1;
          work.mostRunning = Math.max(work.mostRunning, work.running);
          try {
            if (value === 'hang' && !signal.aborted) {
              await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
            }
            return { value };
          } finally {
            work.running -= 1;
          }
        },
        async *flood({ value }) {
          for (let i = 0; i < value; i++) yield { value: new Uint8Array(65_536) };
        },
        async blob({ value }) {
          return { value };
        },
      });
    },
  });
}

function startGoodTraffic(baseUrl: string): GoodTraffic {
  const connections = [connectGrpcWeb(baseUrl), connectGrpc(baseUrl)];
  const clients = connections.map(({ transport }) => createClient(EchoService, transport));
  const lost: string[] = [];
  const open = new Set<Promise<void>>();
  let calls = 0;
  const stopping = new AbortController();

  async function callOnce(i: number): Promise<void> {
    const word = `good ${i}`;
    try {
      const answer = await clients[i % clients.length]?.say({ value: word }, { timeoutMs: 10_000 });
      if (answer?.value !== word) lost.push(`${word}: answered with ${answer?.value}`);
    } catch (error) {
      lost.push(`${word}: ${(error as Error).message}`);
    }
  }

  const running = (async () => {
    for (; !stopping.signal.aborted || calls < LEAST_CALLS; calls++) {
      const call: Promise<void> = callOnce(calls).finally(() => open.delete(call));
      open.add(call);
      await pause(CALL_EVERY_MS);
    }
    await Promise.all(open);
  })();
  return {
    async stop() {
      stopping.abort();
      await running;
      for (const connection of connections) connection[Symbol.dispose]();
      return { lost };
    },
  };
}
