import type { CallPolicy, Criticality, RateLimit } from './call-policy.ts';
import type { Endpoint } from './endpoint.ts';
import type { Explanation } from './explanation.ts';
import type { Outcome } from './outcome.ts';
import type { RequestHead } from './service.ts';

/** Kind of a method by who streams. */
export type MethodKind = 'unary' | 'client_stream' | 'server_stream' | 'bidi_stream';

/** What a proto says about repeating a call. Source: `google.protobuf.MethodOptions.IdempotencyLevel`. */
export type Idempotency = 'unknown' | 'no_side_effects' | 'idempotent';

/** What a method is, from its descriptor. Plain data. */
export interface MethodFacts {
  /** Fully qualified service name, as in `demo.places.v1.PlacesService`. */
  readonly service: string;
  readonly method: string;
  readonly kind: MethodKind;
  readonly idempotency: Idempotency;
  /** What the proto asks for in its method options (bascule.options.v1); undefined without them. */
  readonly rules?: MethodRules;
}

/** Method options of `bascule/options/v1/options.proto`. Configuration wins over them. */
export interface MethodRules {
  readonly criticality?: Criticality;
  readonly timeoutMs?: number;
  readonly rateLimits?: readonly RateLimit[];
}

/** Which protocol the caller speaks. `http` is everything that is not RPC. */
export type DialectName = 'grpc' | 'grpc-web' | 'grpc-web-text' | 'connect' | 'connect-stream' | 'websocket' | 'http';

/** Version of HTTP that the caller's connection speaks; empty where there is none, as in process. */
export type HttpVersion = '1.0' | '1.1' | '2' | '';

/** What a caller's certificate says of it, once the authority behind it has been checked. */
export interface PeerCertificate {
  /** Subject alternative names that are URIs, as in SPIFFE. */
  readonly uris: readonly string[];
  /** Subject alternative names that are host names. */
  readonly dnsNames: readonly string[];
  /** Empty without one. */
  readonly commonName: string;
}

/** An authenticated caller. */
export interface Principal {
  /** Unique: what caches and limits are keyed by. */
  readonly id: string;
  /** Claims of its token, as text. */
  readonly claims: Readonly<Record<string, string>>;
}

/** Which endpoint a call belongs to. */
export interface Affinity {
  /** 64 bits of hash of the key, high and low half; undefined without a key. */
  readonly hash: { readonly high: number; readonly low: number } | undefined;
  /** Instance id that a sticky session names; taken while it can take calls. */
  readonly instanceId: string | undefined;
}

/** What layers learn about one call, shared from listener to link. Made by {@link createCallContext}. */
export interface CallContext {
  /** Unique within the process; in logs and in the `bascule-call-id` response field where that is exposed. */
  readonly id: string;
  /** Monotonic milliseconds of the clock at the listener. */
  readonly startedMs: number;
  /** Address of the peer socket, without port. */
  readonly peer: string;
  /** Set by the listener where the caller has shown one, for calls over HTTP/1.1 and HTTP/2. */
  peerCertificate: PeerCertificate | undefined;
  /** Set by the listener. */
  httpVersion: HttpVersion;
  /** Set by the dialect layer; for calls of a WebSocket, which come in the words of gRPC, by the listener. */
  dialect: DialectName;
  /** The head as it came in, before any translation. Set by the kit, whose handlers see it. */
  received: RequestHead | undefined;
  /** Set by the route layer; undefined means unknown: treated as a bidi stream that is not idempotent. */
  method: MethodFacts | undefined;
  /** Set by the route layer: the endpoint group the call goes to. */
  cluster: string;
  /** Set by the route layer: how the call is treated. */
  policy: CallPolicy;
  /** Who calls, as the layer that authenticates says; undefined is nobody in particular. */
  principal: Principal | undefined;
  /** The first request message without its 5 bytes of prefix, for policies that look into it; set by their layer. */
  firstMessage: Uint8Array | undefined;
  /** Set by the affinity layer, read by the pick. */
  affinity: Affinity | undefined;
  /** Set by the explain layer for calls that ask why. */
  explanation: Explanation | undefined;
  /** Absolute, on the same monotonic clock; undefined is no deadline. Set by dialect (caller's wish), clamped by deadline layer. */
  deadlineMs: number | undefined;
  /** Attempts started so far; the first call counts 1. Set by the pick. */
  attempts: number;
  /** Keys ({@link endpointKey}) of endpoints already tried. A pick avoids them while there are others. */
  readonly tried: string[];
  /** Whether another endpoint could take the call now. Set by the pick; undefined is no. */
  elsewhere: (() => boolean) | undefined;
  /** Endpoint of the last attempt. Set by the pick. */
  endpoint: Endpoint | undefined;
  /**
   * How the RPC ended. Set by the outcome layer inside the dialect, and by the dialect layer for what it answers
   * itself (refused content types, broken frames). Undefined for what is not RPC: the HTTP status speaks.
   */
  outcome: Outcome | undefined;
  /** Work that still goes on somewhere though the call may be over: see {@link holdWork}. */
  work: number;
  /** Runs once when `work` falls to 0. Set through {@link whenWorkEnds}. */
  onWorkEnded: (() => void) | undefined;
}

const NO_POLICY: CallPolicy = Object.freeze({});

/** A context at the start of its life. */
export function createCallContext(id: string, startedMs: number, peer: string): CallContext {
  return {
    id,
    startedMs,
    peer,
    peerCertificate: undefined,
    httpVersion: '',
    dialect: 'http',
    received: undefined,
    method: undefined,
    cluster: '',
    policy: NO_POLICY,
    principal: undefined,
    firstMessage: undefined,
    affinity: undefined,
    explanation: undefined,
    deadlineMs: undefined,
    attempts: 0,
    tried: [],
    elsewhere: undefined,
    endpoint: undefined,
    outcome: undefined,
    work: 0,
    onWorkEnded: undefined,
  };
}

/**
 * Says that a callee may still work for a call that its caller has cancelled: called inside `body.cancel` by whoever
 * knows a later moment at which the work has ended, and then calls {@link releaseWork} exactly once. Without this a
 * caller that opens and resets calls gets more work done at once than any limit on open calls allows (CVE-2023-44487).
 */
export function holdWork(call: CallContext): void {
  call.work += 1;
}

/** The reverse of {@link holdWork}. */
export function releaseWork(call: CallContext): void {
  call.work -= 1;
  if (call.work > 0) return;
  const ended = call.onWorkEnded;
  call.onWorkEnded = undefined;
  ended?.();
}

/** Runs `fn` once no work for the call goes on: at once, or when the last of it ends. */
export function whenWorkEnds(call: CallContext, fn: () => void): void {
  if (call.work === 0) return fn();
  const before = call.onWorkEnded;
  call.onWorkEnded =
    before === undefined
      ? fn
      : () => {
          before();
          fn();
        };
}
