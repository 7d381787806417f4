import { canStart, type ServerName } from '@bascule/testing/servers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LEASES } from './cases/leases.ts';
import { NETWORK } from './cases/network.ts';
import { RECORDS } from './cases/records.ts';
import { SERVERS } from './cases/servers.ts';
import { TELLING } from './cases/telling.ts';
import { createScene, type Run, type Scene } from './scene.ts';
import { CASES, type CaseName, type SystemUnderTest, type Traits } from './system-under-test.ts';

const RUNS: Readonly<Record<CaseName, Run>> = { ...TELLING, ...LEASES, ...SERVERS, ...NETWORK, ...RECORDS };

/** Of one case; long, since 1,000 instances on a busy machine are among them. */
const TIMEOUT_MS = 300_000;

/**
 * Holds a system to what all of them owe. `needs` names the server that must be there; without it the suite is left
 * out, and said. The titles are read by `grid.ts`.
 */
export function describeSystemContract(
  name: string,
  open: () => Promise<SystemUnderTest>,
  { needs, ...traits }: Traits & { readonly needs?: ServerName } = {},
): void {
  describe.skipIf(needs !== undefined && !canStart(needs))(`discovery system: ${name}`, () => {
    let system: SystemUnderTest | undefined;
    let scene: Scene | undefined;

    beforeAll(async () => {
      system = await open();
    }, TIMEOUT_MS);
    afterEach(async () => {
      await scene?.close();
      scene = undefined;
    }, TIMEOUT_MS);
    afterAll(async () => {
      await system?.close();
    }, TIMEOUT_MS);

    CASES.forEach((title, index) => {
      const why = traits.notApplicable?.[title];
      if (why !== undefined) {
        it.skip(`${title} (not applicable: ${why})`, () => undefined);
        return;
      }
      it(
        title,
        async () => {
          scene = await createScene(system as SystemUnderTest, `case-${index + 1}`, traits);
          await RUNS[title](scene);
        },
        TIMEOUT_MS,
      );
    });

    it('says of no case that is unknown why it does not apply', () => {
      expect(Object.keys(traits.notApplicable ?? {}).filter((title) => !CASES.includes(title as CaseName))).toEqual([]);
    });
  });
}
