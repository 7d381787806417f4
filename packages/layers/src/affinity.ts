import {
  hash64,
  type AffinityPolicy,
  type CallContext,
  type Clock,
  type Fields,
  type Layer,
  type Reply,
  type RequestHead,
  type ResponseHead,
} from '@bascule/core';
import { callKeyOf } from './call-key.ts';
import { findCookie, formatCookie } from './cookie.ts';
import { Passage } from './passage.ts';
import { decodeSticky, encodeSticky, type Sticky } from './sticky.ts';

/**
 * Says in `call.affinity` where a call belongs, by `policy.affinity`: the hash of the first of its keys that the call
 * has, and the endpoint that a sticky session names. A key by cookie with a time to live is there for every call: who
 * brings none gets one, which counts at once, so that the first call goes where the next ones will. Cookies are set
 * with the head of the answer, whatever the dialect. Stands outside of retry, and behind what the keys need.
 */
export function createAffinityLayer(options: { readonly clock: Clock }): Layer {
  const { clock } = options;
  return (next) => (head, reply) => {
    const policy = head.call.policy.affinity;
    if (policy === undefined) return next(head, reply);
    const key = findKey(head, policy, clock);
    const sticky = policy.sticky === undefined ? undefined : stickyOf(head, policy.sticky.cookie);
    if (key !== undefined || sticky !== undefined) {
      head.call.affinity = {
        hash: key === undefined ? undefined : hash64(key.text),
        instanceId: sticky?.instanceId,
      };
    }
    head.call.explanation?.notes.push(`affinity: ${describeKey(key?.from)}${describeSticky(sticky)}`);
    if (policy.sticky === undefined && key?.setCookie === undefined) return next(head, reply);
    const call = new PlacedCall(reply, { head, clock, policy, sticky, setCookie: key?.setCookie });
    return call.begin(next(head, call));
  };
}

interface FoundKey {
  readonly from: string;
  readonly text: string;
  /** Cookie that the answer must set for the caller to have this key again. */
  readonly setCookie: string | undefined;
}

function findKey(head: RequestHead, policy: AffinityPolicy, clock: Clock): FoundKey | undefined {
  for (const key of policy.keys) {
    const text = callKeyOf(head, key);
    if (text !== undefined) return { from: key.from, text, setCookie: undefined };
    if (key.from !== 'cookie' || key.ttlMs === undefined) continue;
    const value = createValue(clock);
    const { name, ttlMs, path = '/' } = key;
    const setCookie = formatCookie({ name, value, ttlMs, path, isSecure: head.scheme === 'https' });
    return { from: 'new cookie', text: value, setCookie };
  }
  return undefined;
}

/** 128 bits in hex: no two callers share one. */
function createValue(clock: Clock): string {
  let value = '';
  for (let i = 0; i < 4; i++) {
    value += Math.floor(clock.random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0');
  }
  return value;
}

function stickyOf(head: RequestHead, cookie: string): Sticky | undefined {
  const value = findCookie(head.fields, cookie);
  return value === undefined ? undefined : decodeSticky(value);
}

function describeKey(from: string | undefined): string {
  return from === undefined ? 'no key' : `key from ${from}`;
}

function describeSticky(sticky: Sticky | undefined): string {
  return sticky === undefined ? '' : `, session of ${sticky.instanceId}`;
}

interface Placing {
  readonly head: RequestHead;
  readonly clock: Clock;
  readonly policy: AffinityPolicy;
  /** What the caller brought. */
  readonly sticky: Sticky | undefined;
  readonly setCookie: string | undefined;
}

/** Sets the cookies that the caller lacks. */
class PlacedCall extends Passage {
  readonly #placing: Placing;
  #hasHead = false;

  constructor(reply: Reply, placing: Placing) {
    super(reply);
    this.#placing = placing;
  }

  override head(head: ResponseHead): void {
    this.#hasHead = true;
    const cookies = cookiesOf(this.#placing);
    super.head(cookies.length === 0 ? head : { status: head.status, fields: [...head.fields, ...cookies] });
  }

  override end(trailers: Fields): void {
    super.end(this.#hasHead ? trailers : [...trailers, ...cookiesOf(this.#placing)]);
  }
}

function cookiesOf({ head, clock, policy, sticky, setCookie }: Placing): string[] {
  const fields: string[] = [];
  if (setCookie !== undefined) fields.push('set-cookie', setCookie);
  if (policy.sticky === undefined) return fields;
  const { cookie, ttlMs, path } = policy.sticky;
  const value = renewedValue(head.call, sticky, clock.wallMs(), ttlMs);
  if (value === undefined) return fields;
  fields.push('set-cookie', formatCookie({ name: cookie, value, ttlMs, path, isSecure: head.scheme === 'https' }));
  return fields;
}

/** For another endpoint than before, and in the second half of its life, so that a session in use does not end. */
function renewedValue(call: CallContext, sticky: Sticky | undefined, nowMs: number, ttlMs: number): string | undefined {
  const instanceId = call.endpoint?.instanceId;
  if (instanceId === undefined) return undefined;
  const ageMs = sticky === undefined ? 0 : nowMs - sticky.sinceMs;
  const isYoung = ttlMs === 0 || (ageMs >= 0 && ageMs * 2 < ttlMs);
  return sticky?.instanceId === instanceId && isYoung ? undefined : encodeSticky({ instanceId, sinceMs: nowMs });
}
