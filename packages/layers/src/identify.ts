import {
  callError,
  Code,
  getAllFields,
  type Body,
  type CallError,
  type Clock,
  type Layer,
  type Principal,
  type Reply,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { PausedCall } from './paused-call.ts';
import { refuseCall } from './refusal.ts';

/** Whom a token stands for. */
export interface Identity {
  readonly principal: Principal;
  /** Wall-clock milliseconds since 1970 until which that holds; Infinity is for ever. */
  readonly untilMs: number;
}

/** Tells whom a token stands for; undefined for one that is not right. May answer later; a rejection counts as wrong. */
export type VerifyToken = (token: string) => Identity | undefined | Promise<Identity | undefined>;

export interface IdentifyOptions {
  readonly clock: Clock;
  readonly verify: VerifyToken;
  /** Refuses calls without a token too. Default false: they are nobody's in particular. */
  readonly required?: boolean;
}

/** Longer ones are refused unseen: a signature over a megabyte is work as well. */
const MAX_TOKEN_CHARS = 8_192;
/** Known tokens, in characters of all of them. */
const MAX_KNOWN_CHARS = 4_194_304;
/** Known tokens are asked about again after so long, however long they hold: keys may have been withdrawn. */
const MAX_KNOWN_MS = 60_000;

/**
 * Finds out who calls: sets `call.principal` by the token in `authorization: Bearer`. A token that is not right is
 * `unauthenticated`, so that nobody acts as nobody without knowing. Right tokens are known for a minute, while they hold.
 * Stands outside of all that asks who calls. Source: RFC 6750, 2.1.
 */
export function createIdentifyLayer(options: IdentifyOptions): Layer {
  const { clock, required = false } = options;
  const known = new KnownTokens();
  return (next) => (head, reply) => {
    const values = getAllFields(head.fields, 'authorization');
    if (values.length === 0) return required ? refuseCall(reply, refused('this needs a token')) : next(head, reply);
    const token = tokenOf(values);
    if (token === undefined) return refuseCall(reply, refused('the field authorization must be one "Bearer <token>"'));
    const principal = known.find(token, clock.wallMs());
    if (principal === undefined) return ask({ options, known, token, next }, head, reply);
    head.call.principal = principal;
    return next(head, reply);
  };
}

interface Question {
  readonly options: IdentifyOptions;
  readonly known: KnownTokens;
  readonly token: string;
  readonly next: Service;
}

function ask({ options, known, token, next }: Question, head: RequestHead, reply: Reply): Body {
  const settle = (identity: Identity | undefined): boolean => {
    const nowMs = options.clock.wallMs();
    if (identity === undefined || identity.untilMs <= nowMs) return false;
    known.add(token, identity, nowMs);
    head.call.principal = identity.principal;
    return true;
  };
  const answer = options.verify(token);
  if (!(answer instanceof Promise)) return settle(answer) ? next(head, reply) : refuseCall(reply, wrongToken());
  const paused = new PausedCall({ head, reply, next });
  answer.then(
    (identity) => (settle(identity) ? paused.resume() : paused.refuse(wrongToken())),
    () => paused.refuse(wrongToken()),
  );
  return paused;
}

function tokenOf(values: readonly string[]): string | undefined {
  const [value = ''] = values;
  if (values.length > 1 || value.length > MAX_TOKEN_CHARS) return undefined;
  return /^Bearer +([^\s,]+) *$/i.exec(value)?.[1];
}

function refused(message: string): CallError {
  return callError(Code.unauthenticated, message, 'never-sent');
}

/** One sentence for all that can be wrong with it: who tries tokens learns nothing. */
function wrongToken(): CallError {
  return refused('the token is not right, or has expired');
}

/** Tokens that were found right, in the order in which they came; the oldest go when there is no room. */
class KnownTokens {
  readonly #identities = new Map<string, Identity>();
  #chars = 0;

  find(token: string, nowMs: number): Principal | undefined {
    const identity = this.#identities.get(token);
    if (identity === undefined) return undefined;
    if (identity.untilMs > nowMs) return identity.principal;
    this.#forget(token);
    return undefined;
  }

  add(token: string, { principal, untilMs }: Identity, nowMs: number): void {
    if (this.#identities.has(token)) this.#forget(token);
    this.#identities.set(token, { principal, untilMs: Math.min(untilMs, nowMs + MAX_KNOWN_MS) });
    this.#chars += token.length;
    for (const oldest of this.#identities.keys()) {
      if (this.#chars <= MAX_KNOWN_CHARS) break;
      this.#forget(oldest);
    }
  }

  #forget(token: string): void {
    this.#identities.delete(token);
    this.#chars -= token.length;
  }
}
