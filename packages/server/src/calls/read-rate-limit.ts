import type { CallKey, RateLimit } from '@bascule/core';
import type { Place } from '@bascule/layers';
import { mayHave, oneOf, said } from './option-place.ts';

const MAX_PER_SECOND = 1_000_000_000;

/** Without a name as yet where it has none; the numbers of a field come from the schema. */
export function readRateLimit(place: Place): RateLimit | undefined {
  if (!place.required().isObject()) return undefined;
  mayHave(place, ['name', 'perSecond', 'burst', 'key', 'shared']);
  const name = place.field('name').string() ?? '';
  const perSecond = place.field('perSecond').required().number({ above: 0, atMost: MAX_PER_SECOND });
  const burst = place.field('burst').number({ atLeast: 1, atMost: MAX_PER_SECOND });
  const key = readKey(place.field('key'));
  const shared = place.field('shared').boolean();
  if (perSecond === undefined) return undefined;
  const parts = said({ key, shared });
  return { name, perSecond, burst: burst ?? Math.max(1, Math.ceil(perSecond)), ...parts };
}

function readKey(place: Place): CallKey | undefined {
  if (!place.isObject()) return undefined;
  const from = oneOf(place.field('from').required(), ['peer', 'header', 'cookie', 'claim', 'field']);
  if (from === undefined) return undefined;
  const part = from === 'field' ? 'path' : 'name';
  mayHave(place, from === 'peer' ? ['from'] : ['from', part]);
  if (from === 'peer') return { from };
  const text = place.field(part).required().string();
  if (text === '') place.field(part).problem('must not be empty');
  if (text === undefined) return undefined;
  if (from !== 'field') return { from, name: text };
  return { from, field: { path: text, jsonNames: [], numbers: [], type: 'string' } };
}
