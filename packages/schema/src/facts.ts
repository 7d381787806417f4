import { createFileRegistry, fromBinary, type DescMethod, type FileRegistry } from '@bufbuild/protobuf';
import { findFieldPath, type SchemaFieldPath } from './field-path.ts';
import { rulesOf, type SchemaRules } from './rules.ts';
import { FileDescriptorSetSchema, MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';

/** What a method is. The same shape as core's MethodFacts, which this room may not import. */
export interface SchemaMethod {
  readonly service: string;
  readonly method: string;
  readonly kind: 'unary' | 'client_stream' | 'server_stream' | 'bidi_stream';
  readonly idempotency: 'unknown' | 'no_side_effects' | 'idempotent';
  readonly rules?: SchemaRules;
}

/** Reads a serialized google.protobuf.FileDescriptorSet. Throws when it is not one, or misses an import. */
export function parseSchema(schema: Uint8Array): FileRegistry {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, schema));
}

/** Facts of every method of every service in a serialized FileDescriptorSet, in its order. */
export function methodFactsOf(schema: Uint8Array): SchemaMethod[] {
  return [...parseSchema(schema).files].flatMap((file) =>
    file.services.flatMap((service) => service.methods.map((method) => factsOfMethod(method))),
  );
}

/** A field of a method's request, by its path in the proto; undefined where the schema has no such method or field. */
export function requestFieldOf(
  schema: FileRegistry,
  service: string,
  method: string,
  path: string,
): SchemaFieldPath | undefined {
  const found = schema.getService(service)?.methods.find(({ name }) => name === method);
  return found && findFieldPath(found.input, path);
}

/** Facts of one method. */
export function factsOfMethod(method: DescMethod): SchemaMethod {
  const idempotency =
    method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS
      ? 'no_side_effects'
      : method.idempotency === MethodOptions_IdempotencyLevel.IDEMPOTENT
        ? 'idempotent'
        : 'unknown';
  const kinds = {
    unary: 'unary',
    client_streaming: 'client_stream',
    server_streaming: 'server_stream',
    bidi_streaming: 'bidi_stream',
  } as const;
  const rules = rulesOf(method);
  return {
    service: method.parent.typeName,
    method: method.name,
    kind: kinds[method.methodKind],
    idempotency,
    ...(rules !== undefined && { rules }),
  };
}
