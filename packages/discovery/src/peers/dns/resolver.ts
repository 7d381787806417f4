import type { Clock } from '@bascule/core';
import { exchange, type DnsServer } from './exchange.ts';
import { type DnsQuestion, type DnsRecord, type DnsResponse } from './message.ts';
import type { DnsServers } from './servers.ts';

/** What became of a question. */
export type Lookup =
  | {
      readonly found: 'records';
      /** Never empty, of the type that was asked for. */
      readonly records: readonly DnsRecord[];
      readonly additionals: readonly DnsRecord[];
      readonly ttlSeconds: number;
    }
  /** `no-name`: there is no such name (NXDOMAIN). `no-data`: there is, with records of other types only. */
  | { readonly found: 'no-name' | 'no-data'; readonly ttlSeconds: number };

/** Asks servers, the way a stub resolver does (RFC 1034, 5.3.1). It remembers no answers: who asks knows their TTL. */
export interface DnsResolver {
  /** Follows aliases. Throws, with words, when no server gives an answer to rely on. */
  lookup(question: DnsQuestion, signal: AbortSignal): Promise<Lookup>;
}

export interface DnsResolverOptions {
  readonly clock: Clock;
  /** Asked for before each question, since the machine's may change. */
  readonly servers: () => Promise<DnsServers>;
}

const MAX_ALIASES = 8;
/** Where an answer that there is nothing does not say for how long. */
const NEGATIVE_TTL_SECONDS = 5;
/** Answers that another server could not make better. All others are failures of the one that was asked. */
const FINAL: ReadonlySet<string> = new Set(['NOERROR', 'NXDOMAIN']);

export function createDnsResolver({ clock, servers }: DnsResolverOptions): DnsResolver {
  /** Who answered last is asked first, so that a dead server costs its time once. */
  let trusted = '';

  async function ask(question: DnsQuestion, signal: AbortSignal): Promise<DnsResponse> {
    const { servers: all, timeoutMs, attempts } = await servers();
    const inOrder = all.toSorted((a, b) => Number(show(b) === trusted) - Number(show(a) === trusted));
    const failures = new Set<string>();
    for (let attempt = 0; attempt < attempts; attempt++) {
      for (const server of inOrder) {
        try {
          const response = await exchange(server, question, { clock, timeoutMs, signal });
          const failure = failureOf(response);
          if (failure === undefined) {
            trusted = show(server);
            return response;
          }
          failures.add(`${show(server)}: ${failure}`);
        } catch (error) {
          if (signal.aborted) throw signal.reason;
          failures.add(`${show(server)}: ${(error as Error).message}`);
        }
      }
    }
    throw new Error(`${question.type} of ${question.name}: ${[...failures].join('; ')}`);
  }

  async function lookup(question: DnsQuestion, signal: AbortSignal): Promise<Lookup> {
    const names = new Set([question.name]);
    let { name } = question;
    let ttlSeconds = Infinity;
    for (;;) {
      const response = await ask({ ...question, name }, signal);
      const asked = name;
      for (let alias = aliasOf(response, name); alias !== undefined; alias = aliasOf(response, name)) {
        name = alias.target;
        ttlSeconds = Math.min(ttlSeconds, alias.ttlSeconds);
        if (names.has(name) || names.size > MAX_ALIASES) {
          throw new Error(
            `${question.type} of ${question.name}: its aliases lead in a circle, or further than ${MAX_ALIASES}`,
          );
        }
        names.add(name);
      }
      const end = name;
      const records = response.answers.filter((record) => record.type === question.type && record.name === end);
      if (records.length > 0) {
        ttlSeconds = Math.min(ttlSeconds, ...ttlsOf(records));
        return { found: 'records', records, additionals: response.additionals, ttlSeconds };
      }
      const found = response.code === 'NXDOMAIN' ? 'no-name' : 'no-data';
      // An alias whose end is not in the answer: the end itself must be asked for.
      if (found === 'no-name' || end === asked) {
        return { found, ttlSeconds: Math.min(ttlSeconds, response.negativeTtlSeconds ?? NEGATIVE_TTL_SECONDS) };
      }
    }
  }

  return { lookup };
}

function aliasOf({ answers }: DnsResponse, name: string): Extract<DnsRecord, { type: 'CNAME' }> | undefined {
  return answers.find((record) => record.type === 'CNAME' && record.name === name) as
    | Extract<DnsRecord, { type: 'CNAME' }>
    | undefined;
}

function failureOf({ code, isReferral }: DnsResponse): string | undefined {
  if (isReferral) return 'it refers to other servers: name one that resolves, or the authority of the zone';
  return FINAL.has(code) ? undefined : code;
}

/** The smallest says it all; thousands of arguments would not fit the stack. */
function ttlsOf(records: readonly DnsRecord[]): [number] {
  return [records.reduce((least, { ttlSeconds }) => Math.min(least, ttlSeconds), Infinity)];
}

function show({ host, port }: DnsServer): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
