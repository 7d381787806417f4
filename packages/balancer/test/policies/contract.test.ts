import { createPolicy } from '../../src/policies/index.ts';
import { describePolicyContract, type PolicyUnderTest } from './contract.ts';
import { SPECS, type SpecName } from './specs.ts';

type Exceptions = Omit<PolicyUnderTest, 'name' | 'create'>;

const BY_TABLE = {
  sharesNotByWeight: 'as even as its table is: its own tests have the bounds',
  mayStarve: 'goes by key',
};
const BY_KEY = {
  unevenForMany: 'goes by a table of 65,536 keys: its own tests have the bounds',
  mayStarve: 'goes by key',
};
const UNWEIGHTED = { sharesNotByWeight: 'looks at no weights' };

const EXCEPTIONS: { readonly [Name in SpecName]?: Exceptions } = {
  'round-robin': UNWEIGHTED,
  random: UNWEIGHTED,
  'orca-weighted-round-robin': { sharesNotByWeight: 'weights are those that endpoints report' },
  'ring-hash': BY_TABLE,
  'ring-hash, bounded': BY_TABLE,
  maglev: BY_TABLE,
  'maglev, bounded': BY_TABLE,
  rendezvous: BY_KEY,
  'rendezvous, bounded': BY_KEY,
};

for (const [name, spec] of Object.entries(SPECS)) {
  describePolicyContract({ name, create: (clock) => createPolicy(spec, clock), ...EXCEPTIONS[name as SpecName] });
}
