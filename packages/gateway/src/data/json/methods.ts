import type { CallConverters } from './call.ts';
import type { Converter } from './converter.ts';
import { createSchemaTypes, type MessageType, type SchemaTypes } from './schema-types.ts';

type MethodConverters = Omit<CallConverters, 'maxMessageBytes'>;

/** How the methods of a schema are converted. */
export interface Methods {
  /** By path, as `/package.Service/Method`; undefined when the schema has no such method, or is broken. */
  find(path: string): MethodConverters | undefined;
  /** Why nothing is found: the schema cannot be read. */
  readonly fault: string | undefined;
}

/** Reads the schema at the first call that needs it: most are never asked for. */
export function createMethods(schema: Uint8Array, createConverter: (type: MessageType) => Converter): Methods {
  const found = new Map<string, MethodConverters>();
  let types: SchemaTypes | undefined;
  let fault: string | undefined;

  function read(): SchemaTypes | undefined {
    if (types !== undefined || fault !== undefined) return types;
    try {
      types = createSchemaTypes(schema);
    } catch (error) {
      fault = `its descriptors cannot be read: ${(error as Error).message}`;
    }
    return types;
  }

  return {
    find(path) {
      const known = found.get(path);
      if (known !== undefined) return known;
      const method = read()?.method(path);
      if (method === undefined) return undefined;
      const converters = {
        request: createConverter(method.input),
        response: createConverter(method.output),
        requestStreams: method.requestStreams,
      };
      found.set(path, converters);
      return converters;
    },
    get fault() {
      return fault;
    },
  };
}
