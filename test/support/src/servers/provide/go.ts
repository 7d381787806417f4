import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Recipe } from './recipe.ts';
import { run, runs } from './run.ts';

const CONSUL_VERSION = 'v1.10.12';
const KUBERNETES_VERSION = 'v1.31.4';
/** Kubernetes publishes what lies under staging/ in its repository as modules of this version. */
const STAGING_VERSION = 'v0.31.4';

export const CONSUL: Recipe<{ readonly consul: string }> = {
  version: CONSUL_VERSION,
  locate: (folder) => ({ consul: join(folder, 'consul') }),
  async make(folder) {
    await build(folder, 'consul', {
      main: 'github.com/hashicorp/consul',
      requires: [
        `github.com/hashicorp/consul ${CONSUL_VERSION}`,
        'github.com/hashicorp/consul/api v1.13.0',
        'github.com/hashicorp/consul/sdk v0.9.0',
      ],
      // A library of it reaches into Go's runtime, which Go has refused since 1.23 unless it is told not to look.
      linkerFlags: '-s -w -checklinkname=0',
    });
  },
};

export const KUBERNETES: Recipe<{ readonly apiserver: string }> = {
  version: KUBERNETES_VERSION,
  locate: (folder) => ({ apiserver: join(folder, 'kube-apiserver') }),
  async make(folder) {
    await ensureGo();
    const module = `k8s.io/kubernetes@${KUBERNETES_VERSION}`;
    const { GoMod } = JSON.parse(await run('go', ['mod', 'download', '-json', module], { env: GO })) as {
      GoMod: string;
    };
    const staging = (await readFile(GoMod, 'utf8')).matchAll(/^\s*(?:replace\s+)?(\S+) => \.\/staging\//gm);
    const version = 'k8s.io/component-base/version';
    await build(folder, 'kube-apiserver', {
      main: 'k8s.io/kubernetes/cmd/kube-apiserver',
      requires: [`k8s.io/kubernetes ${KUBERNETES_VERSION}`],
      replaces: [...staging].map((match) => `${match[1]} => ${match[1]} ${STAGING_VERSION}`),
      linkerFlags: `-s -w -X ${version}.gitVersion=${KUBERNETES_VERSION} -X ${version}.gitMajor=1 -X ${version}.gitMinor=31`,
    });
  },
};

/** The installed Go and no other; what it downloads and compiles stays in its own caches, so a broken off build goes on from there. */
const GO = { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod -trimpath -buildvcs=false', GOWORK: 'off', CGO_ENABLED: '0' };

interface GoProgram {
  readonly main: string;
  readonly requires: readonly string[];
  readonly replaces?: readonly string[];
  readonly linkerFlags: string;
}

/** `go install main@version` refuses modules that replace others, so a module of nothing else asks for it. */
async function build(
  folder: string,
  file: string,
  { main, requires, replaces, linkerFlags }: GoProgram,
): Promise<void> {
  await ensureGo();
  const module = join(folder, 'module');
  await mkdir(module, { recursive: true });
  const replacing = replaces === undefined ? '' : `replace (\n${replaces.join('\n')}\n)\n`;
  await writeFile(
    join(module, 'go.mod'),
    `module throwaway\n\ngo 1.23.0\n\nrequire (\n${requires.join('\n')}\n)\n${replacing}`,
  );
  await writeFile(join(module, 'needs.go'), `//go:build needs\n\npackage throwaway\n\nimport _ "${main}"\n`);
  const built = join(module, file);
  await run('go', ['build', '-o', built, '-ldflags', linkerFlags, main], { cwd: module, env: GO });
  if (!existsSync(built)) throw new Error(`go built no ${file}`);
  await rename(built, join(folder, file));
  await rm(module, { recursive: true });
}

async function ensureGo(): Promise<void> {
  if (!(await runs('go', ['version'])))
    throw new Error('it is built from its sources, and Go is missing (https://go.dev/dl/)');
}
