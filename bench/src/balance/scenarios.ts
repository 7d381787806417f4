import type { Scenario } from './simulate.ts';
import type { ServerKind } from './server.ts';

const STEADY: ServerKind = { slots: 8, meanMs: 10, failShare: 0 };

/** Seven alike, one ten times as slow, one that stands still now and then, one that fails 30 % in trailers. */
const MIXED: readonly ServerKind[] = [
  { ...STEADY, meanMs: 100 },
  { ...STEADY, stalls: { everyMs: 5_000, forMs: 500 } },
  { ...STEADY, failShare: 0.3 },
  ...Array.from({ length: 7 }, () => STEADY),
];

const capacityOf = (servers: readonly ServerKind[]): number =>
  servers.reduce((sum, { slots, meanMs }) => sum + (slots * 1_000) / meanMs, 0);

const shapeOf = (servers: readonly ServerKind[], load: number): Scenario => ({
  servers,
  gateways: 4,
  callsPerSecond: capacityOf(servers) * load,
  bursts: { factor: 2, meanMs: 200, betweenMs: 2_000 },
  deadlineMs: 2_000,
  durationMs: 80_000,
  warmUpMs: 20_000,
});

/** By name. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'ten alike, 50 % load': shapeOf(
    Array.from({ length: 10 }, () => STEADY),
    0.5,
  ),
  'mixed, 8 % load': shapeOf(MIXED, 0.08),
  'mixed, 50 % load': shapeOf(MIXED, 0.5),
};
