import { fromJson, toBinary, type JsonValue } from '@bufbuild/protobuf';
import {
  systemClock,
  type Clock,
  type Body,
  type Lease,
  type Outcome,
  type Reply,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { createHead, startCall, type RecordedCall } from '@bascule/testing';
import { afterEach } from 'vitest';
import { DECODE_LIMITS, type DecodeLimits } from '../../src/data/json/limits.ts';
import { createTranscoding, type Transcoding } from '../../src/data/json/transcoding.ts';
import type { SchemaSnapshot } from '../../src/snapshot.ts';
import { endpointOf } from '../support.ts';
import { Plain, RICH_SCHEMA, RICH_SERVICE } from './json-schema.ts';

export const MIB = 1_048_576;

/** As a snapshot brings the schema of RichService. */
export const RICH: readonly SchemaSnapshot[] = [{ digest: 'rich', bytes: RICH_SCHEMA }];

const open: Transcoding[] = [];
afterEach(async () => {
  for (const transcoding of open.splice(0)) await transcoding.close();
});

/** A lease of an endpoint that takes protobuf only. */
export function leaseOf(service: Service, endpoint = endpointOf({ schemaDigest: 'rich', services: [RICH_SERVICE] })) {
  const released: Outcome[] = [];
  const lease: Lease = {
    endpoint,
    service,
    answered() {},
    moved() {},
    release: (outcome) => void released.push(outcome),
  };
  return { lease, released };
}

export function headOf(method: string, fields: readonly string[] = [], type = 'application/grpc+json'): RequestHead {
  const head = createHead({
    path: `/${RICH_SERVICE}/${method}`,
    fields: ['content-type', type, 'te', 'trailers', ...fields],
  });
  head.call.cluster = RICH_SERVICE;
  return head;
}

interface RigOptions {
  readonly schemas?: readonly SchemaSnapshot[];
  readonly clock?: Clock;
  readonly limits?: DecodeLimits;
}

/** Transcoding for endpoints of RichService, closed after the test. */
export function rig({ schemas = RICH, clock = systemClock, limits = DECODE_LIMITS }: RigOptions = {}) {
  const transcoding = createTranscoding({ clock, limits });
  open.push(transcoding);
  transcoding.apply(schemas, 4 * MIB);
  return {
    transcoding,
    call: (service: Service, head: RequestHead): RecordedCall =>
      startCall(transcoding.adapt(leaseOf(service).lease, head).service, head),
  };
}

/** A length-prefixed message. */
export function frame(message: string | Uint8Array, flags = 0): Uint8Array {
  const bytes = Buffer.from(message);
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

export function framesOf(bytes: Uint8Array): { flags: number; message: Buffer }[] {
  const frames = [];
  const buffer = Buffer.from(bytes);
  for (let at = 0; at < buffer.length;) {
    const end = at + 5 + buffer.readUInt32BE(at + 1);
    frames.push({ flags: buffer[at] as number, message: buffer.subarray(at + 5, end) });
    at = end;
  }
  return frames;
}

export const protoOf = (json: JsonValue): Uint8Array => toBinary(Plain, fromJson(Plain, json));

/** What a callee saw. */
export interface Seen {
  head: RequestHead | undefined;
  bytes: Uint8Array;
  cancels: string[];
  ended: boolean;
}

/** Answers what came, once the request has ended, with the fields and frames that a test wants. */
export function callee(seen: Seen, answer?: (reply: Reply) => void): Service {
  return (head, reply): Body => {
    seen.head = head;
    return {
      write(bytes) {
        seen.bytes = Buffer.concat([seen.bytes, bytes]);
        reply.grant(bytes.length);
      },
      end() {
        seen.ended = true;
        if (answer !== undefined) return answer(reply);
        reply.head({ status: 200, fields: ['content-type', 'application/grpc+proto'] });
        reply.write(seen.bytes);
        reply.end(['grpc-status', '0', 'x-trailer', 'afterwards']);
      },
      cancel: (reason) => void seen.cancels.push(reason),
      grant() {},
    };
  };
}

export const nothing = (): Seen => ({ head: undefined, bytes: Buffer.alloc(0), cancels: [], ended: false });
