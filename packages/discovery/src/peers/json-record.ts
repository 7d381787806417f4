import type { Endpoint } from '@bascule/core';
import { fromJsonString, toJsonString } from '@bufbuild/protobuf';
import { EndpointSchema } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { ConnectError } from '@connectrpc/connect';
import { fromEndpointMessage, toEndpointMessage } from '../endpoint-message.ts';
import { validateEndpoint } from '../registry/validation.ts';
import { fitLabels } from './records.ts';

/** Four times what validation allows as protobuf: JSON is longer, but not without end. */
const MAX_RECORD_BYTES = 65_536;

/** An endpoint as systems of keys and values carry it: the JSON form of bascule.registry.v1.Endpoint. Throws for one that is unsound. */
export function formatRecord(endpoint: Endpoint): string {
  return toJsonString(
    EndpointSchema,
    inWords(() => validateEndpoint(toEndpointMessage(endpoint))),
  );
}

/** The reverse of {@link formatRecord}. Throws, with words, for what is not the sound record of `instanceId`. */
export function parseRecord(bytes: Uint8Array, instanceId: string): Endpoint {
  const message = inWords(() => {
    // What a newer version may add must not hide its instances from an older gateway.
    return validateEndpoint(fromJsonString(EndpointSchema, decodeText(bytes), { ignoreUnknownFields: true }));
  });
  if (message.instanceId !== instanceId) throw new Error(`it is of another instance, ${message.instanceId}`);
  return fromEndpointMessage(message);
}

/** Reads a record of others, which is held to the same limits. Throws, with words in one line. */
export function readForeign(read: () => Endpoint): Endpoint {
  return inWords(() => {
    const endpoint = fitLabels(read());
    validateEndpoint(toEndpointMessage(endpoint));
    return endpoint;
  });
}

/** The text of a record. Throws for one that is too long or no UTF-8. */
export function decodeText(bytes: Uint8Array): string {
  if (bytes.length > MAX_RECORD_BYTES) throw new Error(`it has ${bytes.length} bytes, more than ${MAX_RECORD_BYTES}`);
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

/** Without a gRPC code in front, which says nothing of a record, and as one line: it may quote what somebody wrote. */
function inWords<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const message = error instanceof ConnectError ? error.rawMessage : (error as Error).message;
    throw new Error(message.slice(0, 300).replace(/[\p{C}\p{Z}]/gu, ' '), { cause: error });
  }
}
