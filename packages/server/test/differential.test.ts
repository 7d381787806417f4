import { create, type DescMethodStreaming, type DescMethodUnary } from '@bufbuild/protobuf';
import { Code, type Transport } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { KindsService, NoteSchema, type Note } from './differential/kinds.ts';
import { errorFacts, type Seen } from './differential/seen-routes.ts';
import { startConnectNode, startServe, WAYS, type Subject, type Way } from './differential/servers.ts';

/**
 * What differs from connect-node 2.2, said once; the README has the same list. Everything else that a handler, an
 * interceptor or a client can see of the calls below must be equal.
 */
const DIFFERENCES = {
  /** Fields of a connection are its own: they do not reach handlers. */
  requestFields: ['connection', 'transfer-encoding'],
  /** What connect-node's objects hold beside what their types say. */
  keys: ['abort', 'contextValues', 'impl', 'kind', 'requestSignal', 'shutdownSignal'],
  /**
   * Why a signal is aborted when the caller leaves, or when what the handler gave cannot be written: there an AbortError,
   * an error of Node's or a ConnectError, by protocol and HTTP version; here always a ConnectError.
   */
  reasonsOf: ['wait', 'endless', 'bad output'],
  /** An error before the first message comes without a head where the handler has set none (Trailers-Only). */
  headOfErrors: true,
  /** In what words a caller is refused whose message is too large to be kept. */
  textsOf: [Code.ResourceExhausted],
};

/** What a call does: the method, what is sent, and what the client does meanwhile. */
interface Case {
  readonly method: string;
  readonly texts: readonly string[];
  readonly timeoutMs?: number;
  /** The client gives up after so many messages. */
  readonly leaveAfter?: number;
}

const UNARY = [
  'hello',
  'fields',
  'connect error',
  'plain error',
  'thrown text',
  'own code',
  'bad output',
  'x'.repeat(5_000),
];
const CASES: readonly Case[] = [
  ...UNARY.map((text) => ({ method: 'unary', texts: [text] })),
  ...['hello', 'connect error'].map((text) => ({ method: 'get', texts: [text] })),
  { method: 'unary', texts: ['wait'], timeoutMs: 150 },
  { method: 'unary', texts: ['hello'], timeoutMs: 60_000 },
  { method: 'unary', texts: ['x'.repeat(100_001)] },
  ...[...UNARY, 'nothing', 'late error'].map((text) => ({ method: 'server', texts: [text] })),
  { method: 'server', texts: ['wait'], timeoutMs: 150 },
  { method: 'server', texts: ['endless'], leaveAfter: 3 },
  ...UNARY.map((text) => ({ method: 'client', texts: [text, 'b', 'c'] })),
  { method: 'client', texts: [] },
  { method: 'client', texts: ['stop reading'] },
  { method: 'client', texts: ['x'.repeat(100_001)] },
  ...UNARY.map((text) => ({ method: 'bidi', texts: ['a', text, 'c'] })),
  { method: 'bidi', texts: [] },
];

describe.each([
  ['without interceptors', false],
  ['with an interceptor', true],
])('serve and connect-node, %s', (_, isIntercepted) => {
  let subjects: readonly [Subject, Subject];
  beforeAll(async () => {
    // connect-node prints what callers do to it.
    vi.spyOn(console, 'error').mockImplementation(() => {});
    subjects = await Promise.all([startConnectNode(isIntercepted), startServe(isIntercepted)]);
  });
  afterAll(async () => {
    await Promise.all(subjects.map((subject) => subject.close()));
    vi.restoreAllMocks();
  });

  describe.each(WAYS.map((way) => [way.name, way] as const))('over %s', (_, way) => {
    const cases = CASES.filter(({ method }) => method !== 'bidi' || way.httpVersion === '2');
    it.each(cases.map((each) => [titleOf(each), each] as const))('show the same of %s', async (_, each) => {
      const [theirs, ours] = await Promise.all(subjects.map((subject) => observe(subject, way, each)));
      expect(ours).toEqual(theirs);
    });
  });
});

function titleOf({ method, texts, timeoutMs }: Case): string {
  const text = texts.map((each) => (each.length > 50 ? `${each.length} characters` : each)).join(', ');
  return `${method}(${text})${timeoutMs === undefined ? '' : ` within ${timeoutMs} ms`}`;
}

