import { getOption, type DescMethod } from '@bufbuild/protobuf';
import { findFieldPath, type SchemaFieldPath } from './field-path.ts';
import { Criticality, rules, type MethodRateLimit } from './gen/bascule/options/v1/options_pb.ts';

/** What a method's options ask for. The same shape as core's MethodRules, which this room may not import. */
export interface SchemaRules {
  readonly criticality?: 'critical' | 'default' | 'sheddable';
  readonly timeoutMs?: number;
  readonly rateLimits?: readonly SchemaRateLimit[];
}

interface SchemaRateLimit {
  readonly name: string;
  readonly perSecond: number;
  readonly burst: number;
  readonly key?: SchemaKey;
}

type SchemaKey =
  | { readonly from: 'peer' }
  | { readonly from: 'header' | 'claim'; readonly name: string }
  | { readonly from: 'field'; readonly field: SchemaFieldPath };

const CRITICALITIES = {
  [Criticality.CRITICAL]: 'critical',
  [Criticality.DEFAULT]: 'default',
  [Criticality.SHEDDABLE]: 'sheddable',
} as const;

/** Reads the method options of bascule.options.v1; undefined where there are none. What makes no sense is left out. */
export function rulesOf(method: DescMethod): SchemaRules | undefined {
  if (method.proto.options === undefined) return undefined;
  const { criticality, timeout, rateLimits } = getOption(method, rules);
  const named = CRITICALITIES[criticality as keyof typeof CRITICALITIES];
  const timeoutMs = timeout === undefined ? 0 : Number(timeout.seconds) * 1000 + timeout.nanos / 1_000_000;
  const limits = rateLimits.flatMap((limit, index) => readLimit(limit, method, index));
  if (named === undefined && timeoutMs <= 0 && limits.length === 0) return undefined;
  return {
    ...(named !== undefined && { criticality: named }),
    ...(timeoutMs > 0 && { timeoutMs }),
    ...(limits.length > 0 && { rateLimits: limits }),
  };
}

function readLimit(limit: MethodRateLimit, method: DescMethod, index: number): SchemaRateLimit[] {
  const { perSecond, burst = Math.ceil(perSecond) } = limit;
  if (!(perSecond > 0) || !Number.isFinite(perSecond)) return [];
  const name = `${method.parent.typeName}/${method.name}#${index}`;
  const key = readKey(limit, method);
  return [{ name, perSecond, burst: Math.max(1, burst), ...(key !== undefined && { key }) }];
}

/** A field that the message has not is no key: the limit then counts all calls together, which is the careful way. */
function readKey({ key }: MethodRateLimit, method: DescMethod): SchemaKey | undefined {
  switch (key.case) {
    case 'keyPeer':
      return { from: 'peer' };
    case 'keyHeader':
      return { from: 'header', name: key.value.toLowerCase() };
    case 'keyClaim':
      return { from: 'claim', name: key.value };
    case 'keyField': {
      const field = findFieldPath(method.input, key.value);
      return field && { from: 'field', field };
    }
    case undefined:
      return undefined;
    default:
      return key satisfies never;
  }
}
