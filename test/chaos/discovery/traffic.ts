import { Code, ConnectError } from '@connectrpc/connect';
import { createCallers } from '../callers.ts';
import { pause, type Chance } from '../chance.ts';
import type { Plan, Word } from '../schema.ts';

/** One call through the gateway. */
export interface Call {
  readonly id: number;
  readonly method: (typeof METHODS)[number];
  readonly startedMs: number;
  readonly endedMs: number;
  /** Why it is lost: how it failed, or what is wrong with its answer. Undefined for one that was served. */
  readonly fault: string | undefined;
  readonly code: Code | undefined;
  /** Who answered, as the gateway exposes it; empty when it did not say. */
  readonly instanceId: string;
  readonly attempts: number;
}

/** Callers in closed loops over every dialect, and the judge of what they get. */
export interface Traffic {
  readonly calls: readonly Call[];
  /** Begins, or goes on at another gateway. */
  start(baseUrl: string): void;
  /** Resolves when the last call has ended. */
  stop(): Promise<void>;
  /** Resolves when so many more have ended that were begun after now. */
  more(count: number): Promise<void>;
  /** Ids of the calls that have begun and not ended. */
  open(): ReadonlySet<number>;
}

/** Twice each: half of the calls are single ones, half of those must not be repeated. */
const METHODS = ['get', 'get', 'do', 'do', 'watch', 'put'] as const;
const LOOPS = 8;
const DEADLINE_MS = 12_000;
/** A call that takes longer than its deadline and this is lost, whatever comes then. */
const LATE_MS = 1_000;

type Caller = ReturnType<typeof createCallers>[number];
type Tell = (header: Headers) => void;

export function createTraffic(chance: Chance): Traffic {
  const calls: Call[] = [];
  const open = new Set<number>();
  let lastId = 0;
  let running:
    | { readonly stop: AbortController; readonly loops: Promise<void>; readonly callers: Caller[] }
    | undefined;

  async function callOnce(caller: Caller, own: Chance): Promise<void> {
    const id = ++lastId;
    const method = own.pick(METHODS);
    const startedMs = performance.now();
    let [instanceId, attempts] = ['', 1];
    const tell: Tell = (header) => {
      instanceId = header.get('bascule-endpoint') ?? instanceId;
      attempts = Number(header.get('bascule-attempts') ?? attempts);
    };
    open.add(id);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve('it hangs beyond its deadline'), DEADLINE_MS + LATE_MS);
    });
    let [fault, code]: [string | undefined, Code | undefined] = [undefined, undefined];
    try {
      fault = await Promise.race([late, make(caller, id, method, own, tell)]);
    } catch (error) {
      const failure = ConnectError.from(error);
      tell(failure.metadata);
      [fault, code] = [`${Code[failure.code]} ${failure.rawMessage}`, failure.code];
    }
    clearTimeout(timer);
    open.delete(id);
    const endedMs = performance.now();
    const words = `${method} ${id} (${caller.name}, ${attempts} tries, the last at ${instanceId || 'nobody'}, `;
    const told = fault === undefined ? undefined : `${words}${Math.round(endedMs - startedMs)} ms): ${fault}`;
    calls.push({ id, method, startedMs, endedMs, fault: told, code, instanceId, attempts });
  }

  async function loop(callers: readonly Caller[], own: Chance, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await callOnce(own.pick(callers), own);
      await pause(20 + own.int(80), signal);
    }
  }

  return {
    calls,
    start(baseUrl) {
      const stop = new AbortController();
      const callers = createCallers(baseUrl);
      const loops = Array.from({ length: LOOPS }, () => loop(callers, chance.fork(), stop.signal));
      running = { stop, callers, loops: Promise.all(loops).then(() => undefined) };
    },
    async stop() {
      running?.stop.abort();
      await running?.loops;
      for (const caller of running?.callers ?? []) caller.close();
      running = undefined;
    },
    async more(count) {
      const from = lastId;
      const ended = (): number => calls.filter(({ id }) => id > from).length;
      while (ended() < count) await pause(10);
    },
    open: () => open,
  };
}

/** Makes a call and judges its answer. Rejects as the call does. */
async function make(caller: Caller, id: number, method: Call['method'], own: Chance, onHeader: Tell) {
  const { client } = caller;
  const options = { timeoutMs: DEADLINE_MS, onHeader };
  const count = 1 + own.int(5);
  const plan = (seq: number): { value: string } => {
    return { value: JSON.stringify({ id, method, count, seq, pad: '', caller: caller.name } satisfies Plan) };
  };
  const judge = ({ value }: { value: string }, seq: number): string | undefined => {
    const word = JSON.parse(value) as Word;
    return word.id === id && word.seq === seq ? undefined : `got word ${word.seq} of call ${word.id}`;
  };
  if (method === 'get') return judge(await client.get(plan(0), options), 0);
  if (method === 'do') return judge(await client.do(plan(0), options), 0);
  if (method === 'put') {
    const messages = Array.from({ length: count }, (_, seq) => plan(seq));
    return judge(await client.put(toStream(messages), options), count);
  }
  let seq = 0;
  for await (const message of client.watch(plan(0), options)) {
    const fault = judge(message, seq++);
    if (fault !== undefined) return fault;
  }
  return seq === count ? undefined : `ended in order after ${seq} of ${count} words`;
}

async function* toStream<T>(messages: readonly T[]): AsyncGenerator<T> {
  yield* messages;
}
