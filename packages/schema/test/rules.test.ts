import { create, setExtension, toBinary } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorSetSchema,
  MethodOptionsSchema,
} from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { Criticality, MethodRulesSchema, rules } from '../src/gen/bascule/options/v1/options_pb.ts';
import { methodFactsOf, parseSchema, requestFieldOf } from '../src/index.ts';

/** With the JSON name that compilers of protos fill in. */
const field = (name: string, number: number, type: Type, typeName?: string) => ({
  name,
  jsonName: name === 'the_buyer' ? 'theBuyer' : name,
  number,
  type,
  label: Label.OPTIONAL,
  ...(typeName !== undefined && { typeName }),
});

/** `rpc Buy(Order)` of a service, with these rules; an order has a buyer with an id. */
function schemaWith(ruled: Parameters<typeof create<typeof MethodRulesSchema>>[1]): Uint8Array {
  const options = create(MethodOptionsSchema);
  setExtension(options, rules, create(MethodRulesSchema, ruled));
  const set = create(FileDescriptorSetSchema, {
    file: [
      {
        name: 'shop.proto',
        package: 'shop.v1',
        syntax: 'proto3',
        messageType: [
          { name: 'Buyer', field: [field('id', 3, Type.UINT64), field('rank', 4, Type.DOUBLE)] },
          { name: 'Order', field: [field('the_buyer', 2, Type.MESSAGE, '.shop.v1.Buyer')] },
        ],
        service: [
          {
            name: 'Shop',
            method: [{ name: 'Buy', inputType: '.shop.v1.Order', outputType: '.shop.v1.Order', options }],
          },
        ],
      },
    ],
  });
  return toBinary(FileDescriptorSetSchema, set);
}

const BUYER = { path: 'the_buyer.id', jsonNames: ['theBuyer', 'id'], numbers: [2, 3], type: 'varint' };

describe('rules of a method', () => {
  it('are read from its options', () => {
    const schema = schemaWith({
      criticality: Criticality.SHEDDABLE,
      timeout: { seconds: 2n, nanos: 500_000_000 },
      rateLimits: [
        { perSecond: 0.5, key: { case: 'keyField', value: 'the_buyer.id' } },
        { perSecond: 10, burst: 3, key: { case: 'keyHeader', value: 'X-User' } },
      ],
    });
    expect(methodFactsOf(schema)).toMatchObject([
      {
        method: 'Buy',
        rules: {
          criticality: 'sheddable',
          timeoutMs: 2_500,
          rateLimits: [
            { name: 'shop.v1.Shop/Buy#0', perSecond: 0.5, burst: 1, key: { from: 'field', field: BUYER } },
            { name: 'shop.v1.Shop/Buy#1', perSecond: 10, burst: 3, key: { from: 'header', name: 'x-user' } },
          ],
        },
      },
    ]);
  });

  it('leave out what makes no sense, and are nothing when nothing is left', () => {
    const [facts] = methodFactsOf(schemaWith({ rateLimits: [{ perSecond: 0 }, { perSecond: -1 }] }));
    expect(facts).not.toHaveProperty('rules');
  });

  it('count all calls together where the field of a key is not there', () => {
    const rateLimits = [{ perSecond: 1, key: { case: 'keyField' as const, value: 'the_buyer.name' } }];
    const [facts] = methodFactsOf(schemaWith({ rateLimits }));
    expect(facts?.rules?.rateLimits).toEqual([{ name: 'shop.v1.Shop/Buy#0', perSecond: 1, burst: 1 }]);
  });
});

describe('fields of a request', () => {
  it.each([
    ['the_buyer.id', BUYER],
    ['the_buyer', undefined],
    ['the_buyer.rank', undefined],
    ['theBuyer.id', undefined],
    ['the_buyer.id.more', undefined],
    ['', undefined],
  ])('%s', (path, expected) => {
    const schema = parseSchema(schemaWith({}));
    expect(requestFieldOf(schema, 'shop.v1.Shop', 'Buy', path)).toEqual(expected);
    expect(requestFieldOf(schema, 'shop.v1.Shop', 'Sell', path)).toBeUndefined();
  });
});
