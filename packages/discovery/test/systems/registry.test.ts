import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeSystemContract } from '../contract/system-contract.ts';
import { startRegistryServer } from './registry-server.ts';

const TOKEN = 'a-token-that-nobody-guesses';

function writeRules(): { readonly file: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-registry-'));
  const file = join(folder, 'access.yaml');
  const sha256 = createHash('sha256').update(TOKEN).digest('hex');
  writeFileSync(file, `tokens: [{ name: test, sha256: ${sha256}, register: ['*'], read: ['*'] }]\n`);
  return { file, remove: () => rmSync(folder, { recursive: true }) };
}

describeSystemContract(
  'registry',
  async () => {
    const rules = writeRules();
    const server = await startRegistryServer();
    const locked = await startRegistryServer(rules.file);
    return {
      server,
      scope: (name) => ({
        access: (port) => ({ url: `http://127.0.0.1:${port}/${name}` }),
        wrongAccess: async () => ({
          url: `http://127.0.0.1:${locked.port}`,
          credentials: { token: 'guessed-in-the-dark' },
        }),
      }),
      async close() {
        await server.stop();
        await locked.stop();
        rules.remove();
      },
    };
  },
  {
    notApplicable: {
      'garbage stops nobody else': 'the registry takes no record that cannot be read',
      'a known record that turns to garbage stays': 'the registry takes no record that cannot be read',
    },
    // A registrar hears of a registry that has lost its memory when it renews, at a third of the suite's 60 s.
    patienceMs: 40_000,
  },
);
