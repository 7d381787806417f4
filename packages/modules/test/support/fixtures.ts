import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** The demo's stubs, for modules written into folders outside the workspace. */
export const RANKING_STUBS = fileURLToPath(
  new URL('../../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts', import.meta.url),
);

/** An empty folder that goes away with the test. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bascule-modules-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files below a folder. */
export async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

/** The package.json of a version. */
export function packageJson(version: string, more: object = {}): string {
  return JSON.stringify({ name: '@demo/ranking', version, bascule: {}, ...more });
}

/** Source of a ranking module; `rank` is the body of its Rank handler. */
export function rankingSource(rank = 'return answer(request);'): string {
  return `
import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { RankedSchema, RankingService, type RankRequest } from ${JSON.stringify(RANKING_STUBS)};

const version = process.env['BASCULE_MODULE_VERSION'];
const answer = (request: RankRequest) => ({ callId: request.callId, version });
export const used = [create, Code, ConnectError, RankedSchema];
export default (router: ConnectRouter): void => {
  router.service(RankingService, {
    async rank(request) {
      ${rank}
    },
    async *watch(request, context) {
      for (let sequence = 1n; !context.signal.aborted; sequence++) {
        yield { callId: request.callId, sequence, version };
        await sleep(5);
      }
    },
    vote: (request) => ({ callId: request.callId, version }),
  });
};
`;
}

/** A folder with a ranking module. */
export async function makeRanking(version: string, options: { rank?: string; source?: string } = {}): Promise<string> {
  return writeFiles(await makeFolder(), {
    'package.json': packageJson(version),
    'index.ts': options.source ?? rankingSource(options.rank),
  });
}

/** Source of a module with unary methods over an empty message, `t.A: ['Get']` for `t.A/Get`; each answers at once. */
export function servicesSource(services: Readonly<Record<string, readonly string[]>>): string {
  return `
import { create, toBinary } from '@bufbuild/protobuf';
import { fileDesc, serviceDesc } from '@bufbuild/protobuf/codegenv2';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { ConnectRouter } from '@connectrpc/connect';

const services = ${JSON.stringify(Object.entries(services))};
const proto = create(FileDescriptorProtoSchema, {
  name: 't.proto', package: 't', syntax: 'proto3', messageType: [{ name: 'M' }],
  service: services.map(([name, methods]) => ({
    name: name.slice('t.'.length),
    method: methods.map((method) => ({ name: method, inputType: '.t.M', outputType: '.t.M' })),
  })),
});
const file = fileDesc(Buffer.from(toBinary(FileDescriptorProtoSchema, proto)).toString('base64'));
export default (router: ConnectRouter): void => {
  services.forEach(([, methods], index) => {
    const lower = (name: string) => name[0].toLowerCase() + name.slice(1);
    router.service(serviceDesc(file, index), Object.fromEntries(methods.map((name) => [lower(name), () => ({})])));
  });
};
`;
}
