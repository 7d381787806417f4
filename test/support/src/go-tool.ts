import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Judges that are written in Go, pinned. They come through the Go module proxy and are no part of the repository. */
export const GO_TOOLS = {
  connectconformance: 'connectrpc.com/conformance/cmd/connectconformance@v1.0.6',
  referenceclient: 'connectrpc.com/conformance/cmd/referenceclient@v1.0.6',
  referenceserver: 'connectrpc.com/conformance/cmd/referenceserver@v1.0.6',
  grpcclient: 'connectrpc.com/conformance/cmd/grpcclient@v1.0.6',
  grpcserver: 'connectrpc.com/conformance/cmd/grpcserver@v1.0.6',
  h2spec: 'github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible',
  grpcurl: 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3',
  ghz: 'github.com/bojand/ghz/cmd/ghz@v0.121.0',
} as const;

export type GoTool = keyof typeof GO_TOOLS;

/** Whether Go is here to build them. */
export function hasGo(): boolean {
  return spawnSync('go', ['version'], { stdio: 'ignore' }).status === 0;
}

/** Whether judges written in Go can be asked; says loudly what is not judged otherwise. */
export function canJudge(what: string): boolean {
  const can = hasGo();
  if (!can) process.emitWarning(`NOT JUDGED: ${what}, since Go is missing (https://go.dev/dl/)`);
  return can;
}

/** The program's path; built once into the user's cache. Throws with advice when it cannot be. */
export async function goTool(name: GoTool): Promise<string> {
  const [module, version] = GO_TOOLS[name].split('@') as [string, string];
  const folder = join(cacheFolder(), `${module.replaceAll('/', '_')}@${version}`);
  const file = join(folder, name);
  if (existsSync(file)) return file;
  await mkdir(folder, { recursive: true });
  const env = { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod' };
  try {
    await promisify(execFile)('go', ['install', GO_TOOLS[name]], { env, cwd: folder, maxBuffer: 1 << 24 });
  } catch (error) {
    throw new Error(`${name} could not be built; it needs Go and the Go module proxy: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return file;
}

/** Where what tests need is kept once built: outside of the repository, since it is no part of it. */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'bascule-tools');
}
