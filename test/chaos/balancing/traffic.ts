import { Code, ConnectError } from '@connectrpc/connect';
import { createCallers } from '../callers.ts';
import { createChance, pause, type Chance } from '../chance.ts';
import type { Plan, Word } from '../schema.ts';

/** One call through the gateway, with how it ended. */
export interface Call {
  readonly id: number;
  readonly method: (typeof METHODS)[number];
  readonly startedMs: number;
  readonly endedMs: number;
  readonly end: 'ok' | 'error' | 'cancelled';
  /** How it failed, or what is wrong with its answer; empty for what ended as it should. */
  readonly fault: string;
  readonly code: Code | undefined;
  /** Who answered, as the gateway exposes it; empty when it did not say. */
  readonly instanceId: string;
  readonly attempts: number;
}

/** Callers in closed loops over every dialect. */
export interface Traffic {
  readonly calls: readonly Call[];
  begun(): number;
  /** Resolves when the last call has ended. */
  stop(): Promise<void>;
}

/** Half of the calls are single ones, half of those must not be repeated. */
const METHODS = ['get', 'get', 'do', 'do', 'watch', 'put'] as const;
const LOOPS = 16;
const DEADLINE_MS = 12_000;
/** A call that takes longer than its deadline and this hangs, whatever comes then. */
const LATE_MS = 1_500;
const CANCELLED_SHARE = 0.08;
const WARM_UPS = 20;

type Caller = ReturnType<typeof createCallers>[number];

/** Resolves when every caller has been answered once, and calls come. */
export async function startTraffic(baseUrl: string, chance: Chance): Promise<Traffic> {
  const calls: Call[] = [];
  const callers = createCallers(baseUrl);
  await Promise.all(callers.map(warmUp));
  const stopping = new AbortController();
  let lastId = 0;

  async function callOnce(caller: Caller, own: Chance): Promise<void> {
    const id = ++lastId;
    const method = own.pick(METHODS);
    const leaving = new AbortController();
    const leaves = own.chance(CANCELLED_SHARE);
    const leaver = leaves ? setTimeout(() => leaving.abort(), own.int(60)) : undefined;
    let [instanceId, attempts] = ['', 1];
    const onHeader = (header: Headers): void => {
      instanceId = header.get('bascule-endpoint') ?? instanceId;
      attempts = Number(header.get('bascule-attempts') ?? attempts);
    };
    let late: NodeJS.Timeout | undefined;
    const hanging = new Promise<string>((resolve) => {
      late = setTimeout(() => resolve('it hangs beyond its deadline'), DEADLINE_MS + LATE_MS);
    });
    const startedMs = performance.now();
    const options = { timeoutMs: DEADLINE_MS, signal: leaving.signal, onHeader };
    let end: Call['end'] = 'ok';
    let [fault, code]: [string, Code | undefined] = ['', undefined];
    try {
      fault = await Promise.race([hanging, make(caller, { id, method, own, options })]);
      if (fault !== '') end = 'error';
    } catch (error) {
      const failure = ConnectError.from(error);
      onHeader(failure.metadata);
      code = failure.code;
      end = leaving.signal.aborted ? 'cancelled' : 'error';
      if (end === 'error') fault = `${Code[failure.code]} ${failure.rawMessage}`;
    }
    clearTimeout(late);
    clearTimeout(leaver);
    const endedMs = performance.now();
    const about = `${method} ${id} (${caller.name}, ${attempts} tries, the last at ${instanceId || 'nobody'}, `;
    const told = fault === '' ? '' : `${about}${Math.round(endedMs - startedMs)} ms): ${fault}`;
    calls.push({ id, method, startedMs, endedMs, end, fault: told, code, instanceId, attempts });
  }

  async function loop(own: Chance): Promise<void> {
    while (!stopping.signal.aborted) {
      await callOnce(own.pick(callers), own);
      await pause(10 + own.int(50), stopping.signal);
    }
  }

  const loops = Promise.all(Array.from({ length: LOOPS }, () => loop(chance.fork())));
  return {
    calls,
    begun: () => lastId,
    async stop() {
      stopping.abort();
      await loops;
      for (const caller of callers) caller.close();
    },
  };
}

/** On a starved machine a caller may take longer than it allows itself to connect: that is not what is tested here. */
async function warmUp(caller: Caller): Promise<void> {
  const own = createChance(1);
  const options = { timeoutMs: DEADLINE_MS, signal: new AbortController().signal, onHeader: () => undefined };
  for (let attempt = 1; ; attempt++) {
    try {
      await make(caller, { id: 0, method: 'get', own, options });
      return;
    } catch (error) {
      if (attempt === WARM_UPS) throw error;
      await pause(100);
    }
  }
}

interface Making {
  readonly id: number;
  readonly method: Call['method'];
  readonly own: Chance;
  readonly options: { readonly timeoutMs: number; readonly signal: AbortSignal; onHeader(header: Headers): void };
}

/** Makes a call and says what is wrong with its answer; empty is nothing. Rejects as the call does. */
async function make({ client, name }: Caller, { id, method, own, options }: Making): Promise<string> {
  const count = 1 + own.int(5);
  const plan = (seq: number): { value: string } => {
    return { value: JSON.stringify({ id, method, count, seq, pad: '', caller: name } satisfies Plan) };
  };
  const judge = ({ value }: { value: string }, seq: number): string => {
    const word = JSON.parse(value) as Word;
    return word.id === id && word.seq === seq ? '' : `got word ${word.seq} of call ${word.id}`;
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
    if (fault !== '') return fault;
  }
  return seq === count ? '' : `ended in order after ${seq} of ${count} words`;
}

async function* toStream<T>(messages: readonly T[]): AsyncGenerator<T> {
  yield* messages;
}
