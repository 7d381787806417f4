import { readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { messageOf, ModuleRefused } from './refusal.ts';

/** What the package.json of a version says. */
export interface Manifest {
  /** npm name of the package. */
  readonly name: string;
  readonly version: string;
  /** Short name by which operators call it. */
  readonly module: string;
  /** Absolute path of the file whose default export takes the router. */
  readonly entryFile: string;
}

const ENTRIES = ['index.ts', 'index.js', 'index.mjs'];
const MAX_MANIFEST_BYTES = 1024 * 1024;
const NAME = /^(?:@[a-z0-9-~][a-z0-9-._~]*\/)?[a-z0-9-~][a-z0-9-._~]*$/;
const MODULE = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const NUMBER = '(?:0|[1-9]\\d*)';
const PRERELEASE_PART = `(?:${NUMBER}|\\d*[a-zA-Z-][0-9a-zA-Z-]*)`;
/** Source: semver.org 2.0.0, items 2, 9 and 10. */
const SEMVER = new RegExp(
  `^${NUMBER}\\.${NUMBER}\\.${NUMBER}(?:-${PRERELEASE_PART}(?:\\.${PRERELEASE_PART})*)?(?:\\+[0-9a-zA-Z-]+(?:\\.[0-9a-zA-Z-]+)*)?$`,
);

/** Reads and checks the package.json of an unpacked version. Throws ModuleRefused naming the field and the cure. */
export async function readManifest(folder: string): Promise<Manifest> {
  const json = await parsePackage(folder);
  const name = stringField(json, 'name', 'give the package a name, as in "name": "ranking"');
  if (!NAME.test(name) || name.length > 214) {
    throw refuseField(
      'name',
      `"${shorten(name)}" is not a package name`,
      'use lower-case letters, digits, "-", "." or "_"',
    );
  }
  const version = stringField(json, 'version', 'state it, as in "version": "1.0.0"');
  if (!SEMVER.test(version) || version.length > 128) {
    throw refuseField(
      'version',
      `"${shorten(version)}" is not a semantic version`,
      'write three numbers, as in "1.0.0"',
    );
  }
  const section = sectionOf(json);
  const module = section['module'] ?? name.slice(name.indexOf('/') + 1);
  if (typeof module !== 'string' || !MODULE.test(module)) {
    throw refuseField(
      'bascule.module',
      'not a short name',
      'use 1 to 64 of lower-case letters, digits, "-", "." and "_", beginning with a letter or digit',
    );
  }
  return { name, version, module, entryFile: await findEntry(folder, section['entry'], json['main']) };
}

async function parsePackage(folder: string): Promise<Record<string, unknown>> {
  const advice = 'Put a package.json with "name", "version" and "bascule" into the top folder of the module';
  let text: string;
  try {
    const file = join(folder, 'package.json');
    const { size } = await stat(file);
    if (size > MAX_MANIFEST_BYTES)
      throw new ModuleRefused(`package.json: ${size} bytes are too many`, 'Keep it below 1 MiB');
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof ModuleRefused) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new ModuleRefused(`package.json: ${missing ? 'missing' : messageOf(error)}`, advice);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ModuleRefused(`package.json: not JSON: ${messageOf(error)}`, 'Correct the file');
  }
  if (!isObject(json)) throw new ModuleRefused('package.json: not an object', advice);
  return json;
}

function sectionOf(json: Record<string, unknown>): Record<string, unknown> {
  const section = json['bascule'];
  if (section === undefined) {
    throw refuseField('bascule', 'missing', 'add "bascule": {}, which says that this package is a handler module');
  }
  if (!isObject(section)) throw refuseField('bascule', 'not an object', 'write "bascule": {}');
  // A misspelt field would otherwise be a default that nobody asked for.
  const unknown = Object.keys(section).find((key) => key !== 'module' && key !== 'entry');
  if (unknown !== undefined) {
    throw refuseField(`bascule.${shorten(unknown)}`, 'unknown', 'the fields are "module" and "entry"');
  }
  return section;
}

async function findEntry(folder: string, entry: unknown, main: unknown): Promise<string> {
  if (entry !== undefined) return checkEntry(folder, 'bascule.entry', entry);
  for (const candidate of ENTRIES) {
    if (await isFile(join(folder, candidate))) return join(folder, candidate);
  }
  if (main !== undefined) return checkEntry(folder, 'main', main);
  throw refuseField(
    'bascule.entry',
    `missing, and there is no ${ENTRIES.join(', ')}`,
    'name the file, as in "entry": "src/ranking.ts"',
  );
}

async function checkEntry(folder: string, field: string, entry: unknown): Promise<string> {
  const advice = 'name a file inside the folder, as in "src/ranking.ts"';
  if (typeof entry !== 'string' || entry === '' || entry.includes('\0'))
    throw refuseField(field, 'not a file name', advice);
  const file = join(folder, entry);
  if (isAbsolute(entry) || isOutside(folder, file))
    throw refuseField(field, `"${shorten(entry)}" is outside the folder`, advice);
  if (!(await isFile(file))) throw refuseField(field, `there is no file "${shorten(entry)}"`, advice);
  // A symbolic link would lead out of the folder as well as "..".
  if (isOutside(await realpath(folder), await realpath(file))) {
    throw refuseField(field, `"${shorten(entry)}" leads outside the folder`, advice);
  }
  return file;
}

function isOutside(folder: string, file: string): boolean {
  const way = relative(folder, file);
  return way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way);
}

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

function stringField(json: Record<string, unknown>, field: string, advice: string): string {
  const value = json[field];
  if (value === undefined) throw refuseField(field, 'missing', advice);
  if (typeof value !== 'string') throw refuseField(field, 'not a string', advice);
  return value;
}

function refuseField(field: string, problem: string, advice: string): ModuleRefused {
  return new ModuleRefused(`package.json: field "${field}": ${problem}`, advice[0]?.toUpperCase() + advice.slice(1));
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
