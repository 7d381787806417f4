import { createFileRegistry, fromBinary, type Registry } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { ConformanceService, Messages } from './messages.ts';

const PACKAGE = 'connectrpc.conformance.v1';

/** The suite's protos at work. */
export interface Stubs {
  readonly service: ConformanceService;
  /** Knows every message, for `Any` in JSON and for error details. */
  readonly registry: Registry;
  /** The descriptor of a message. */
  message<N extends keyof Messages>(name: N): GenMessage<Messages[N]>;
}

/** Stubs from a serialized FileDescriptorSet of the suite's protos. Throws when something is not in it. */
export function createStubs(schema: Uint8Array): Stubs {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, schema));
  const service = registry.getService(`${PACKAGE}.ConformanceService`);
  if (service === undefined) throw new Error(`the descriptors hold no ${PACKAGE}.ConformanceService`);
  return {
    service: service as ConformanceService,
    registry,
    message<N extends keyof Messages>(name: N) {
      const local = name === 'RequestInfo' ? 'ConformancePayload.RequestInfo' : name;
      const message = registry.getMessage(`${PACKAGE}.${local}`);
      if (message === undefined) throw new Error(`the descriptors hold no ${PACKAGE}.${local}`);
      return message as GenMessage<Messages[N]>;
    },
  };
}
