import { endpointKey, type Endpoint, type RemovalCause } from '@bascule/core';
import type { Verdict } from '../../src/membership/membership.ts';
import type { SourceChange } from '../../src/source.ts';

interface Word {
  readonly source: string;
  readonly order: number;
  readonly endpoint: Endpoint;
  readonly doubt: boolean;
  /** From the last known set, and not told yet. */
  readonly isOld: boolean;
}

export interface ModelMember {
  readonly endpoint: Endpoint;
  readonly presence: 'told' | 'doubted';
  readonly sources: readonly string[];
}

const EXPLICIT: readonly RemovalCause[] = ['deregistered', 'replaced', 'retired'];
const addressOf = (endpoint: Endpoint) => `${endpoint.host.toLowerCase()}:${endpoint.port}`;

/** A membership that remembers only what was said, and works everything out anew each time. Slow and plain. */
export class Model {
  private words: Word[] = [];
  private sources: { name: string; rank: number; isConnected: boolean }[] = [];
  private hidden: { key: string; by: string }[] = [];
  /** Of members, at the address where they stand. */
  private verdicts = new Map<string, { address: string; verdict: Verdict['verdict'] }>();
  private absentSince = new Map<string, number>();
  private pairs = new Set<string>();
  private order = 0;
  conflicts = 0;
  private readonly absentLimitMs: number;

  constructor(absentLimitMs: number) {
    this.absentLimitMs = absentLimitMs;
  }

  has(source: string): boolean {
    return this.sources.some(({ name }) => name === source);
  }

  join(name: string, rank: number, known: readonly Endpoint[], nowMs: number): void {
    this.sources.push({ name, rank, isConnected: false });
    for (const endpoint of known) this.say(name, endpoint, true, true);
    this.settle(nowMs);
  }

  leave(source: string, nowMs: number): void {
    this.hidden = this.hidden.filter(({ by }) => by !== source);
    this.words = this.words.filter((word) => word.source !== source);
    this.sources = this.sources.filter(({ name }) => name !== source);
    this.settle(nowMs);
  }

  status(source: string, isConnected: boolean, nowMs: number): void {
    this.sources = this.sources.map((each) => (each.name === source ? { ...each, isConnected } : each));
    this.settle(nowMs);
  }

  report(key: string, verdict: Verdict, nowMs: number): void {
    const member = this.members().get(key);
    if (member !== undefined) this.verdicts.set(key, { address: addressOf(member.endpoint), verdict: verdict.verdict });
    this.settle(nowMs);
  }

  changes(source: string, changes: readonly SourceChange[], nowMs: number): void {
    for (const change of changes) this.hear(source, change);
    this.settle(nowMs);
  }

  /** Moves time by so little that no two things fall due in between. */
  pass(nowMs: number): void {
    const due = [...this.absentSince].filter(([, sinceMs]) => sinceMs + this.absentLimitMs <= nowMs);
    for (const [address] of due) this.dropAddress(address);
    this.settle(nowMs);
  }

  private hear(source: string, change: SourceChange): void {
    if (change.type === 'doubt') {
      this.words = this.words.map((word) => {
        return word.source === source && endpointKey(word.endpoint) === change.key ? { ...word, doubt: true } : word;
      });
    } else if (change.type === 'remove') this.remove(source, change.key, change.cause);
    else {
      const { endpoint } = change;
      const key = endpointKey(endpoint);
      this.say(source, endpoint, false, false);
      if (this.hidden.some((each) => each.key === key && each.by === source)) {
        this.hidden = this.hidden.filter((each) => each.key !== key);
      }
      const older = this.words.filter((word) => {
        const { instanceId, incarnation } = word.endpoint;
        return (
          word.source === source &&
          word.isOld &&
          instanceId === endpoint.instanceId &&
          incarnation < endpoint.incarnation
        );
      });
      for (const word of older) this.remove(source, endpointKey(word.endpoint), 'replaced');
    }
  }

  private say(source: string, endpoint: Endpoint, doubt: boolean, isOld: boolean): void {
    const isSame = (word: Word) => word.source === source && endpointKey(word.endpoint) === endpointKey(endpoint);
    const order = this.words.find(isSame)?.order ?? this.order++;
    this.words = [...this.words.filter((word) => !isSame(word)), { source, endpoint, doubt, isOld, order }];
  }

  private remove(source: string, key: string, cause: RemovalCause): void {
    this.words = this.words.filter((word) => word.source !== source || endpointKey(word.endpoint) !== key);
    if (EXPLICIT.includes(cause)) this.hidden.push({ key, by: source });
    this.forgetHidden();
  }

  private forgetHidden(): void {
    this.hidden = this.hidden.filter(({ key }) => this.words.some((word) => endpointKey(word.endpoint) === key));
  }

  private rankOf(word: Word): number {
    return this.sources.find(({ name }) => name === word.source)?.rank ?? 0;
  }

