import { createHash } from 'node:crypto';
import { create, toBinary, type DescFile, type DescService } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

/**
 * Descriptors of services with all their imports as a serialized google.protobuf.FileDescriptorSet. Imports stand
 * before what imports them and names break ties, so the same services give the same bytes in every process.
 */
export function schemaOf(services: readonly DescService[]): Uint8Array {
  const files = new Map<string, DescFile>();
  const visit = (file: DescFile): void => {
    if (files.has(file.proto.name)) return;
    for (const dependency of [...file.dependencies].sort(byName)) visit(dependency);
    files.set(file.proto.name, file);
  };
  for (const file of services.map((service) => service.file).sort(byName)) visit(file);
  return toBinary(
    FileDescriptorSetSchema,
    create(FileDescriptorSetSchema, { file: [...files.values()].map((f) => f.proto) }),
  );
}

/** `sha256:<hex>` of bytes. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function byName(a: DescFile, b: DescFile): number {
  return a.proto.name < b.proto.name ? -1 : a.proto.name > b.proto.name ? 1 : 0;
}
