import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Gateway } from '@bascule/gateway';

const HERE = import.meta.dirname;
const CLI = join(HERE, '../../../packages/cli/bin/bascule.mjs');
const run = promisify(execFile);

/** The suite's service as a handler module of a gateway. */
export interface ServiceModule {
  /** Makes one of two versions current by "bascule deploy"; they differ in nothing else. */
  deploy(version: '1.0.0' | '2.0.0'): Promise<void>;
  close(): Promise<void>;
}

export async function createServiceModule(gateway: Gateway): Promise<ServiceModule> {
  const folder = await mkdtemp(join(tmpdir(), 'bascule-conformance-module-'));
  const source = `
import { createRoutes } from ${JSON.stringify(join(HERE, '../service/routes.ts'))};
import { loadStubs } from ${JSON.stringify(join(HERE, '../load-stubs.ts'))};
export default createRoutes(await loadStubs());
`;
  return {
    async deploy(version) {
      const home = join(folder, version);
      await mkdir(home, { recursive: true });
      const manifest = { name: 'conformance', version, type: 'module', bascule: { module: 'conformance' } };
      await writeFile(join(home, 'package.json'), JSON.stringify(manifest));
      await writeFile(join(home, 'index.ts'), `// ${version}${source}`);
      const operator = ['--operator', `http://127.0.0.1:${gateway.operatorPort}`];
      const token = ['--token-file', join(gateway.stateDir, 'token')];
      await run(process.execPath, [CLI, 'deploy', home, ...operator, ...token]);
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}
