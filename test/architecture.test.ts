import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** What each room may import of ours. Dev dependencies are for its tests and do not count. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  schema: [],
  core: [],
  wire: ['core'],
  layers: ['core'],
  discovery: ['core', 'schema'],
  balancer: ['core'],
  kit: ['core', 'wire', 'schema'],
  client: ['core', 'schema', 'wire', 'layers', 'discovery', 'balancer'],
  server: ['core', 'schema', 'wire', 'layers', 'discovery', 'kit', 'client'],
  modules: ['core', 'schema', 'wire', 'kit'],
  gateway: ['core', 'schema', 'wire', 'layers', 'discovery', 'balancer', 'kit', 'client', 'server', 'modules'],
  web: ['core', 'layers'],
  cli: ['core', 'schema', 'wire', 'layers', 'discovery', 'balancer', 'kit', 'client', 'server', 'modules', 'gateway'],
};

/** Rooms that run in a browser as well. */
const WITHOUT_NODE = ['core', 'layers', 'web'];

/** Time and chance have one door, so that tests replay by seed. */
const BANNED = /\b(Date\.now|Math\.random|performance\.now)\b|(?<![.\w])(setTimeout|setInterval)\b/;
const CLOCK = 'packages/core/src/clock.ts';

/** A version's worker begins with the few variables that its parent passes on: both ends of that are here. */
const MAY_READ_ENVIRONMENT = ['packages/modules/src/worker/', 'packages/modules/src/create-worker.ts'];

const root = join(import.meta.dirname, '..');
const rooms = readdirSync(join(root, 'packages'));

function filesOf(folder: string): string[] {
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(join(root, path)).isDirectory()) return name === 'gen' ? [] : filesOf(path);
    return name.endsWith('.ts') || name.endsWith('.tsx') ? [path] : [];
  });
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] as string);
}

describe('rooms', () => {
  it('are the ones that are drawn', () => {
    expect(rooms.toSorted()).toEqual(Object.keys(ARROWS).toSorted());
  });

  it.each(rooms)('%s declares only the arrows it may have', (room) => {
    const manifest = JSON.parse(readFileSync(join(root, 'packages', room, 'package.json'), 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    const ours = Object.keys(manifest.dependencies ?? {}).filter((name) => name.startsWith('@bascule/'));
    expect(ours.map((name) => name.slice('@bascule/'.length)).filter((name) => !ARROWS[room]?.includes(name))).toEqual(
      [],
    );
  });

  it.each(rooms)('%s imports only what it declares, through doors', (room) => {
    const wrong = filesOf(join('packages', room, 'src')).flatMap((file) =>
      importsOf(file)
        .filter((name) => {
          if (name.startsWith('@bascule/')) return !ARROWS[room]?.includes(name.split('/')[1] as string);
          return name.startsWith('.') && join(file, '..', name).split('/')[1] !== room;
        })
        .map((name) => `${file}: ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it.each(WITHOUT_NODE)('%s imports nothing of Node', (room) => {
    const wrong = filesOf(join('packages', room, 'src')).flatMap((file) =>
      importsOf(file).filter((name) => name.startsWith('node:')),
    );
    expect(wrong).toEqual([]);
  });

  it('take time and chance from the clock alone', () => {
    const wrong = rooms
      .flatMap((room) => filesOf(join('packages', room, 'src')))
      .filter((file) => file !== CLOCK && BANNED.test(withoutComments(readFileSync(join(root, file), 'utf8'))));
    expect(wrong).toEqual([]);
  });

  it('keep the data side of the gateway from asking control', () => {
    const wrong = filesOf('packages/gateway/src/data').filter((file) =>
      importsOf(file).some((name) => /control|admin|config/.test(name)),
    );
    expect(wrong).toEqual([]);
  });

  it('let only the command line read argv, environment and exit', () => {
    const wrong = rooms
      .filter((room) => room !== 'cli')
      .flatMap((room) => filesOf(join('packages', room, 'src')))
      .filter((file) => !MAY_READ_ENVIRONMENT.some((name) => file.startsWith(name)))
      .filter((file) => /process\.(argv|env|exit)\b/.test(withoutComments(readFileSync(join(root, file), 'utf8'))));
    expect(wrong).toEqual([]);
  });
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
}
