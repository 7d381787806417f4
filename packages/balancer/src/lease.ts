import type { Endpoint, Lease, Outcome, Service } from '@bascule/core';
import type { Member } from './member.ts';

/** A lent member. Can be lent again once it has been released, by whoever holds it. */
export class MemberLease implements Lease {
  #member: Member | undefined = undefined;
  #endpoint: Endpoint | undefined = undefined;
  #service: Service | undefined = undefined;

  /** Books the call on a member. Throws while the lease before has not been released. */
  take(member: Member): this {
    if (this.#member !== undefined) throw new Error(`the lease of ${this.#member.key} is still lent`);
    member.lend();
    this.#member = member;
    this.#endpoint = member.endpoint;
    this.#service = member.link.service;
    return this;
  }

  get endpoint(): Endpoint {
    return this.#endpoint as Endpoint;
  }

  get service(): Service {
    return this.#service as Service;
  }

  answered(): void {}

  moved(): void {}

  release(outcome: Outcome): void {
    const member = this.#member;
    if (member === undefined) throw new Error(`the lease of ${this.#endpoint?.instanceId} was released twice`);
    this.#member = undefined;
    member.giveBack(outcome);
  }
}
