import { createNodeTransport } from '@bascule/client';
import { PlacesService } from '@bascule/app-backend/gen/demo/places/v1/places_pb.ts';
import { ConnectError, createClient } from '@connectrpc/connect';
import { nowMs, wait } from '../time.ts';

/** One call through the gateway. */
export interface Call {
  readonly startedMs: number;
  readonly endedMs: number;
  /** Why it failed; undefined for one that was answered. */
  readonly fault: string | undefined;
  /** Address of who answered, and how often it was tried, as the gateway exposes it. */
  readonly endpoint: string;
  readonly attempts: number;
}

/** Callers in a closed loop. */
export interface Callers {
  /** Makes one call by itself. */
  callOnce(): Promise<Call>;
  /** Begins; each caller pauses that long between two calls. */
  start(concurrency: number, pauseMs: number): void;
  /** Ends, and says what happened since `start`. */
  stop(): Promise<readonly Call[]>;
  close(): Promise<void>;
}

/** Calls Search at a gateway over gRPC. */
export function createCallers(port: number): Callers {
  const transport = createNodeTransport({ baseUrl: `http://127.0.0.1:${port}` });
  const client = createClient(PlacesService, transport);
  let calls: Call[] = [];
  let running: { readonly ends: AbortController; readonly loops: Promise<void>[] } | undefined;

  async function callOnce(): Promise<Call> {
    const startedMs = nowMs();
    let endpoint = '';
    let attempts = 1;
    const onHeader = (header: Headers): void => {
      endpoint = header.get('bascule-endpoint') ?? '';
      attempts = Number(header.get('bascule-attempts') ?? 1);
    };
    try {
      await client.search({ query: 'lisb' }, { onHeader, timeoutMs: 5_000 });
      return { startedMs, endedMs: nowMs(), fault: undefined, endpoint, attempts };
    } catch (error) {
      return { startedMs, endedMs: nowMs(), fault: ConnectError.from(error).message, endpoint, attempts };
    }
  }

  async function loop(pauseMs: number, end: AbortSignal): Promise<void> {
    while (!end.aborted) {
      calls.push(await callOnce());
      if (pauseMs > 0) await wait(pauseMs);
    }
  }

  return {
    callOnce,
    start(concurrency, pauseMs) {
      calls = [];
      const ends = new AbortController();
      running = { ends, loops: Array.from({ length: concurrency }, () => loop(pauseMs, ends.signal)) };
    },
    async stop() {
      running?.ends.abort();
      await Promise.all(running?.loops ?? []);
      return calls;
    },
    close: () => transport.close(),
  };
}
