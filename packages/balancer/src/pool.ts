import { endpointKey, type Change, type Clock, type Endpoint, type Link } from '@bascule/core';
import { Member, type MemberView } from './member.ts';

export interface PoolOptions {
  readonly clock: Clock;
  connect(endpoint: Endpoint): Link;
  onDrained?(key: string): void;
  /** Who is there, or who can take calls, has changed. */
  onChange(): void;
}

/** Members and their links. */
export class Pool {
  readonly listeners: (() => void)[] = [];
  readonly #options: PoolOptions;
  readonly #members = new Map<string, Member>();
  /** Links on their way out, with the member that is leaving, or undefined where only its address changed. */
  readonly #closing = new Map<Link, { readonly member: Member | undefined; readonly closed: Promise<void> }>();

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  members(): MapIterator<Member> {
    return this.#members.values();
  }

  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.type === 'remove') this.#remove(change.key);
      else this.#put(change.endpoint);
    }
    this.#options.onChange();
    if (this.members().some((member) => member.isUsable())) this.#tell();
  }

  views(): MemberView[] {
    const leaving = [...this.#closing.values()].flatMap(({ member }) => (member === undefined ? [] : [member]));
    return [...this.#members.values(), ...leaving].map((member) => member.view());
  }

  async close(): Promise<void> {
    for (const key of this.#members.keys()) this.#remove(key);
    this.#options.onChange();
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
      this.#options.onChange();
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