/** Makes the call, and tells all that was seen on both sides. */
async function observe(subject: Subject, way: Way, each: Case) {
  subject.seen.length = 0;
  const connection = way.open(subject.port(way.httpVersion));
  try {
    const client = await callAs(connection.transport, each);
    await expect.poll(() => hasEnded(subject.seen)).toBe(true);
    return { client: comparableAnswer(client), seen: subject.seen.map((facts) => comparableFacts(facts, each)) };
  } finally {
    connection.close();
  }
}

/** The signal of a call is aborted in the end whatever happened, and each interceptor sees an end. */
function hasEnded(seen: Seen): boolean {
  const count = (start: string): number => seen.filter(({ what }) => String(what).startsWith(start)).length;
  return (
    count('signal') === count('handler') - count('handler left') &&
    count('interceptor before') === count('interceptor after') + count('interceptor caught')
  );
}

async function callAs(transport: Transport, { method, texts, timeoutMs, leaveAfter }: Case) {
  const desc = KindsService.method[method] as DescMethodUnary | DescMethodStreaming;
  const header = { 'x-sent': 'one', 'x-sent-bin': 'AAEC', 'user-agent': 'differential' };
  const notes = texts.map((text) => create(NoteSchema, { text, blob: Uint8Array.of(9) }));
  const messages: unknown[] = [];
  const facts: Record<'messages' | 'header' | 'trailer', unknown> & { error: object | undefined } = {
    messages,
    header: undefined,
    trailer: undefined,
    error: undefined,
  };
  const abort = new AbortController();
  try {
    if (desc.methodKind === 'unary') {
      const response = await transport.unary(desc, abort.signal, timeoutMs, header, notes[0] as never);
      messages.push(toPlain(response.message));
      Object.assign(facts, { header: own(response.header), trailer: own(response.trailer) });
    } else {
      const response = await transport.stream(desc, abort.signal, timeoutMs, header, send(notes as never[]));
      facts.header = own(response.header);
      for await (const message of response.message) {
        messages.push(toPlain(message));
        if (messages.length === leaveAfter) abort.abort();
      }
      facts.trailer = own(response.trailer);
    }
  } catch (error) {
    facts.error = errorFacts(error) as object;
  }
  return facts;
}

async function* send<T>(messages: readonly T[]): AsyncGenerator<T> {
  yield* messages;
}

function toPlain(message: unknown): unknown {
  const { text, count, blob } = message as Note;
  return { text, count, blob: [...blob] };
}

function own(headers: Headers): unknown {
  return [...headers].filter(([name]) => name.startsWith('x-'));
}

function comparableAnswer(answer: Awaited<ReturnType<typeof callAs>>) {
  const { header, error } = answer;
  if (error === undefined) return answer;
  const { code } = error as { code?: string };
  const isRefused = DIFFERENCES.textsOf.some((each) => Code[each] === code);
  return {
    ...answer,
    header: DIFFERENCES.headOfErrors ? (header ?? []) : header,
    error: isRefused ? { ...error, message: 'too large' } : error,
  };
}

function comparableFacts(facts: Seen[number], { texts }: Case): Seen[number] {
  const comparable = { ...facts };
  if (texts.some((text) => DIFFERENCES.reasonsOf.includes(text))) {
    for (const name of ['reason', 'error']) if (name in facts) comparable[name] = 'some reason';
  }
  if ('keys' in facts) comparable['keys'] = withoutInternals(facts['keys'] as string[]);
  if ('requestHeader' in facts) comparable['requestHeader'] = withoutHop(facts['requestHeader']);
  if (facts['what'] === 'interceptor before') comparable['header'] = withoutHop(facts['header']);
  return comparable;
}

function withoutInternals(keys: readonly string[]): string[] {
  return keys.filter((key) => !DIFFERENCES.keys.includes(key));
}

function withoutHop(headers: unknown): unknown {
  return (headers as [string, string][])
    .filter(([name]) => !DIFFERENCES.requestFields.includes(name))
    .map(([name, value]) => [name, name === 'host' ? value.replace(/\d+$/, 'PORT') : value]);
}
