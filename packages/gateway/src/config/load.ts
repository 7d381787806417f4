import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { create, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { ConfigSchema, type Config } from '@bascule/schema/gen/bascule/config/v1/config_pb.ts';
import { checkSettings } from './checks.ts';
import { formatPath, type ConfigError, type ConfigPath } from './error.ts';
import { readFiles } from './files.ts';
import { validateRules, type RuleProblem } from './rules.ts';
import { resolveSettings } from './settings.ts';
import type { Settings } from './settings-types.ts';
import { validateShape } from './shape.ts';
import { checkUnread } from './unread-checks.ts';
import { parseYaml, type Place } from './yaml-source.ts';

/** A configuration that holds every rule. */
export interface LoadedConfig {
  readonly ok: true;
  readonly config: Config;
  readonly settings: Settings;
  /** Says where in the file something stands that turned out to be wrong only when it was used. */
  readonly errorOf: (problem: RuleProblem) => ConfigError;
  /** Stamps of the files that it names, as they were when they were read. */
  readonly stamps: ReadonlyMap<string, string>;
}

/** Everything that is wrong with a file, in the order of its lines. */
export interface RefusedConfig {
  readonly ok: false;
  readonly errors: readonly ConfigError[];
  /** As of a loaded one, as far as it was read. */
  readonly stamps: ReadonlyMap<string, string>;
}

/** No configuration written by hand comes near; a log or a dump given by mistake does. */
const MAX_FILE_BYTES = 1_048_576;
/** After so many errors the file is not what it was taken for. */
const MAX_ERRORS = 20;

/** Reads a configuration file and the files that it names. Paths in it are relative to its folder. Never throws. */
export async function loadConfig(file: string): Promise<LoadedConfig | RefusedConfig> {
  const read = await readLimited(file);
  if (!('text' in read)) return refuseFile(file, read.message, read.advice);
  const parsed = parseConfig(read.text, file);
  if (!parsed.ok) return parsed;
  const { settings } = parsed;
  const { files, stamps, problems } = await readFiles(settings);
  if (problems.length > 0) return refuse(problems.map(parsed.errorOf), stamps);
  return { ...parsed, stamps, settings: { ...settings, discovery: { ...settings.discovery, files } } };
}

/**
 * The same for a text that was read already, without the files that it names; `file` names it in errors and its folder
 * anchors paths.
 */
export function parseConfig(text: string, file: string): LoadedConfig | RefusedConfig {
  const yaml = parseYaml(text, file);
  if (!yaml.ok) return refuse(yaml.errors);
  const { source } = yaml;
  const toError = (path: ConfigPath, place: Place, words: { message: string; advice: string }): ConfigError => ({
    file,
    line: place.line,
    column: place.column,
    field: formatPath(path),
    message: words.message,
    advice: words.advice,
  });
  const misshapen = validateShape(ConfigSchema, source.value);
  if (misshapen.length > 0) {
    return refuse(
      misshapen.map((p) => toError(p.path, p.at === 'key' ? source.placeOfKey(p.path) : source.placeOf(p.path), p)),
    );
  }
  const config = fromJson(ConfigSchema, (source.value ?? {}) as JsonValue);
  const broken = validateRules(config, (path) => source.valueAt(path));
  const errorOf = (problem: RuleProblem): ConfigError => toError(problem.path, source.placeOf(problem.path), problem);
  if (broken.length > 0) return refuse(broken.map(errorOf));
  const settings = resolveSettings(config, dirname(resolve(file)));
  const contradictions = [...checkSettings(settings), ...checkUnread(config)];
  if (contradictions.length > 0) return refuse(contradictions.map(errorOf));
  return { ok: true, config, settings, errorOf, stamps: new Map() };
}

/** What a gateway without a file runs with; `baseDir` is where its state folder goes. */
export function defaultSettings(baseDir: string): Settings {
  return resolveSettings(create(ConfigSchema), baseDir);
}

function refuse(errors: readonly ConfigError[], stamps: ReadonlyMap<string, string> = new Map()): RefusedConfig {
  const inOrder = [...errors].sort((a, b) => a.line - b.line || a.column - b.column);
  return { ok: false, errors: inOrder.slice(0, MAX_ERRORS), stamps };
}

function refuseFile(file: string, message: string, advice: string): RefusedConfig {
  return refuse([{ file, line: 1, column: 1, field: '', message, advice }]);
}

type ReadResult = { readonly text: string } | { readonly message: string; readonly advice: string };

async function readLimited(file: string): Promise<ReadResult> {
  try {
    // Without waiting for a writer, should it be a pipe.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const facts = await handle.stat();
      if (facts.isDirectory()) return explainRead({ code: 'EISDIR' });
      // Devices and pipes have no size, and may never end.
      if (!facts.isFile()) return { message: 'is not a file', advice: 'Name a file, or a link to one.' };
      const { size } = facts;
      if (size > MAX_FILE_BYTES) {
        const message = `is larger than ${MAX_FILE_BYTES} bytes (has ${size})`;
        return { message, advice: 'Is it the right file?' };
      }
      const bytes = await handle.readFile();
      return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    return explainRead(cause);
  }
}

function explainRead(cause: unknown): { message: string; advice: string } {
  if (cause instanceof TypeError) return { message: 'is not UTF-8 text', advice: 'Save it as UTF-8.' };
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  switch (code) {
    case 'ENOENT':
      return { message: 'does not exist', advice: 'Name another file, or leave the option out to run with defaults.' };
    case 'EISDIR':
      return { message: 'is a folder', advice: 'Name the file in it.' };
    case 'EACCES':
      return { message: 'may not be read', advice: 'Give this user the right to read it.' };
    default:
      return { message: `cannot be read (${code})`, advice: 'Check the path and the disk.' };
  }
}
