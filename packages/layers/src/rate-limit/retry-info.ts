/**
 * A serialized google.rpc.Status that says when to come again, in a google.rpc.RetryInfo. The field
 * `grpc-retry-pushback-ms` of gRFC A6 is not sent beside it: that is a server's order to the retries of a library, and a
 * proxy in between that obeyed it would hold the call for all that time.
 */
export function encodeRetryInfo(code: number, message: string, retryAfterMs: number): Uint8Array {
  // Whole milliseconds, upwards: who comes when told to must not be refused by a rounding.
  const delayMs = Math.max(0, Math.ceil(retryAfterMs));
  const duration = [...varintField(1, Math.floor(delayMs / 1000)), ...varintField(2, (delayMs % 1000) * 1_000_000)];
  const any = [...bytesField(1, textOf(RETRY_INFO)), ...bytesField(2, bytesField(1, duration))];
  return Uint8Array.from([...varintField(1, code), ...bytesField(2, textOf(message)), ...bytesField(3, any)]);
}

const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';
const ENCODER = new TextEncoder();

function textOf(text: string): number[] {
  return [...ENCODER.encode(text)];
}

/** proto3 leaves a zero out. */
function varintField(number: number, value: number): number[] {
  return value === 0 ? [] : [number << 3, ...varint(value)];
}

function bytesField(number: number, bytes: readonly number[]): number[] {
  return [(number << 3) | 2, ...varint(bytes.length), ...bytes];
}

/** Without shifts, since seconds may be more than 32 bits hold. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}
