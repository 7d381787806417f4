import { create } from '@bufbuild/protobuf';
import { DurationSchema, timestampFromMs, type Duration } from '@bufbuild/protobuf/wkt';
import {
  DeployResponseSchema,
  ModuleService,
  RollbackResponseSchema,
  VersionSchema,
  VersionState,
  type Version,
} from '@bascule/schema/gen/bascule/modules/v1/modules_pb.ts';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { createUploads, type Upload } from './upload.ts';
import type { DeployData, RollbackData, VersionData } from './views.ts';

/** What of the modules the routes need. Refusals are errors with a `reason` and an `advice`. */
export interface ModulesView {
  deploy(upload: Upload): Promise<DeployData>;
  rollback(module: string, version?: string): Promise<RollbackData>;
  versions(): readonly VersionData[];
}

export interface ModuleRoutesOptions {
  readonly modules: ModulesView;
  /** Where packages are written while they arrive; belongs to the routes alone. */
  readonly uploadFolder: string;
  /** Largest package taken; read anew for each upload. */
  maxPackageBytes(): number;
}

/** Route functions of ModuleService. Deploying is running code: who may call must be decided in front of them. */
export function createModuleRoutes(options: ModuleRoutesOptions): (router: ConnectRouter) => void {
  const { modules } = options;
  const uploads = createUploads({ folder: options.uploadFolder, maxPackageBytes: () => options.maxPackageBytes() });
  return (router) => {
    router.service(ModuleService, {
      deploy: (parts, { signal }) =>
        uploads
          .receive({ parts, signal }, async (upload) => {
            const { version, previousVersion, timings, unchanged } = await modules.deploy(upload);
            return create(DeployResponseSchema, {
              version: toVersion(version),
              previousVersion,
              unchanged,
              timings: {
                unpack: toDuration(timings.unpackMs),
                bundle: toDuration(timings.bundleMs),
                workerStart: toDuration(timings.workerStartMs),
                check: toDuration(timings.checkMs),
                switchOver: toDuration(timings.switchMs),
              },
            });
          })
          .catch(refuse),
      async rollback(request) {
        requireModule(modules.versions(), request.module);
        const wanted = request.version === '' ? undefined : request.version;
        const { version, previousVersion } = await modules.rollback(request.module, wanted).catch(refuse);
        return create(RollbackResponseSchema, { version: toVersion(version), previousVersion });
      },
      listVersions({ module }) {
        const all = modules.versions();
        if (module !== '') requireModule(all, module);
        return { versions: all.filter((version) => module === '' || version.module === module).map(toVersion) };
      },
    });
  };
}

const STATES: Readonly<Record<VersionData['state'], VersionState>> = {
  stored: VersionState.STORED,
  starting: VersionState.STARTING,
  current: VersionState.CURRENT,
  draining: VersionState.DRAINING,
  refused: VersionState.REFUSED,
  crashed: VersionState.CRASHED,
};

function toVersion(version: VersionData): Version {
  return create(VersionSchema, {
    ...version,
    services: [...version.services],
    state: STATES[version.state],
    deployedAt: timestampFromMs(Math.round(version.deployedAtMs)),
  });
}

/** Clocks give fractions of milliseconds, and a Duration takes whole nanoseconds alone. */
function toDuration(ms: number): Duration {
  const nanos = Math.max(0, Math.round(ms * 1_000_000));
  return create(DurationSchema, { seconds: BigInt(Math.floor(nanos / 1_000_000_000)), nanos: nanos % 1_000_000_000 });
}

function requireModule(versions: readonly VersionData[], module: string): void {
  const known = [...new Set(versions.map((version) => version.module))].sort();
  if (known.includes(module)) return;
  const advice = known.length === 0 ? 'No module was ever deployed here.' : `Known are ${known.join(', ')}.`;
  const what = module === '' ? 'a module must be named' : `there is no module ${module}`;
  throw new ConnectError(`${what}\n${advice}`, module === '' ? Code.InvalidArgument : Code.NotFound);
}

/** What a disk says that takes nothing: the operator's to mend, so it is told in words. */
const UNWRITABLE = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO', 'ERR_SQLITE_ERROR']);

/** A refusal goes to the caller in its own words; anything else is a fault, which the kit words. */
function refuse(thrown: unknown): never {
  const { reason, advice, code } = (thrown ?? {}) as { reason?: unknown; advice?: unknown; code?: unknown };
  if (typeof code === 'string' && UNWRITABLE.has(code)) {
    const message = `the state folder cannot be written: ${(thrown as Error).message}\nMake room on its disk, or give the gateway the right to write there`;
    throw new ConnectError(message, Code.Unavailable, undefined, undefined, thrown);
  }
  if (typeof reason !== 'string' || typeof advice !== 'string') throw thrown;
  throw new ConnectError(`${reason}\n${advice}`, Code.FailedPrecondition, undefined, undefined, thrown);
}
