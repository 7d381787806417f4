import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Recipe } from './recipe.ts';
import { run, runs } from './run.ts';

/** Security updates remove the version before them from Debian's servers, so the release is all that can be pinned. */
const VERSION = `debian-${release()}`;

const QUIET = ['-q', '-o', 'APT::Sandbox::User=root', '-o', 'DPkg::Lock::Timeout=120'];

export const ETCD: Recipe<{ readonly etcd: string }> = {
  version: VERSION,
  locate: (folder) => ({ etcd: join(folder, 'usr/bin/etcd') }),
  async make(folder) {
    await unpack(folder, ['etcd-server']);
    await run(ETCD.locate(folder).etcd, ['--version'], { env: { ETCD_UNSUPPORTED_ARCH: process.arch } });
  },
};

export const ZOOKEEPER: Recipe<{ readonly java: string; readonly classpath: string }> = {
  version: VERSION,
  locate(folder) {
    const jars = [
      'zookeeper',
      'zookeeper-jute',
      'slf4j-api',
      'slf4j-simple',
      'metrics-core',
      'snappy-java',
      'netty-all',
    ];
    const paths = [...jars, 'commons-io'].map((name) => join(folder, 'usr/share/java', `${name}.jar`));
    return { java: 'java', classpath: paths.join(':') };
  },
  async make(folder) {
    await ensureJava();
    // Not what Debian has it depend on: that is a desktop's Java, Tomcat and Jetty, for an admin page that stays off.
    const libraries = ['slf4j', 'dropwizard-metrics', 'snappy', 'netty', 'commons-io'].map((name) => `lib${name}-java`);
    await unpack(folder, ['libzookeeper-java', ...libraries]);
  },
};

export const BIND: Recipe<{ readonly named: string; readonly libraries: string }> = {
  version: VERSION,
  locate: (folder) => ({ named: join(folder, 'usr/sbin/named'), libraries: librariesOf(folder) }),
  async make(folder) {
    await unpackWithMissing(folder, 'bind9', ['bind9', 'bind9-libs']);
    const { named, libraries } = BIND.locate(folder);
    await run(named, ['-v'], { env: { LD_LIBRARY_PATH: libraries } });
  },
};

export const REDIS: Recipe<{ readonly redis: string; readonly libraries: string }> = {
  version: VERSION,
  locate: (folder) => ({ redis: join(folder, 'usr/bin/redis-server'), libraries: librariesOf(folder) }),
  async make(folder) {
    // The program itself is in the package of the tools.
    await unpackWithMissing(folder, 'redis-server', ['redis-server', 'redis-tools']);
    const { redis, libraries } = REDIS.locate(folder);
    await run(redis, ['--version'], { env: { LD_LIBRARY_PATH: libraries } });
  },
};

function librariesOf(folder: string): string {
  const library = join(folder, 'usr/lib');
  const triplet = existsSync(library) ? readdirSync(library).find((name) => name.endsWith('-linux-gnu')) : undefined;
  return join(library, triplet ?? '');
}

/** Unpacks what installing a package would bring here. What stands here already stays, but for `always`. */
async function unpackWithMissing(folder: string, name: string, always: readonly string[]): Promise<void> {
  await withLists(async () => {
    // Nothing is installed by it: it prints what is missing on this machine.
    const plan = await run('apt-get', [...QUIET, 'install', '-s', '--no-install-recommends', name]);
    const missing = [...plan.matchAll(/^Inst (\S+) \(/gm)].map((match) => match[1] as string);
    await unpack(folder, [...new Set([...always, ...missing])]);
  });
}

/** Puts packages into a folder as they are in the archive: nothing is installed, no daemon starts, and no root is needed. */
async function unpack(folder: string, packages: readonly string[]): Promise<void> {
  const archives = join(folder, 'archives');
  await mkdir(archives, { recursive: true });
  await withLists(() => run('apt-get', [...QUIET, 'download', ...packages], { cwd: archives }));
  for (const name of readdirSync(archives)) await run('dpkg-deb', ['-x', join(archives, name), folder]);
  await rm(archives, { recursive: true });
}

/** A fresh machine has no list of what there is, and an old list names packages that are gone. */
async function withLists<T>(use: () => Promise<T>): Promise<T> {
  if (!(await runs('apt-get', ['--version']))) throw new Error('it comes from Debian, and apt-get is missing');
  try {
    return await use();
  } catch (error) {
    if (process.getuid?.() !== 0) throw error;
    await run('apt-get', [...QUIET, 'update']);
    return use();
  }
}

/** Sees to it that Java is there, with Maven where it is built for; installs Debian's where root can. */
export async function ensureJava({ withMaven = false } = {}): Promise<void> {
  const isThere = async (): Promise<boolean> =>
    (await runs('java', ['-version'])) &&
    (!withMaven || ((await runs('mvn', ['-version'])) && (await runs('javac', ['-version']))));
  if (await isThere()) return;
  const packages = withMaven ? ['default-jdk-headless', 'maven'] : ['default-jre-headless'];
  const advice = `install ${withMaven ? 'a JDK (17 or later) and Maven' : 'a Java runtime'}`;
  const canInstall = process.getuid?.() === 0 && (await runs('apt-get', ['--version']));
  if (!canInstall) throw new Error(`Java is missing: ${advice}`);
  await withLists(() =>
    run('apt-get', [...QUIET, 'install', '-y', '--no-install-recommends', ...packages], {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
    }),
  );
  if (!(await isThere())) throw new Error(`Java is missing still: ${advice}`);
}

function release(): string {
  const file = '/etc/os-release';
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return /^VERSION_ID="?([^"\n]+)/m.exec(text)?.[1] ?? 'unknown';
}
