import { toAddressId, type Address } from '../address.ts';
import type { DnsQuestion, DnsRecord, SrvRecord } from './message.ts';
import type { DnsResolver, Lookup } from './resolver.ts';
import { toWeights } from './weights.ts';

/** Who serves, as DNS has it. */
export interface Found extends Address {
  readonly priority: number;
  readonly weight: number;
  /** The question that found it. */
  readonly origin: string;
}

export type Resolution =
  | {
      readonly found: 'addresses';
      readonly addresses: readonly Found[];
      /** Questions without an answer to rely on, with the reason: whom they found before stays. */
      readonly failed: ReadonlyMap<string, string>;
      readonly ttlSeconds: number;
    }
  | Exclude<Lookup, { found: 'records' }>;

/** Beyond them an answer is not what it was taken for; more belong into a registry. */
const MAX_ADDRESSES = 10_000;
/** Questions under way at once, for the targets of SRV records. */
const MAX_QUESTIONS = 16;

/** Who is at a name. Throws when nothing is known of it: neither addresses nor that there are none. */
export async function resolveAddresses(
  resolver: DnsResolver,
  { name, port }: { name: string; port: number },
  signal: AbortSignal,
): Promise<Resolution> {
  const host = await resolveHost(resolver, name, signal);
  if (host.reasons.size > 0 && host.addresses.length === 0) throw new Error([...host.reasons.values()].join('; '));
  if (host.addresses.length === 0) return { found: host.found, ttlSeconds: host.ttlSeconds };
  return {
    found: 'addresses',
    addresses: host.addresses.map(({ address, origin }) => ({ host: address, port, priority: 0, weight: 1, origin })),
    failed: host.reasons,
    ttlSeconds: host.ttlSeconds,
  };
}

/** Who serves what SRV records say. Throws as {@link resolveAddresses}. */
export async function resolveService(resolver: DnsResolver, name: string, signal: AbortSignal): Promise<Resolution> {
  const lookup = await resolver.lookup({ name, type: 'SRV' }, signal);
  if (lookup.found !== 'records') return lookup;
  const records = lookup.records.filter((record): record is SrvRecord => record.type === 'SRV' && record.target !== '');
  // The one record with the target "." says that there is decidedly no such service.
  if (records.length === 0) return { found: 'no-name', ttlSeconds: lookup.ttlSeconds };
  const targets = [...new Set(records.map(({ target }) => target))];
  const known = Map.groupBy(lookup.additionals, (record) => record.name);
  const hosts = new Map<string, Host>();
  await inParts(targets, async (target) => {
    hosts.set(target, toHost(known.get(target) ?? []) ?? (await resolveHost(resolver, target, signal)));
  });
  return gather(records, hosts, lookup.ttlSeconds);
}

function gather(records: readonly SrvRecord[], hosts: ReadonlyMap<string, Host>, ttlSeconds: number): Resolution {
  const weights = toWeights(records);
  const addresses: Found[] = [];
  const failed = new Map<string, string>();
  let least = ttlSeconds;
  for (const record of records) {
    const host = hosts.get(record.target) as Host;
    least = Math.min(least, host.ttlSeconds);
    for (const [origin, reason] of host.reasons) failed.set(origin, reason);
    for (const { address, origin } of host.addresses) {
      const { port, priority } = record;
      addresses.push({ host: address, port, priority, weight: weights.get(record) ?? 1, origin });
    }
    if (addresses.length > MAX_ADDRESSES) throw new Error(`there are more than ${MAX_ADDRESSES} addresses`);
  }
  if (addresses.length === 0 && failed.size > 0) throw new Error([...failed.values()].join('; ').slice(0, 1_000));
  if (addresses.length === 0) return { found: 'no-data', ttlSeconds: least };
  return { found: 'addresses', addresses: bestOf(addresses), failed, ttlSeconds: least };
}

/** Of an address that several records name, the one that is preferred most: their order changes with every answer. */
function bestOf(addresses: readonly Found[]): Found[] {
  const best = new Map<string, Found>();
  for (const one of addresses) {
    const key = toAddressId(one);
    const other = best.get(key);
    const isBetter = other === undefined || one.priority < other.priority;
    if (isBetter || (one.priority === other.priority && one.weight > other.weight)) best.set(key, one);
  }
  return [...best.values()];
}

interface Host {
  readonly addresses: readonly { readonly address: string; readonly origin: string }[];
  /** By question, why it has no answer to rely on. */
  readonly reasons: ReadonlyMap<string, string>;
  /** Where there are no addresses. */
  readonly found: 'no-name' | 'no-data';
  readonly ttlSeconds: number;
}

/** Both kinds of addresses are asked for at once; one of them may fail. */
async function resolveHost(resolver: DnsResolver, name: string, signal: AbortSignal): Promise<Host> {
  const addresses: { address: string; origin: string }[] = [];
  const reasons = new Map<string, string>();
  let found: Host['found'] = 'no-name';
  const ttls = { records: Infinity, nothing: Infinity };
  const ask = async (type: 'A' | 'AAAA'): Promise<void> => {
    const question: DnsQuestion = { name, type };
    const origin = originOf(question);
    try {
      const lookup = await resolver.lookup(question, signal);
      const kind = lookup.found === 'records' ? 'records' : 'nothing';
      ttls[kind] = Math.min(ttls[kind], lookup.ttlSeconds);
      if (lookup.found === 'records') addresses.push(...addressesOf(lookup.records, origin));
      else if (lookup.found === 'no-data') found = 'no-data';
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      reasons.set(origin, (error as Error).message);
    }
  };
  await Promise.all([ask('A'), ask('AAAA')]);
  // For how long a kind is missing says nothing of the addresses of the other kind.
  const ttlSeconds = addresses.length > 0 ? ttls.records : ttls.nothing;
  return { addresses, reasons, found, ttlSeconds: Number.isFinite(ttlSeconds) ? ttlSeconds : 0 };
}

/** A target whose addresses came along needs no question. */
function toHost(records: readonly DnsRecord[]): Host | undefined {
  const addresses = records.flatMap((record) => addressesOf([record], `${record.type} of ${record.name}`));
  if (addresses.length === 0) return undefined;
  const ttlSeconds = Math.min(...records.map((record) => record.ttlSeconds));
  return { addresses, reasons: new Map(), found: 'no-data', ttlSeconds };
}

function addressesOf(records: readonly DnsRecord[], origin: string): { address: string; origin: string }[] {
  return records.flatMap((record) => {
    if (record.type !== 'A' && record.type !== 'AAAA') return [];
    return [{ address: record.address, origin }];
  });
}

function originOf({ type, name }: DnsQuestion): string {
  return `${type} of ${name}`;
}

async function inParts<T>(all: readonly T[], act: (one: T) => Promise<void>): Promise<void> {
  const rest = all.values();
  const work = async (): Promise<void> => {
    for (const one of rest) await act(one);
  };
  await Promise.all(Array.from({ length: MAX_QUESTIONS }, work));
}
