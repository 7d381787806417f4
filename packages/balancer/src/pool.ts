import { endpointKey, type Change, type Endpoint, type Link } from '@bascule/core';
import { Census } from './census.ts';
import type { Ledger } from './lease.ts';
import { Member, type MemberView } from './member.ts';
import { chooseUsed, type UsePolicy } from './used-members.ts';
import { Ways } from './ways.ts';

export interface PoolOptions {
  readonly ledger: Ledger;
  connect(endpoint: Endpoint): Link;
  onDrained?(key: string): void;
  /** Who is there, or who can take calls, has changed. */
  onChange(): void;
}

/** Members and their links. */
export class Pool {
  readonly listeners: (() => void)[] = [];
  readonly census: Census;
  readonly #options: PoolOptions;
  readonly #members = new Map<string, Member>();
  /** Newest incarnation by instance id. */
  readonly #byId = new Map<string, Member>();
  readonly #ways: Ways;
  #use: UsePolicy = {};
  /** Some may be without a way. */
  #isPartial = false;
  #unused = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.census = new Census(options.ledger.clock);
    this.#ways = new Ways({
      ledger: options.ledger,
      census: this.census,
      connect: (endpoint) => options.connect(endpoint),
      onDrained: ({ key }) => {
        if (!this.#members.has(key)) options.onDrained?.(key);
      },
      onReadyChange: (ready) => {
        options.onChange();
        if (ready) this.tell();
      },
    });
  }

  /** Those that a way is opened to. */
  get size(): number {
    return this.#members.size - this.#unused;
  }

  /** Those that a way is opened to: the others are none of this process' business. */
  used(): Member[] {
    return [...this.#members.values()].filter(({ unusedBecause }) => unusedBecause === '');
  }

  members(): MapIterator<Member> {
    return this.#members.values();
  }

  byKey(key: string): Member | undefined {
    return this.#members.get(key);
  }

  byId(instanceId: string): Member | undefined {
    return this.#byId.get(instanceId);
  }

  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.type === 'remove') this.#remove(change.key);
      else this.#put(change.endpoint);
    }
    this.#openUsed();
    this.#changed();
  }

  /** Which of the members a way is opened to. */
  configure(use: UsePolicy): void {
    const isSame = use.subset === this.#use.subset && use.maxConnections === this.#use.maxConnections;
    this.#use = use;
    if (isSame) return;
    for (const member of this.#members.values()) {
      member.unusedBecause = '';
      member.share = 1;
    }
    this.#openUsed();
    this.#changed();
  }

  /** Outlier detection has changed its mind of a member. */
  judgeAnew(member: Member): void {
    this.census.judge(member);
    this.#changed();
  }

  views(): MemberView[] {
    return [...this.#members.values(), ...this.#ways.leaving()].map((member) => member.view());
  }

  async close(): Promise<void> {
    for (const key of this.#members.keys()) this.#remove(key);
    this.#options.onChange();
    await this.#ways.closed();
  }

  destroy(): void {
    this.#ways.destroy();
    for (const member of this.#members.values()) member.link?.destroy();
  }

  /** Tells who waits that somebody may be able to take a call. */
  tell(): void {
    for (const listener of this.listeners) listener();
  }

  #changed(): void {
    this.#options.onChange();
    if (this.census.lendable > 0) this.tell();
  }

  #put(endpoint: Endpoint): void {
    const key = endpointKey(endpoint);
    const member = this.#members.get(key);
    if (member === undefined) {
      const added = new Member(key, endpoint, this.#options.ledger);
      // First the link: a connect that throws then leaves no member without one.
      if (!isChosen(this.#use)) this.#ways.open(added);
      this.#members.set(key, added);
      const other = this.#byId.get(added.id);
      if (other === undefined || other.endpoint.incarnation < endpoint.incarnation) this.#byId.set(added.id, added);
      return;
    }
    const before = member.endpoint;
    member.endpoint = endpoint;
    if (before.health === 'failing' && (endpoint.health ?? 'healthy') === 'healthy') {
      this.#options.ledger.detector.checkPassed(member);
    }
    if (!isSameAddress(before, endpoint)) this.#ways.replace(member);
    this.census.judge(member);
  }

  #remove(key: string): void {
    const member = this.#members.get(key);
    if (member === undefined) return;
    this.#members.delete(key);
    if (this.#byId.get(member.id) === member) this.#byId.delete(member.id);
    this.#ways.leave(member);
  }

  /** Opens and closes ways where not all members get one. */
  #openUsed(): void {
    const isPartial = isChosen(this.#use);
    if (!isPartial && !this.#isPartial) return;
    this.#isPartial = isPartial;
    chooseUsed([...this.#members.values()], this.#use);
    this.#unused = 0;
    for (const member of this.#members.values()) {
      if (member.unusedBecause !== '') {
        this.#unused++;
        this.#ways.shut(member);
      } else if (member.link === undefined) this.#ways.open(member);
    }
  }
}

function isChosen({ subset, maxConnections }: UsePolicy): boolean {
  return subset !== undefined || maxConnections !== undefined;
}

function isSameAddress(a: Endpoint, b: Endpoint): boolean {
  return a.host === b.host && a.port === b.port && a.protocol === b.protocol && a.tls === b.tls;
}
