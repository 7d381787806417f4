import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../../support/src/servers/folders.ts';
import { freePorts } from '../../../support/src/servers/ports.ts';
import { pause } from '../../chance.ts';
import { ChaosService } from '../../schema.ts';
import type { Row } from '../row.ts';
import type { Scene } from '../scene.ts';
import { conclude } from '../verdict.ts';
import { startWorld, type World } from '../world.ts';
import { startRegistry, TTL_MS } from './common.ts';

const STEPS = 8;
const DISAGREES = 'a file and the registry disagree';
const REGISTRY_RANK = 1;
const FILE_WEIGHT = 9;
const PATIENCE_MS = 10_000;

/** An entry of the file. */
interface Entry {
  readonly instanceId: string;
  readonly address: string;
  readonly weight: number;
  readonly incarnation: number;
}

export const SOURCES_DISAGREE: Row = {
  name: 'sources-disagree',
  about:
    'a file contradicts the registry, is empty, garbage, gone, written over and again, while the registry restarts',
  async run(scene) {
    const registry = await startRegistry(scene);
    const folder = makeFolder('chaos-file');
    scene.stack.defer(() => folder.remove());
    const file = join(folder.path, 'endpoints.json');
    const [deadPort = 0] = await freePorts(1);
    save(file, []);
    const rank = scene.chance.pick([REGISTRY_RANK - 1, REGISTRY_RANK, REGISTRY_RANK + 1]);
    scene.note(`the file has rank ${rank}, the registry ${REGISTRY_RANK}`);
    const source = { name: 'file', url: `file:${file}`, rank, services: [ChaosService.typeName], codecs: ['json'] };
    const options = { systems: [registry], ttlMs: TTL_MS, sources: [source], rank: REGISTRY_RANK };
    const world = await startWorld(scene, options);
    const restarting = scene.chance.int(STEPS);
    for (let step = 0; step < STEPS; step++) {
      scene.made(DISAGREES);
      write(scene, world, file, deadPort);
      await scene.pause(200, 1_200);
      if (step !== restarting) continue;
      await registry.server.kill();
      await scene.pause(0, 1_000);
      await registry.server.restart();
    }
    save(
      file,
      entriesOf(world).map((entry) => ({ ...entry, weight: FILE_WEIGHT })),
    );
    const weight = rank < REGISTRY_RANK ? FILE_WEIGHT : undefined;
    await world.observer().until('the better rank is believed', ({ endpoints }) => {
      return weight === undefined || endpoints.every((endpoint) => endpoint.weight === weight);
    });
    const conflicts = await untilContradicted(world);
    if (conflicts > 0) scene.bit(DISAGREES);
    scene.note(`${conflicts} conflicts were counted`);
    const any = [0, STEPS * 3] as const;
    return conclude(scene, world, {
      removals: { 'not-in-source': any, 'same-address': any, replaced: any, deregistered: any },
    });
  },
};

/** How many contradictions have been counted, once there is one. */
async function untilContradicted(world: World): Promise<number> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const { '': conflicts = 0 } = await world.observer().metric('bascule_discovery_conflicts_total');
    if (conflicts > 0 || performance.now() > deadlineMs) return conflicts;
    await pause(50);
  }
}

function entriesOf({ living }: World): Entry[] {
  return [...living.backends.values()].map(({ instanceId, address, incarnation }) => ({
    instanceId,
    address,
    incarnation,
    weight: 1,
  }));
}

/** As an editor or a deployment does it: whole. */
function save(file: string, entries: readonly Entry[]): void {
  writeFileSync(`${file}.new`, JSON.stringify({ endpoints: entries }));
  renameSync(`${file}.new`, file);
}

/** Something that cannot all be so. At most one instance is lied about, since who is believed in everything can hide all. */
function write(scene: Scene, world: World, file: string, deadPort: number): void {
  const { chance } = scene;
  const truth = entriesOf(world);
  const liar = chance.int(truth.length);
  const lieAbout = (lie: Partial<Entry>): Entry[] =>
    truth.map((entry, i) => (i === liar ? { ...entry, ...lie } : entry));
  const what = chance.pick([
    'another weight',
    'another address',
    'another name',
    'fewer',
    'nobody',
    'garbage',
    'nothing',
  ] as const);
  scene.note(`the file says ${what}`);
  switch (what) {
    case 'another weight':
      return save(file, lieAbout({ weight: 3 }));
    case 'another address':
      return save(file, lieAbout({ address: `127.0.0.1:${deadPort}` }));
    case 'another name':
      return save(file, lieAbout({ instanceId: 'stranger', incarnation: 1 }));
    case 'fewer':
      return save(file, truth.slice(liar));
    case 'nobody':
      return save(file, []);
    case 'garbage':
      return writeFileSync(file, '{"endpoints": [');
    case 'nothing':
      return rmSync(file, { force: true });
  }
}
