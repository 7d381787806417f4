import type { CaseName } from '../contract/system-under-test.ts';

const FIXED = 'what it lists cannot change while the process runs';
const ALONE = 'there is no server and no connection';
const ONCE = 'what is wrong with it is told at the start, before anybody is known';

/** Why most cases do not apply to what is read once. */
export const ALL_BUT_SEEN: Readonly<Partial<Record<CaseName, string>>> = {
  'an update is seen': FIXED,
  'whoever stops renewing goes': FIXED,
  'whoever is killed goes': FIXED,
  'whoever deregisters goes at once': FIXED,
  'the last one may go as well': FIXED,
  'registering twice changes nothing': FIXED,
  'an older incarnation does not win': FIXED,
  '1,000 instances come and go': FIXED,
  'a restarted server removes nothing': ALONE,
  'a server restarted empty removes nothing': ALONE,
  'a dead server removes nothing': ALONE,
  'a paused server removes nothing': ALONE,
  'a cut connection is caught up': ALONE,
  'a stalled connection is noticed': ALONE,
  'wrong credentials are told in words': 'it asks for none',
  'garbage stops nobody else': ONCE,
  'a known record that turns to garbage stays': ONCE,
};
