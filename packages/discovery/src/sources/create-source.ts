import type { Clock } from '@bascule/core';
import type { Source, SourceChange, SourceListener, SourceStatus } from '../source.ts';
import { createBackoff, FULL_JITTER, waitFor } from '../waiting.ts';
import type { Feed, SourceDriver } from './feed.ts';
import { createToldSet } from './told-set.ts';

/** On average; thousands lose a registry that restarts in the same moment. */
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 5_000;
/** A system that answers and fails at once, again and again, must not be asked as often as one that was lost once. */
const STEADY_MS = 5_000;
/** Distinct warnings remembered; beyond them the oldest may be said again. */
const MAX_WARNINGS = 256;

export interface CreateSourceOptions {
  readonly driver: SourceDriver;
  readonly clock: Clock;
  /** Descriptors known from before, by digest. */
  readonly schemas?: ReadonlyMap<string, Uint8Array>;
}

/** Keeps a driver's sessions going, with jittered backoff between them, and makes changes of what they tell. */
export function createSource(options: CreateSourceOptions): Source {
  const { driver, clock } = options;
  const told = createToldSet(clock);
  const schemas = new Map(options.schemas);
  const closing = new AbortController();
  const backoff = createBackoff(clock, FIRST_RETRY_MS, MAX_RETRY_MS, FULL_JITTER);
  const warned = new Set<string>();
  let wanted: ReadonlySet<string> = told.digests();
  let status: SourceStatus = { state: 'connecting', sinceMs: clock.wallMs() };
  let listener: SourceListener | undefined;
  let following: Promise<void> = Promise.resolve();

  function setStatus(state: SourceStatus['state'], error?: string): void {
    if (status.state === state && status.error === error) return;
    const sinceMs = status.state === state ? status.sinceMs : clock.wallMs();
    status = error === undefined ? { state, sinceMs } : { state, sinceMs, error };
    listener?.status(status);
  }

  function tell(changes: readonly SourceChange[]): void {
    if (changes.length === 0) return;
    if (wanted !== told.digests()) want(told.digests());
    listener?.changes(changes);
  }

  function want(digests: ReadonlySet<string>): void {
    wanted = digests;
    for (const digest of schemas.keys()) if (!wanted.has(digest)) schemas.delete(digest);
    driver.wantSchemas?.(wanted);
  }

  function warn(message: string): void {
    if (warned.has(message)) return;
    if (warned.size >= MAX_WARNINGS) warned.delete(warned.values().next().value as string);
    warned.add(message);
    listener?.warning(message);
  }

  /** A session's last words may come after its end, or after `close`: they are not heard. */
  function createFeed(isOver: () => boolean): Feed {
    const hear = (changes: () => SourceChange[]): void => {
      if (!isOver()) tell(changes());
    };
    function connected(): void {
      if (!isOver()) setStatus('connected');
    }
    return {
      connected,
      answer(answer) {
        hear(() => told.answer(answer));
        connected();
      },
      put: (endpoint) => hear(() => told.put(endpoint)),
      remove: (key, cause) => hear(() => told.remove(key, cause)),
      removeInstance: (instanceId, cause) => hear(() => told.removeInstance(instanceId, cause)),
      load(key, utilization) {
        if (!isOver()) listener?.load?.(key, utilization);
      },
      warning: warn,
      schema(digest, schema) {
        // Whoever named it may have left while it was fetched.
        if (!wanted.has(digest)) return;
        schemas.set(digest, schema);
        listener?.schema(digest, schema);
      },
    };
  }

  /** Returns why the session ended. */
  async function runSession(): Promise<string> {
    let isOver = false;
    const session = new AbortController();
    const end = (): void => session.abort();
    closing.signal.addEventListener('abort', end);
    try {
      await driver.follow(
        createFeed(() => isOver || closing.signal.aborted),
        session.signal,
      );
      return 'the source ended the watch';
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      isOver = true;
      closing.signal.removeEventListener('abort', end);
      end();
    }
  }

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      const startedMs = clock.nowMs();
      const why = await runSession();
      if (closing.signal.aborted) return;
      if (status.state === 'connected' && clock.nowMs() - startedMs >= STEADY_MS) backoff.reset();
      setStatus('stale', why);
      await waitFor(clock, backoff.next(), closing.signal);
    }
  }

  let ending: Promise<void> | undefined;
  async function end(): Promise<void> {
    listener = undefined;
    closing.abort();
    await following;
    await driver.close();
  }

  return {
    start(given, known = []) {
      if (closing.signal.aborted) return;
      listener = given;
      told.remember(known);
      if (wanted !== told.digests()) want(told.digests());
      listener.status(status);
      following = run();
    },
    status: () => status,
    schemaFor: (digest) => schemas.get(digest),
    close: () => (ending ??= end()),
  };
}
