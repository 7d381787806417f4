import type { DescriptorProto, FieldDescriptorProto, FileDescriptorSet } from '@bufbuild/protobuf/wkt';
import { protoCamelCase } from '@bufbuild/protobuf/reflect';

/**
 * Gives fields the JSON names that they have by default. Compilers write them down, other makers of descriptors may
 * not, and protobuf-es takes an absent name for the empty one: all fields would be called "".
 */
export function fillJsonNames(set: FileDescriptorSet): void {
  for (const file of set.file) {
    fillFields(file.extension);
    for (const message of file.messageType) fillMessage(message);
  }
}

function fillMessage(message: DescriptorProto): void {
  fillFields(message.field);
  fillFields(message.extension);
  for (const nested of message.nestedType) fillMessage(nested);
}

function fillFields(fields: readonly FieldDescriptorProto[]): void {
  for (const field of fields) field.jsonName ||= protoCamelCase(field.name);
}
