import { timingSafeEqual } from 'node:crypto';
import { getField, type RequestHead } from '@bascule/core';
import { digestOf } from '@bascule/schema';
import type { Policies } from '../snapshot.ts';

const TOKEN_FIELD = 'bascule-explain-token';

/** Who may ask why a call went where it went: endpoints and what ails them are not for everybody to know. */
export function createExplainGuard(
  policies: Pick<Policies, 'explain' | 'operatorTokenDigest'>,
): (head: RequestHead) => 'no' | 'yes' {
  if (policies.explain === 'anybody') return () => 'yes';
  if (policies.explain === 'off') return () => 'no';
  const expected = Buffer.from(policies.operatorTokenDigest);
  return ({ fields }) => {
    const token = getField(fields, TOKEN_FIELD);
    if (token === undefined) return 'no';
    const shown = Buffer.from(digestOf(Buffer.from(token)));
    return shown.length === expected.length && timingSafeEqual(shown, expected) ? 'yes' : 'no';
  };
}
