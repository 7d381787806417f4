import type { Clock, Fields } from '@bascule/core';

/** What a head of the inner dialect says about the call. */
interface InnerFields {
  isJson: boolean;
  /** Empty where absent. */
  encoding: string;
  acceptEncoding: string;
  /** From `grpc-timeout`. */
  deadlineMs: number | undefined;
}

/** Milliseconds of one unit of `grpc-timeout`. */
const UNIT_MS = new Map([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1000],
  ['m', 1],
  ['u', 0.001],
  ['n', 0.000_001],
]);

/** Reads what the kit needs of a head, in one pass. */
export function readInnerFields(fields: Fields, clock: Clock): InnerFields {
  const read: InnerFields = { isJson: false, encoding: '', acceptEncoding: '', deadlineMs: undefined };
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    // By length first: most fields are none of these.
    switch (name.length) {
      case 12:
        if (name === 'content-type') read.isJson = value.startsWith('application/grpc+json');
        else if (name === 'grpc-timeout') read.deadlineMs = toDeadline(value, clock);
        break;
      case 13:
        if (name === 'grpc-encoding') read.encoding = value;
        break;
      case 20:
        if (name === 'grpc-accept-encoding') read.acceptEncoding = value;
        break;
      default:
    }
  }
  return read;
}

/** A malformed timeout is the gateway's or the dialect's to refuse; here it is none. */
function toDeadline(value: string, clock: Clock): number | undefined {
  const parts = /^(\d{1,8})([HMSmun])$/.exec(value);
  return parts === null ? undefined : clock.nowMs() + Number(parts[1]) * (UNIT_MS.get(parts[2] as string) as number);
}
