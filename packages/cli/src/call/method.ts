import { createFileRegistry, fromBinary, type DescMethod, type FileRegistry } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { CliFailure, ExitCode } from '../failure.ts';

/** A method as the command line names it. */
export interface MethodName {
  readonly service: string;
  readonly method: string;
}

/** `package.Service/Method`; a slash before it is taken too, as it stands in logs. */
export function parseMethodName(text: string): MethodName {
  const match = /^\/?([A-Za-z_][\w.]*)\/([A-Za-z_]\w*)$/.exec(text);
  if (match !== null) return { service: match[1] as string, method: match[2] as string };
  throw new CliFailure(ExitCode.usage, `"${text}" names no method`, 'As in demo.places.v1.PlacesService/Search.');
}

/** A method with the types that its messages are made of. */
export interface KnownMethod {
  readonly method: DescMethod;
  readonly registry: FileRegistry;
}

/** Finds a method in the descriptors that the gateway gave. */
export function findMethod(schema: Uint8Array, name: MethodName): KnownMethod {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, schema));
  const service = registry.getService(name.service);
  if (service === undefined) {
    throw new CliFailure(ExitCode.failed, `the gateway's schema does not hold ${name.service}`);
  }
  const wanted = name.method.toLowerCase();
  const method = service.methods.find((m) => m.name.toLowerCase() === wanted);
  if (method !== undefined) return { method, registry };
  const known = service.methods.map((m) => m.name).join(', ');
  throw new CliFailure(ExitCode.usage, `${name.service} has no method ${name.method}`, `It has ${known}.`);
}
