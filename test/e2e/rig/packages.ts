import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleFolder } from '@bascule/modules';

const ROOT = join(import.meta.dirname, '../../..');

/** Packages are written below this folder of a test. */
export interface Packages {
  /** One of the demo's modules, bundled as the command line does it. */
  ofDemo(folder: 'ranking' | 'ranking-v2'): Promise<string>;
  /** A ranking module; see {@link rankingSource}. `files` are added or put in place of its own. */
  ofRanking(version: string, files?: Readonly<Record<string, string>>): Promise<string>;
  /** A folder with a ranking module, not packed. */
  folderOfRanking(version: string, reason: string): Promise<string>;
}

export function createPackages(folder: string): Packages {
  let made = 0;

  async function write(files: Readonly<Record<string, string>>): Promise<string> {
    const path = join(folder, `module-${++made}`);
    await mkdir(path);
    for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
    return path;
  }

  /** The source folder does not outlive its package: whatever runs later runs from what the gateway keeps. */
  async function pack(files: Readonly<Record<string, string>>): Promise<string> {
    const path = await write(files);
    execFileSync('tar', ['-czf', `${path}.tgz`, '-C', path, '.']);
    await rm(path, { recursive: true });
    return `${path}.tgz`;
  }

  return {
    async ofDemo(name) {
      const { name: npmName, version, module, code } = await bundleFolder(join(ROOT, 'apps/backend/modules', name));
      const manifest = { name: npmName, version, type: 'module', bascule: { module, entry: 'index.mjs' } };
      return pack({ 'package.json': JSON.stringify(manifest), 'index.mjs': Buffer.from(code).toString('utf8') });
    },
    ofRanking: (version, files = {}) =>
      pack({ 'package.json': manifestOf(version), 'index.ts': rankingSource('packed'), ...files }),
    folderOfRanking: (version, reason) =>
      write({ 'package.json': manifestOf(version), 'index.ts': rankingSource(reason) }),
  };
}

function manifestOf(version: string): string {
  return JSON.stringify({ name: '@test/ranking', version, type: 'module', bascule: { module: 'ranking' } });
}

/**
 * Source of a ranking module. Rank gives `reason`; Vote obeys its call id: "exit" ends the worker, "hoard" fills its
 * heap, "hang" waits for the caller to leave.
 */
export function rankingSource(reason: string): string {
  return `
import { setImmediate, setTimeout } from 'node:timers/promises';
import { RankingService } from ${JSON.stringify(join(ROOT, 'apps/backend/gen/demo/ranking/v1/ranking_pb.ts'))};

const version = process.env['BASCULE_MODULE_VERSION'];
const hoard = [];

export default (router) => {
  router.service(RankingService, {
    rank: ({ callId }) => ({ callId, version, ranked: [{ reason: ${JSON.stringify(reason)} }] }),
    async *watch({ callId }, { signal }) {
      for (let sequence = 1n; ; sequence++) {
        yield { callId, sequence, version };
        await setTimeout(10, undefined, { signal });
      }
    },
    async vote({ callId }, { signal }) {
      if (callId === 'exit') process.exit(3);
      if (callId === 'hang') await setTimeout(60_000, undefined, { signal });
      while (callId === 'hoard') {
        hoard.push(Array.from({ length: 20_000 }, (_, i) => ({ i })));
        await setImmediate();
      }
      return { callId, version };
    },
  });
};
`;
}

/** Source of a module that serves EchoService in place of RankingService. */
export function strangerSource(): string {
  return `
import { EchoService } from ${JSON.stringify(join(import.meta.dirname, 'echo-schema.ts'))};

export default (router) => {
  router.service(EchoService, { say: ({ value }) => ({ value }) });
};
`;
}
