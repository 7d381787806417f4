import {
  endpointKey,
  type Change,
  type Clock,
  type Endpoint,
  type Lease,
  type Link,
  type RequestHead,
} from '@bascule/core';
import { Member, type MemberView } from './member.ts';
import { POLICIES, type PolicyName } from './policies/index.ts';
import { chooseGroup, createReadySet, type ReadySet } from './ready-set.ts';

export interface BalancerOptions {
  readonly policy: PolicyName;
  readonly clock: Clock;
  /** Opens a way to an endpoint. Must not throw: what cannot be reached is a link that is not ready. */
  connect(endpoint: Endpoint): Link;
  /** Told once a removed endpoint's last call has ended. Not told when the same key has come back meanwhile. */
  onDrained?(key: string): void;
}

/** Who gets a call, out of those who are there and ready. */
export interface Balancer {
  /** Obeys changes in order. Updates keep load and history; a new address gets a new link, the old one drains. */
  apply(changes: readonly Change[]): void;
  /** Lends an endpoint, or undefined if none is ready. Reads `head.call.tried`; writes nothing in the context. */
  pick(head: RequestHead): Lease | undefined;
  members(): MemberView[];
  /** Calls `listener` whenever a member has become able to take calls. */
  onReady(listener: () => void): void;
  /** Drains all; resolves when the last call has ended. No picks meanwhile. */
  close(): Promise<void>;
  /** Cuts what is still open: open calls end with `unavailable`. */
  destroy(): void;
}

/** Makes an empty balancer. */
export function createBalancer(options: BalancerOptions): Balancer {
  const pool = new Pool(options);
  const choose = POLICIES[options.policy](options.clock);
  return {
    apply: (changes) => pool.apply(changes),
    pick(head) {
      const group = chooseGroup(pool.ready(), head.call.tried);
      return group === undefined ? undefined : choose(group).lend();
    },
    members: () => pool.views(),
    onReady: (listener) => void pool.listeners.push(listener),
    close: () => pool.close(),
    destroy: () => pool.destroy(),
  };
}

/** Members and their links. */
class Pool {
  readonly listeners: (() => void)[] = [];
  readonly #options: BalancerOptions;
  readonly #members = new Map<string, Member>();
  /** Links on their way out, with the member that is leaving, or undefined where only its address changed. */
  readonly #closing = new Map<Link, { readonly member: Member | undefined; readonly closed: Promise<void> }>();
  /** Undefined after a change: made anew by the next pick, so that many changes at once cost one. */
  #ready: ReadySet | undefined = undefined;

  constructor(options: BalancerOptions) {
    this.#options = options;
  }

  ready(): ReadySet {
    return (this.#ready ??= createReadySet(this.#members.values()));
  }

  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.type === 'remove') this.#remove(change.key);
      else this.#put(change.endpoint);
    }
    this.#ready = undefined;
    if (this.ready().groups.length > 0) this.#tell();
  }

  views(): MemberView[] {
    const leaving = [...this.#closing.values()].flatMap(({ member }) => (member === undefined ? [] : [member]));
    return [...this.#members.values(), ...leaving].map((member) => member.view());
  }

  async close(): Promise<void> {
    for (const key of this.#members.keys()) this.#remove(key);
    this.#ready = undefined;
    await Promise.all([...this.#closing.values()].map(({ closed }) => closed));
  }

  destroy(): void {
    for (const link of this.#closing.keys()) link.destroy();
    for (const member of this.#members.values()) member.link.destroy();
  }

  #put(endpoint: Endpoint): void {
    const key = endpointKey(endpoint);
    const member = this.#members.get(key);
    if (member === undefined) {
      const added = new Member(key, endpoint, this.#options.connect(endpoint));
      this.#members.set(key, added);
      this.#watch(added);
      return;
    }
    const before = member.endpoint;
    member.endpoint = endpoint;
    if (isSameAddress(before, endpoint)) return;
    const old = member.link;
    // First the new one: a connect that throws then leaves the member with a link.
    member.link = this.#options.connect(endpoint);
    this.#close(old, undefined);
    this.#watch(member);
  }

  #remove(key: string): void {
    const member = this.#members.get(key);
    if (member === undefined) return;
    this.#members.delete(key);
    this.#turn(member, 'draining');
    this.#close(member.link, member);
  }

  #turn(member: Member, state: Member['state']): void {
    member.state = state;
    member.sinceMs = this.#options.clock.wallMs();
  }

  #watch(member: Member): void {
    const { link } = member;
    this.#turn(member, link.isReady() ? 'ready' : 'connecting');
    link.onReadyChange((ready) => {
      // A link that is on its way out has no say, even if its endpoint is still a member.
      if (member.link !== link || member.state === 'draining') return;
      this.#turn(member, ready ? 'ready' : 'connecting');
      this.#ready = undefined;
      if (ready) this.#tell();
    });
  }

  #close(link: Link, member: Member | undefined): void {
    const drained = (): void => {
      this.#closing.delete(link);
      if (member !== undefined && !this.#members.has(member.key)) this.#options.onDrained?.(member.key);
    };
    // A link that several balancers share is closed for us at once; our calls on it may still run. A link that cannot
    // close properly is closed all the same.
    const idle = (): Promise<void> | undefined => member?.idle();
    const closed = link.close().then(idle, idle).then(drained);
    this.#closing.set(link, { member, closed });
  }

  #tell(): void {
    for (const listener of this.listeners) listener();
  }
}

function isSameAddress(a: Endpoint, b: Endpoint): boolean {
  return a.host === b.host && a.port === b.port && a.protocol === b.protocol;
}
