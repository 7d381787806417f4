import { realpath } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, stop, type BuildFailure, type BuildResult, type Message, type Plugin } from 'esbuild';
import { formatMib } from './limits.ts';
import { ModuleRefused, messageOf } from './refusal.ts';

export interface Bundler {
  /** One self-contained ESM file of an entry and all it imports. Throws ModuleRefused with file and line. */
  bundle(entryFile: string, folder: string): Promise<Uint8Array>;
  /** Files outside the folder that the bundle is made of, but for installed packages; absolute. Throws like `bundle`. */
  outsideInputs(entryFile: string, folder: string): Promise<string[]>;
  close(): Promise<void>;
}

const OWN_FOLDER = dirname(fileURLToPath(import.meta.url));
const MAX_SHOWN_ERRORS = 3;

/** esbuild keeps one child process for everybody in here; the last one to close ends it. */
let users = 0;

/** Makes a bundler. `maxBytes` bounds what a version may weigh. */
export function createBundler(maxBytes: number): Bundler {
  users++;
  let open = true;
  return {
    async bundle(entryFile, folder) {
      const result = await runBuild(entryFile, folder);
      return checkSize(result.outputFiles[0]?.contents ?? new Uint8Array(), maxBytes);
    },
    async outsideInputs(entryFile, folder) {
      const { metafile } = await runBuild(entryFile, folder);
      // esbuild follows links, so what lies in the folder is told by where the folder really is.
      const home = join(await realpath(folder), sep);
      return Object.keys(metafile.inputs)
        .map((input) => resolve(folder, input))
        .filter((file) => !file.startsWith(home) && !file.split(sep).includes('node_modules'));
    },
    async close() {
      if (!open) return;
      open = false;
      users--;
      if (users === 0) await stop();
    },
  };
}

type Built = BuildResult<{ write: false; metafile: true }>;

function runBuild(entryFile: string, folder: string): Promise<Built> {
  return build({
    entryPoints: [entryFile],
    absWorkingDir: folder,
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'silent',
    // A tsconfig.json above the folder is somebody else's, and would change the digest of the same sources.
    tsconfigRaw: {},
    plugins: [runtimeFallback],
  }).catch((error: unknown) => {
    throw new ModuleRefused(
      `the module does not build: ${formatFailure(error)}`,
      'Correct the source and deploy again',
    );
  });
}

function checkSize(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (bytes.length <= maxBytes) return bytes;
  throw new ModuleRefused(
    `the bundle has ${formatMib(bytes.length)}, and ${formatMib(maxBytes)} are allowed`,
    'Import less, or move data out of the source',
  );
}

/**
 * A package unpacked from a .tgz comes without node_modules. What every handler needs, it then finds at ours; it is
 * inlined all the same, so a stored version never depends on the gateway's own copy.
 */
const runtimeFallback: Plugin = {
  name: 'runtime-fallback',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^@(?:bufbuild\/protobuf|connectrpc\/connect)(?:\/|$)/ }, async (args) => {
      if (args.pluginData === runtimeFallback) return undefined;
      const { kind, importer, namespace, resolveDir } = args;
      const near = await esbuild.resolve(args.path, {
        kind,
        importer,
        namespace,
        resolveDir,
        pluginData: runtimeFallback,
      });
      if (near.errors.length === 0) return near;
      return esbuild.resolve(args.path, { kind, resolveDir: OWN_FOLDER, pluginData: runtimeFallback });
    });
  },
};

function formatFailure(error: unknown): string {
  const errors = (error as Partial<BuildFailure>).errors;
  if (errors === undefined || errors.length === 0) return messageOf(error);
  const shown = errors.slice(0, MAX_SHOWN_ERRORS).map(formatMessage);
  const more = errors.length > MAX_SHOWN_ERRORS ? ` (and ${errors.length - MAX_SHOWN_ERRORS} more)` : '';
  return shown.join('; ') + more;
}

function formatMessage({ text, location }: Message): string {
  return location === null ? text : `${location.file}:${location.line}:${location.column + 1}: ${text}`;
}
