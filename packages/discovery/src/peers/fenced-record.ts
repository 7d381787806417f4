import type { Endpoint } from '@bascule/core';
import { RegistrationRefused } from '../registrars/registration.ts';
import { formatRecord, parseRecord } from './json-record.ts';
import { packSchema } from './packed-schema.ts';

/** What a registrar writes. Throws RegistrationRefused for an endpoint that nobody would take. */
export function formatOwn(endpoint: Endpoint): Buffer {
  try {
    return Buffer.from(formatRecord(endpoint));
  } catch (error) {
    throw toRefusal(error);
  }
}

/** The descriptors that go with a record, packed; undefined when there are none. Rejects with RegistrationRefused. */
export async function packOwn({ schemaDigest }: Endpoint, schema: Uint8Array): Promise<Uint8Array | undefined> {
  if (schemaDigest === '' || schema.length === 0) return undefined;
  return packSchema(schema).catch((error: unknown) => {
    throw toRefusal(error);
  });
}

/** The process that a record is of. Undefined for what is not there, and for garbage, which is nobody's. */
export function incarnationOf(record: Uint8Array | undefined, instanceId: string): number | undefined {
  try {
    return record && parseRecord(record, instanceId).incarnation;
  } catch {
    return undefined;
  }
}

/** The process that was started last has the place, whatever an older one says when it wakes up: RegistrationRefused. */
export function refuseOlder({ instanceId, incarnation }: Endpoint, record: Uint8Array | undefined): void {
  const there = incarnationOf(record, instanceId);
  if (there === undefined || there <= incarnation) return;
  throw new RegistrationRefused(`${instanceId} is registered with incarnation ${there}, newer than ${incarnation}`);
}

function toRefusal(error: unknown): RegistrationRefused {
  return new RegistrationRefused((error as Error).message, { cause: error });
}
