import {
  withField,
  type CachePolicy,
  type CallError,
  type Cancel,
  type Clock,
  type Reply,
  type RequestHead,
} from '@bascule/core';
import { HeldCall, type HeldParts } from '../held-call.ts';
import { AnswerPlayer } from './answer-player.ts';
import { readCacheControl } from './cache-control.ts';
import { Flight, type Passenger } from './flight.ts';
import { cacheKeyOf, hasUnknownCredentials } from './key.ts';
import type { Answer, AnswerStore, StoredAnswer } from './store.ts';

/** How a call was answered: from the store, by another's call, or by its own. */
export type CacheUse = 'hit' | 'shared' | 'miss';

/** What all calls share. */
export interface CacheParts {
  readonly clock: Clock;
  readonly flights: Map<string, Flight>;
  readonly maxAnswerBytes: number;
  readonly maxRequestBytes: number;
  readonly maxWaiting: number;
  storeOf(path: string): AnswerStore;
  onUse(head: RequestHead, use: CacheUse): void;
}

/** A unary call that may be answered with what is kept. It is held until its request is whole, which is its key. */
export class CachedCall extends HeldCall implements Passenger {
  granted = 0;
  readonly #cache: CacheParts;
  readonly #policy: CachePolicy;
  /** The whole request, once it is. */
  #request: Uint8Array[] = [];
  #flight: Flight | undefined = undefined;
  #player: AnswerPlayer | undefined = undefined;

  constructor(parts: HeldParts, cache: CacheParts, policy: CachePolicy) {
    super(parts);
    this.#cache = cache;
    this.#policy = policy;
  }

  get reply(): Reply {
    return this.parts.reply;
  }

  override cancel(reason: Cancel): void {
    const flight = this.#flight;
    this.#flight = undefined;
    this.#player?.stop();
    super.cancel(reason);
    flight?.leave(this, reason);
  }

  override grant(bytes: number): void {
    this.granted += bytes;
    if (this.#player !== undefined) this.#player.grant(bytes);
    else if (this.#flight !== undefined && !this.isHolding()) this.#flight.grantReply(bytes);
    else super.grant(bytes);
  }

  play(answer: Answer): void {
    this.#playAs(answer, undefined);
  }

  fail(error: CallError): void {
    this.#flight = undefined;
    this.refuse(error);
  }

  watch(): void {
    this.finish();
  }

  goAlone(): void {
    this.#flight = undefined;
    this.start(this.#request);
  }

  protected override onKept(): void {
    if (this.kept.size > this.#cache.maxRequestBytes) this.start();
  }

  protected override onEnded(): void {
    const { head } = this.parts;
    this.#request = this.kept.takeAll();
    const key = cacheKeyOf(head, this.#policy, this.#request);
    const asked = readCacheControl(head.fields);
    const stored = asked.noCache ? undefined : this.#cache.storeOf(head.path).find(key);
    const isStranger = hasUnknownCredentials(head);
    if (
      stored !== undefined &&
      (stored.isPublic || !isStranger) &&
      this.#ageOf(stored) <= (asked.maxAgeMs ?? Infinity)
    ) {
      return this.#hit(stored);
    }
    const canShare = !isStranger && !asked.noCache && asked.maxAgeMs === undefined;
    const flight = canShare ? this.#cache.flights.get(key) : undefined;
    if (flight !== undefined && flight.waiting() < this.#cache.maxWaiting) return this.#share(flight);
    if (flight === undefined) return this.#lead(key, canShare);
    this.goAlone();
  }

  #ageOf({ sinceMs, ageMs }: StoredAnswer): number {
    return this.#cache.clock.nowMs() - sinceMs + ageMs;
  }

  #hit(stored: StoredAnswer): void {
    const seconds = Math.floor(this.#ageOf(stored) / 1000);
    this.#note('hit', `cache: answered with what is kept, ${seconds} s old`);
    this.#playAs(stored, seconds);
  }

  #share(flight: Flight): void {
    this.#note('shared', 'cache: waits for the answer of the same call of another caller');
    this.#flight = flight;
    flight.join(this);
  }

  #lead(key: string, canShare: boolean): void {
    this.#note('miss', 'cache: nothing kept');
    const { flights, clock, maxAnswerBytes } = this.#cache;
    const { head, next } = this.parts;
    const policy = this.#policy;
    const store = this.#cache.storeOf(head.path);
    const flight: Flight = new Flight(
      {
        head,
        policy,
        maxAnswerBytes: Math.min(maxAnswerBytes, policy.maxBytes),
        onLanded(answer, freshness) {
          if (canShare) flights.delete(key);
          if (answer?.head === undefined || freshness === undefined) return;
          const { lifetimeMs, ageMs, isPublic } = freshness;
          if (!isPublic && hasUnknownCredentials(head)) return;
          const stored = { ...answer, head: answer.head, sinceMs: clock.nowMs(), lifetimeMs, ageMs, isPublic };
          store.put(key, stored, policy.maxBytes);
        },
      },
      this,
    );
    this.#flight = flight;
    if (canShare) flights.set(key, flight);
    flight.start(next, this.#request);
  }

  #playAs(answer: Answer, ageSeconds: number | undefined): void {
    this.#flight = undefined;
    this.finish();
    this.#player = new AnswerPlayer(this.reply, answer, this.granted);
    const { head } = answer;
    if (ageSeconds === undefined || head === undefined) this.#player.start(head);
    else this.#player.start({ status: head.status, fields: withField(head.fields, 'age', String(ageSeconds)) });
  }

  #note(use: CacheUse, text: string): void {
    this.#cache.onUse(this.parts.head, use);
    this.parts.head.call.explanation?.notes.push(text);
  }
}
