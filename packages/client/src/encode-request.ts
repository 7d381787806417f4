import type { Message } from '@bufbuild/protobuf';
import { FLAG_COMPRESSED } from '@bascule/wire';
import { Code, ConnectError } from '@connectrpc/connect';
import type { MethodPlan } from './method-plan.ts';
import type { TransportSettings } from './settings.ts';

/** A request message as it goes over the wire. */
export interface EncodedRequest {
  readonly flags: number;
  readonly bytes: Uint8Array;
}

/** Throws ConnectError. A promise only where there is something to compress. */
export function encodeRequest(
  plan: MethodPlan,
  settings: TransportSettings,
  message: Message,
): EncodedRequest | Promise<EncodedRequest> {
  const bytes = plan.serialize(message);
  if (bytes.length > plan.writeMaxBytes) {
    const text = `the request of ${bytes.length} bytes is larger than writeMaxBytes, ${plan.writeMaxBytes}`;
    throw new ConnectError(text, Code.ResourceExhausted);
  }
  const compression = settings.sendCompression;
  if (compression === null || bytes.length < settings.compressMinBytes) return { flags: 0, bytes };
  return compression.compress(bytes).then((compressed) => ({ flags: FLAG_COMPRESSED, bytes: compressed }));
}
