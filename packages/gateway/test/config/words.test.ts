import { ConfigSchema } from '@bascule/schema/gen/bascule/config/v1/config_pb.ts';
import { getOption, hasOption, type DescMessage } from '@bufbuild/protobuf';
import { field as rulesOf } from '@bascule/schema/gen/buf/validate/validate_pb.ts';
import { expect, test } from 'vitest';
import { formatConfigError } from '../../src/config/error.ts';
import { parseConfig } from '../../src/config/load.ts';

function errorsOf(text: string): string[] {
  const result = parseConfig(text, 'f.yaml');
  return result.ok ? [] : result.errors.map(formatConfigError);
}

/** Where each pattern of a message and of those in it stands, with what it wants. */
function patternsOf(desc: DescMessage, path: readonly (string | number)[] = []): [(string | number)[], string][] {
  return desc.fields.flatMap((field): [(string | number)[], string][] => {
    const at = [...path, field.jsonName];
    const inner = field.fieldKind === 'list' ? [...at, 0] : field.fieldKind === 'map' ? [...at, 'a'] : at;
    const type = hasOption(field, rulesOf) ? getOption(field, rulesOf).type : undefined;
    const items = type?.case === 'repeated' ? type.value.items?.type : type;
    const own: [(string | number)[], string][] =
      items?.case === 'string' && items.value.pattern !== '' ? [[inner, items.value.pattern]] : [];
    const { message } = field as { message?: DescMessage };
    return message?.typeName.startsWith('bascule.') === true ? [...own, ...patternsOf(message, inner)] : own;
  });
}

const PATTERNS = patternsOf(ConfigSchema);

test.each(PATTERNS)('%j is told in words', (path) => {
  const json = JSON.stringify(
    path.reduceRight<unknown>((value, step) => (step === 0 ? [value] : { [step]: value }), '; '),
  );
  const errors = errorsOf(json).filter((line) => line.includes('(got "; ")'));
  expect(errors, json).toHaveLength(1);
  expect(errors[0]).not.toMatch(/regex|\^/);
});

test('there are patterns', () => {
  expect(PATTERNS.length).toBeGreaterThan(30);
});

test.each([
  ['sharedLimits: {}', 'sharedLimits.url: is missing. It must be a URL, as in "redis://127.0.0.1:6379".'],
  ['services: {a.B: {balancing: {slowStart: {}}}}', 'slowStart.window: is missing. It must be set.'],
  ['services: {a.B: {calls: {affinity: {sticky: {}}}}}', 'sticky.name: is missing. It must be the name of a cookie.'],
])('%s', (text, words) => {
  expect(errorsOf(text)[0]).toContain(words);
});
