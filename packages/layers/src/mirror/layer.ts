import { createCallContext, withField, type Clock, type Layer, type RequestHead, type Service } from '@bascule/core';
import { encodeTimeout } from '../timeout-field.ts';
import { Comparison, type MirrorDiff } from './comparison.ts';
import { MirrorCopy } from './copy.ts';
import { MirrorJudge, type MirrorEnd } from './judge.ts';
import { MirroredCall } from './mirrored-call.ts';

export interface MirrorOptions {
  readonly clock: Clock;
  /** Takes the copies: `call.cluster` is the mirror's, and nothing of the call itself is shared. */
  readonly service: Service;
  /** Told of each copy whose answer differs, with the head of the call itself. */
  onDiff(head: RequestHead, diff: MirrorDiff): void;
  /** Told of each call that was drawn. */
  onEnd?(head: RequestHead, end: MirrorEnd): void;
  /** Copies open at once; above it calls are not copied. Default 1,000. */
  readonly maxOpen?: number;
  /** Request bytes kept for a service that reads slowly; above it the copy is given up. Default 256 KiB. */
  readonly maxKeptBytes?: number;
  /** Time a copy may still take when the call itself has ended, in ms. Default 10,000. */
  readonly lingerMs?: number;
}

/**
 * Copies a share of calls to another cluster, as `policy.mirror` says, and drops the answers, or compares them. The copy
 * has a field `bascule-mirror: 1`, which handlers see (a caller could write it as well), a context of its own and no
 * policy, so nothing repeats it. It gets each byte after the call itself has had it, is held up by nobody and holds up
 * nobody: credit is its own, and what it does not read in time ends it. Stands outside of retry, so that a call is copied
 * once. Methods that have effects have them twice.
 */
export function createMirrorLayer(options: MirrorOptions): Layer {
  const { clock, service, maxOpen = 1_000, maxKeptBytes = 262_144, lingerMs = 10_000 } = options;
  let open = 0;
  return (next) => (head, reply) => {
    const policy = head.call.policy.mirror;
    if (policy === undefined || head.call.explanation?.dryRun === true) return next(head, reply);
    if (clock.random() * 100 >= policy.percent) return next(head, reply);
    if (open >= maxOpen) {
      options.onEnd?.(head, 'skipped');
      return next(head, reply);
    }
    open++;
    head.call.explanation?.notes.push(`mirror: copied to ${policy.cluster}`);
    const comparison = policy.diff === true ? new Comparison() : undefined;
    const judge = new MirrorJudge(comparison, {
      onDiff: (diff) => options.onDiff(head, diff),
      onEnd: (end) => options.onEnd?.(head, end),
    });
    const copy = new MirrorCopy({
      head: toCopyHead(head, policy.cluster, clock),
      service,
      clock,
      side: comparison?.copy,
      maxKeptBytes,
      lingerMs,
      onEnded(end) {
        open--;
        judge.copyEnded(end);
      },
    });
    const call = new MirroredCall(reply, { copy, judge, side: comparison?.call });
    return call.begin(next(head, call));
  };
}

/** Of the call itself it has who calls, what, where it belongs and until when; nothing that it learns reaches the call. */
function toCopyHead(head: RequestHead, cluster: string, clock: Clock): RequestHead {
  const { id, peer, peerCertificate, httpVersion, dialect, method, principal, affinity, deadlineMs } = head.call;
  const call = createCallContext(`${id}-mirror`, clock.nowMs(), peer);
  const hash = affinity?.hash;
  const placed = hash === undefined ? undefined : { hash, instanceId: undefined };
  Object.assign(call, {
    peerCertificate,
    httpVersion,
    dialect,
    method,
    cluster,
    principal,
    deadlineMs,
    affinity: placed,
  });
  const fields = withField(head.fields, 'bascule-mirror', '1');
  if (deadlineMs === undefined) return { ...head, fields, call };
  // No layer behind the mirror says it: copies pass none.
  return { ...head, fields: withField(fields, 'grpc-timeout', encodeTimeout(deadlineMs - clock.nowMs())), call };
}
