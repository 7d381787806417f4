import { join } from 'node:path';
import { Code } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import {
  makeFolder,
  makeRanking,
  packageJson,
  rankingSource,
  RANKING_STUBS,
  servicesSource,
  writeFiles,
} from './support/fixtures.ts';
import { startRig, type Rig } from './support/rig.ts';
import { writeTgz } from './support/tarball.ts';

/** Deploys v1, tries what must be refused, and expects that nothing has changed. */
async function expectRefused(
  path: string | ((rig: Rig) => Promise<string>),
  reason: string | RegExp,
  loadTimeoutMs = 10_000,
): Promise<Rig> {
  const rig = await startRig(await makeFolder(), { loadTimeoutMs });
  await rig.modules.deploy({ path: await makeRanking('1.0.0'), source: 'v1' });
  const stream = rig.watch('s');
  await stream.reached(1);
  const groups = rig.groups();
  const bad = typeof path === 'string' ? path : await path(rig);
  const refusal: unknown = await rig.modules.deploy({ path: bad, source: 'v2' }).catch((error: unknown) => error);
  expect(refusal).toMatchObject({
    name: 'ModuleRefused',
    reason:
      typeof reason === 'string'
        ? (expect.stringContaining(reason) as string)
        : (expect.stringMatching(reason) as string),
  });
  expect(rig.groups()).toBe(groups);
  await stream.reached(stream.messages.length + 2);
  stream.cancel();
  expect((await rig.rank('after')).response?.version).toBe('1.0.0');
  expect(rig.modules.versions().filter(({ state }) => state === 'current')).toMatchObject([{ version: '1.0.0' }]);
  return rig;
}

