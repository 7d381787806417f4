import { create, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { validateSchema, type ServedSchema } from '../src/schema-gate.ts';

interface Method {
  readonly name: string;
  readonly streams?: boolean;
}

function served(services: Readonly<Record<string, readonly Method[]>>, names = Object.keys(services)): ServedSchema {
  const message = { name: 'M' };
  const service = Object.entries(services).map(([name, methods]) => ({
    name,
    method: methods.map((method) => ({
      name: method.name,
      inputType: '.t.M',
      outputType: '.t.M',
      serverStreaming: method.streams === true,
    })),
  }));
  const file = { name: 't.proto', package: 't', syntax: 'proto3', messageType: [message], service };
  const schema = toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: [file] }));
  return { services: names.map((name) => `t.${name}`), schema };
}

const NOBODY: ReadonlyMap<string, readonly string[]> = new Map();
const [A, B] = [{ name: 'A' }, { name: 'B' }];

describe('schema gate', () => {
  it('lets a first version, and one with more, pass', () => {
    validateSchema({ candidate: served({ S: [A] }), current: undefined, others: NOBODY });
    validateSchema({ candidate: served({ S: [A, B], T: [A] }), current: served({ S: [A] }), others: NOBODY });
  });

  it.each<[string, ServedSchema, ServedSchema]>([
    ['service t.S is in use and missing', served({ T: [A] }), served({ S: [A], T: [A] })],
    ['method t.S/B is in use and missing', served({ S: [A] }), served({ S: [A, B] })],
    ['method t.S/A is in use as unary', served({ S: [{ ...A, streams: true }] }), served({ S: [A] })],
    // Descriptors that come along with others are not served.
    ['service t.S is in use and missing', served({ S: [A], T: [A] }, ['T']), served({ S: [A], T: [A] })],
  ])('refuses: %s', (reason, candidate, current) => {
    expect(() => validateSchema({ candidate, current, others: NOBODY })).toThrow(reason);
  });

  it('lets descriptors go that were not served', () => {
    validateSchema({ candidate: served({ T: [A] }), current: served({ S: [A], T: [A] }, ['T']), others: NOBODY });
  });

  it('refuses what another module serves', () => {
    const others = new Map([['order', ['t.S']]]);
    expect(() => validateSchema({ candidate: served({ S: [A] }), current: undefined, others })).toThrow(
      'service t.S is served by the module "order"',
    );
  });
});
