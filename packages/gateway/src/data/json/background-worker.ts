/** Entry of the worker that converts large messages. */
import { parentPort, workerData } from 'node:worker_threads';
import type { BackgroundData, FromBackground, Job, ToBackground } from './background-messages.ts';
import { convertMessage, isFault, unreadable, type Conversion } from './convert.ts';
import { createSchemaTypes, type SchemaTypes } from './schema-types.ts';

const { limits } = workerData as BackgroundData;
const schemas = new Map<string, SchemaTypes>();

function convert({ digest, schema, typeName, work }: Job): Conversion {
  if (schema !== undefined) schemas.set(digest, createSchemaTypes(schema));
  const type = schemas.get(digest)?.message(typeName);
  if (type === undefined) return unreadable(work.direction, `type ${typeName} is not known`);
  const conversion = convertMessage(type, work, limits, 'background');
  // Only the other place puts off.
  return conversion === 'later' ? unreadable(work.direction, 'it was put off') : conversion;
}

function answer(conversion: FromBackground): void {
  if (isFault(conversion)) return parentPort?.postMessage(conversion);
  // A buffer of its own, so that it can be handed over instead of copied.
  const bytes = new Uint8Array(conversion.bytes);
  parentPort?.postMessage({ ...conversion, bytes }, [bytes.buffer]);
}

parentPort?.on('message', (message: ToBackground) => {
  if (message.type === 'forget') schemas.delete(message.digest);
  else answer(convert(message.job));
});
