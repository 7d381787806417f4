import { createBalancedPick, createFullBalancer } from './balanced.ts';
import { build, createBarePick, createNodes } from './bare.ts';
import { CASES } from './cases.ts';
import { countBytes, fastest, timeRounds } from './rounds.ts';

export interface PickOptions {
  /** Of a case. */
  readonly name: string;
  readonly endpoints: number;
  readonly rounds: number;
  readonly picks: number;
}

/** What a process has measured. */
export interface Measured {
  readonly bareNs: number[];
  readonly balancedNs: number[];
  readonly bareBytes: number;
  readonly balancedBytes: number;
  readonly buildMs: number[];
  readonly longestStepMs: number[];
}

/** Tables are built this often: the first time also compiles. */
const BUILDS = 9;

/** Measures one case, and says so in one line. A process of its own: V8 sees this policy alone. */
export function run({ name, endpoints, rounds, picks }: PickOptions): void {
  const about = CASES.find((each) => each.name === name);
  if (about === undefined) throw new Error(`there is no policy "${name}"`);
  const nodes = createNodes(about, endpoints);
  const builds = Array.from({ length: BUILDS }, () => build(about, nodes));
  const bare = createBarePick((builds.at(-1) as (typeof builds)[number]).picker);
  const bareNs = timeRounds(bare, rounds, picks);
  const bareBytes = countBytes(bare);
  const balancer = createFullBalancer(about, endpoints);
  const balanced = createBalancedPick(balancer);
  const balancedNs = timeRounds(balanced, rounds, picks);
  const balancedBytes = countBytes(balanced);
  balancer.destroy();
  const measured: Measured = {
    bareNs,
    balancedNs,
    bareBytes,
    balancedBytes,
    buildMs: fastest(builds.map(({ totalMs }) => totalMs)),
    longestStepMs: fastest(builds.map(({ longestStepMs }) => longestStepMs)),
  };
  console.log(JSON.stringify(measured));
}