describe('a version is refused, and nothing changes,', () => {
  it.each<[string, string, string | RegExp]>([
    ['throws at import', 'throw new Error("no database");', 'Error: no database'],
    ['exits at load', 'process.exit(3);', 'exited with code 3'],
    [
      'rejects without a handler',
      'void Promise.reject(new Error("lost")); await new Promise(() => {}); export default 1;',
      'uncaught Error: lost',
    ],
    [
      'has more to say than one line',
      'throw new Error("\\x1b[2J" + "first\\nsecond\\u202e".padEnd(1e6, "x"));',
      /^the module does not start: Error: {2}\[2Jfirst second x{1900,2000}\.\.\.$/,
    ],
    ['exports nothing', 'export const a = 1;', 'the default export is missing'],
    ['exports no function', 'export default { a: 1 };', 'of type object'],
    ['registers nothing', 'export default () => {};', 'registers no service'],
    ['throws in its routes', 'export default () => { throw new TypeError("bad routes"); };', 'TypeError: bad routes'],
    [
      'looks for the way to its host',
      "import { workerData } from 'node:worker_threads'; workerData.control.postMessage(null);",
      'TypeError: Cannot read properties of undefined',
    ],
    [
      'breaks what speaks for it',
      'const { postMessage } = MessagePort.prototype;' +
        'MessagePort.prototype.postMessage = function () { postMessage.call(this, null); };',
      'the worker said what makes no sense',
    ],
    ['does not parse', 'export default () => {\n  const a = ;\n};', /index\.ts:2:\d+: Unexpected ";"/],
    [
      'imports what is not there',
      "import 'no-such-package';\nexport default () => {};",
      /index\.ts:1:\d+: Could not resolve "no-such-package"/,
    ],
  ])('when it %s', async (_, source, reason) => {
    const rig = await expectRefused(await makeRanking('2.0.0', { source }), reason);
    expect(rig.modules.versions()[0]).toMatchObject({ version: '2.0.0', state: 'refused' });
    expect(rig.modules.versions()[0]?.reason).not.toBe('');
  });

  it.each([
    ['never settles', 'await new Promise(() => {});\nexport default () => {};'],
    ['runs without end', 'for (;;);\nexport default () => {};'],
  ])('when its load %s', async (_, source) => {
    await expectRefused(await makeRanking('2.0.0', { source }), 'did not load within 1500 ms', 1_500);
  });

  it('when a service in use is missing', async () => {
    const source = `
      import { create } from '@bufbuild/protobuf';
      import { fileDesc, serviceDesc } from '@bufbuild/protobuf/codegenv2';
      import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
      import { toBinary } from '@bufbuild/protobuf';
      const file = create(FileDescriptorProtoSchema, { name: 'o.proto', package: 'o', syntax: 'proto3',
        messageType: [{ name: 'M' }], service: [{ name: 'Other', method: [{ name: 'A', inputType: '.o.M', outputType: '.o.M' }] }] });
      const desc = serviceDesc(fileDesc(Buffer.from(toBinary(FileDescriptorProtoSchema, file)).toString('base64')), 0);
      export default (router) => router.service(desc, {});`;
    await expectRefused(
      await makeRanking('2.0.0', { source }),
      'service demo.ranking.v1.RankingService is in use and missing',
    );
  });

  it('when another module serves the same', async () => {
    const folder = await makeFolder();
    await writeFiles(folder, { 'package.json': packageJson('1.0.0', { name: 'order' }), 'index.ts': rankingSource() });
    await expectRefused(folder, 'is served by the module "ranking"');
  });

  it('when its package.json is malformed', async () => {
    await expectRefused(
      await writeFiles(await makeFolder(), { 'package.json': '{"name": "ranking"' }),
      'package.json: not JSON',
    );
  });

  it('when its archive leads outside', async () => {
    const file = join(await makeFolder(), 'evil.tgz');
    await expectRefused(() => writeTgz(file, [{ path: 'package/../../evil', text: 'x' }]), 'leads outside');
  });

  it('when the gateway does not take it', async () => {
    const path = await makeRanking('2.0.0');
    const rig = await startRig(await makeFolder());
    await rig.modules.deploy({ path: await makeRanking('1.0.0'), source: 'v1' });
    rig.failNextPublish();
    await expect(rig.modules.deploy({ path, source: 'v2' })).rejects.toThrow(
      'did not take the new version: the data thread is gone',
    );
    expect(rig.groups()[0]?.endpoint.moduleVersion).toBe('1.0.0');
    expect((await rig.rank('a')).outcome.code).toBe(Code.ok);
    // The next one goes through: nothing is left of the failed one.
    await rig.modules.deploy({ path, source: 'v2' });
    expect((await rig.rank('b')).response?.version).toBe('2.0.0');
  });
});

describe('a publication that never ends', () => {
  it('refuses the version and holds up no other module', async () => {
    const rig = await startRig(await makeFolder(), { publishTimeoutMs: 50 });
    await rig.modules.deploy({ path: await makeRanking('1.0.0'), source: 'v1' });
    const other = await writeFiles(await makeFolder(), {
      'package.json': packageJson('1.0.0', { name: 'order' }),
      'index.ts': servicesSource({ 't.A': ['Get'] }),
    });
    // The second one says again what holds.
    rig.failNextPublish('hang', 2);
    await expect(rig.modules.deploy({ path: await makeRanking('2.0.0'), source: 'v2' })).rejects.toThrow(
      'did not take the new version: it did not answer within 50 ms',
    );
    await rig.modules.deploy({ path: other, source: 'order' });
    expect((await rig.rank('a')).response?.version).toBe('1.0.0');
    expect(await rig.call('t.A/Get', 'order')).toMatchObject({ code: Code.ok });
  });
});

describe('package', () => {
  it('is deployed from a .tgz that brings no node_modules, and never runs its scripts', async () => {
    const folder = await makeFolder();
    const marker = join(folder, 'ran');
    const scripts = { preinstall: `touch ${marker}`, postinstall: `touch ${marker}`, prepare: `touch ${marker}` };
    const file = await writeTgz(join(folder, 'ranking.tgz'), [
      { path: 'package/package.json', text: packageJson('1.0.0', { scripts }) },
      { path: 'package/index.ts', text: rankingSource().replace(RANKING_STUBS, './gen/ranking_pb.ts') },
      { path: 'package/gen/ranking_pb.ts', text: `export * from ${JSON.stringify(RANKING_STUBS)};` },
    ]);
    const rig = await startRig(await makeFolder());
    const { version } = await rig.modules.deploy({ path: file, source: 'ranking.tgz' });
    expect(version).toMatchObject({ module: 'ranking', version: '1.0.0', state: 'current', source: 'ranking.tgz' });
    expect((await rig.rank('a')).response?.version).toBe('1.0.0');
    const { existsSync } = await import('node:fs');
    expect(existsSync(marker)).toBe(false);
  });
});
