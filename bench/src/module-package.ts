import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { bundleFolder } from '@bascule/modules';
import { DeployRequestSchema, type DeployRequest } from '@bascule/schema/gen/bascule/modules/v1/modules_pb.ts';
import type { Operator } from './operator.ts';
import { nowMs } from './time.ts';

/** A version of a module, ready to be sent. */
export interface ModulePackage {
  readonly version: string;
  /** A .tgz. */
  readonly bytes: Uint8Array;
}

/** Packs a module's folder as "bascule deploy" does: one bundled file beside its manifest. */
export async function packModule(source: string, folder: string): Promise<ModulePackage> {
  const { name, version, module, code } = await bundleFolder(source);
  const packed = join(folder, `package-${version}`);
  await mkdir(packed);
  await writeFile(join(packed, 'index.mjs'), code);
  const manifest = { name, version, type: 'module', bascule: { module, entry: 'index.mjs' } };
  await writeFile(join(packed, 'package.json'), JSON.stringify(manifest));
  const archive = `${packed}.tgz`;
  await promisify(execFile)('tar', ['czf', archive, '-C', packed, '.']);
  return { version, bytes: await readFile(archive) };
}

/** Where the time of a deployment went, as the gateway tells, and from the request to its answer. */
export interface DeployTimes {
  readonly requestedMs: number;
  readonly answeredMs: number;
  readonly parts: Readonly<Record<'unpack' | 'bundle' | 'worker start' | 'check' | 'switch', number>>;
}

/** Deploys a version through the operator's service. */
export async function deploy({ modules }: Operator, { version, bytes }: ModulePackage): Promise<DeployTimes> {
  const requestedMs = nowMs();
  const answer = await modules.deploy(toRequests(bytes));
  const answeredMs = nowMs();
  if (answer.version?.version !== version || answer.unchanged)
    throw new Error(`version ${version} did not become current`);
  const { timings } = answer;
  const toMs = (part: Parameters<typeof durationMs>[0] | undefined): number =>
    part === undefined ? 0 : durationMs(part);
  return {
    requestedMs,
    answeredMs,
    parts: {
      unpack: toMs(timings?.unpack),
      bundle: toMs(timings?.bundle),
      'worker start': toMs(timings?.workerStart),
      check: toMs(timings?.check),
      switch: toMs(timings?.switchOver),
    },
  };
}

async function* toRequests(bytes: Uint8Array): AsyncGenerator<DeployRequest> {
  yield create(DeployRequestSchema, { part: { case: 'start', value: { source: 'bench' } } });
  yield create(DeployRequestSchema, { part: { case: 'chunk', value: bytes } });
}