  private compare(a: Word, b: Word): number {
    const joined = (word: Word) => this.sources.findIndex(({ name }) => name === word.source);
    return (
      this.rankOf(a) - this.rankOf(b) ||
      Number(a.doubt) - Number(b.doubt) ||
      b.endpoint.incarnation - a.endpoint.incarnation ||
      joined(a) - joined(b) ||
      a.order - b.order
    );
  }

  /** What counts, the best first. */
  private spoken(): Word[] {
    return this.words
      .filter((word) => !this.hidden.some(({ key }) => key === endpointKey(word.endpoint)))
      .sort((a, b) => this.compare(a, b));
  }

  /** The best word of each key, then of those the best at each address. */
  private winners(): Map<string, Word> {
    const byKey = new Map<string, Word>();
    for (const word of this.spoken().toReversed()) byKey.set(endpointKey(word.endpoint), word);
    const speakers = [...byKey.values()].sort((a, b) => this.compare(a, b));
    const byAddress = new Map<string, Word>();
    for (const word of speakers.toReversed()) byAddress.set(addressOf(word.endpoint), word);
    return byAddress;
  }

  members(): Map<string, ModelMember> {
    const spoken = this.spoken();
    return new Map(
      [...this.winners()].map(([address, word]) => {
        const all = spoken.filter(({ endpoint }) => addressOf(endpoint) === address);
        const key = endpointKey(word.endpoint);
        const verdict = this.verdictOf(key, address);
        const isOut = word.endpoint.health === 'failing' || (verdict !== 'unknown' && verdict !== 'passing');
        const { health: said, ...rest } = word.endpoint;
        const health = isOut ? 'failing' : said;
        return [
          key,
          {
            endpoint: {
              ...rest,
              priority: rest.priority + this.rankOf(word) * 65_536,
              ...(health !== undefined && { health }),
            },
            presence: all.every(({ doubt }) => doubt) ? 'doubted' : 'told',
            sources: [...new Set(all.map(({ source }) => source))],
          },
        ];
      }),
    );
  }

  private verdictOf(key: string, address: string): Verdict['verdict'] {
    const known = this.verdicts.get(key);
    return known?.address === address ? known.verdict : 'unknown';
  }

  private isAbsent(address: string): boolean {
    const all = this.spoken().filter(({ endpoint }) => addressOf(endpoint) === address);
    const isConnected = (source: string) => this.sources.some((each) => each.name === source && each.isConnected);
    return this.winners().has(address) && all.every(({ doubt, source }) => doubt && isConnected(source));
  }

  private dropAddress(address: string): void {
    const all = this.spoken().filter(({ endpoint }) => addressOf(endpoint) === address);
    this.words = this.words.filter((word) => !all.includes(word));
    this.forgetHidden();
  }

  private settle(nowMs: number): void {
    this.forgetHidden();
    for (;;) {
      const gone = [...this.winners()].find(([address, word]) => {
        return this.isAbsent(address) && this.verdictOf(endpointKey(word.endpoint), address) === 'failing';
      });
      if (gone === undefined) break;
      this.dropAddress(gone[0]);
    }
    for (const address of this.absentSince.keys()) if (!this.isAbsent(address)) this.absentSince.delete(address);
    for (const address of this.winners().keys()) {
      if (this.isAbsent(address) && !this.absentSince.has(address)) this.absentSince.set(address, nowMs);
    }
    const members = this.members();
    for (const [key, { address }] of this.verdicts) {
      const member = members.get(key);
      if (member === undefined || addressOf(member.endpoint) !== address) this.verdicts.delete(key);
    }
    this.countConflicts();
  }

  private countConflicts(): void {
    const spoken = this.spoken();
    const pairs = new Set<string>();
    const compare = (
      topic: string,
      first: Word | undefined,
      others: Word[],
      differ: (a: Endpoint, b: Endpoint) => boolean,
    ) => {
      if (first === undefined || first.doubt) return;
      for (const other of others) {
        const isOther = other.source !== first.source && !other.doubt && differ(first.endpoint, other.endpoint);
        if (isOther) pairs.add(`${topic} ${first.source} ${other.source}`);
      }
    };
    for (const key of new Set(spoken.map(({ endpoint }) => endpointKey(endpoint)))) {
      const all = spoken.filter(({ endpoint }) => endpointKey(endpoint) === key);
      compare(key, all[0], all, (a, b) => addressOf(a) !== addressOf(b));
    }
    const winners = this.winners();
    for (const address of new Set(spoken.map(({ endpoint }) => addressOf(endpoint)))) {
      const all = spoken.filter(({ endpoint }) => addressOf(endpoint) === address);
      compare(address, winners.get(address), all, (a, b) => a.weight !== b.weight);
    }
    this.conflicts += [...pairs].filter((pair) => !this.pairs.has(pair)).length;
    this.pairs = pairs;
  }
}
