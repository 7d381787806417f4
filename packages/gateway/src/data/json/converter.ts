import { callError, Code, type CallError } from '@bascule/core';
import type { Background, RunningJob } from './background.ts';
import { convertMessage, type Conversion, type Work } from './convert.ts';
import type { DecodeLimits } from './limits.ts';
import type { MessageType } from './schema-types.ts';

export type { RunningJob } from './background.ts';

/** Converts the messages of one direction of a method. */
export interface Converter {
  /** `later` when it would hold up other calls. */
  convert(work: Work): Conversion | 'later';
  /** Converts a copy of `work` in the background; the error says that there is too much to do already. */
  convertLater(work: Work, done: (conversion: Conversion) => void): RunningJob | CallError;
}

const BUSY = callError(
  Code.resourceExhausted,
  'too many large JSON messages at once; try again, or send protobuf, which needs no conversion',
);

/** Makes the converter of a type; the schema is for the background. */
export function createConverter(
  type: MessageType,
  options: {
    readonly digest: string;
    readonly schema: Uint8Array;
    readonly limits: DecodeLimits;
    readonly background: Background;
  },
): Converter {
  const { digest, schema, limits, background } = options;
  return {
    convert: (work) => convertMessage(type, work, limits, 'thread'),
    convertLater: (work, done) => background.run({ digest, schema, typeName: type.desc.typeName, work }, done) ?? BUSY,
  };
}
