import { join } from 'node:path';
import type { Clock } from '@bascule/core';
import { createKit } from '@bascule/kit';
import { createMetrics, mergeMetrics, renderMetrics } from '@bascule/layers';
import { listen, type Listener } from '@bascule/wire';
import { createAdminRoutes } from '../admin/admin-routes.ts';
import { createModuleRoutes } from '../admin/module-routes.ts';
import { createOperatorService } from '../admin/operator-service.ts';
import type { StatusData } from '../admin/views.ts';
import type { Control } from './control.ts';
import { viewEndpoints } from './views.ts';

/** The operator's listener is on loopback, whatever the configuration says. */
const LOOPBACK = '127.0.0.1';

export interface OperatorOptions {
  readonly control: Control;
  readonly clock: Clock;
  readonly token: string;
  readonly port: number;
  readonly version: string;
  /** Why the last saved configuration was refused; empty when it was taken. */
  configError(): string;
  /** False once a stop has begun. */
  accepting(): boolean;
}

/** Starts the operator's listener: admin, modules and registry by token; metrics and health for probes. */
export async function startOperator(options: OperatorOptions): Promise<Listener> {
  const { control, clock } = options;
  const moduleRoutes = createModuleRoutes({
    modules: control.rollouts.modules,
    uploadFolder: join(control.settings().stateDir, 'uploads'),
    maxPackageBytes: () => control.settings().modules.maxPackageBytes,
  });
  const adminRoutes = createAdminRoutes({
    endpoints: async () =>
      viewEndpoints(await control.collect(), control.directory.endpoints(), control.sources.status()?.state),
    schemaOf: (service) => control.schemaOf(service),
    status: () => statusOf(options),
  });
  const kit = createKit({
    routes(router) {
      adminRoutes(router);
      moduleRoutes(router);
      control.registry?.routes(router);
    },
  });
  const service = createOperatorService({
    routesService: kit.service,
    token: options.token,
    clock,
    ports: () => [listener.port],
    metrics: () => renderControlMetrics(options),
    healthy: () => true,
    ready: () =>
      options.accepting() ? { ready: true, reason: '' } : { ready: false, reason: 'the gateway is stopping' },
  });
  const listener: Listener = await listen({ host: LOOPBACK, port: options.port, service, clock });
  return listener;
}

function statusOf(options: OperatorOptions): StatusData {
  const { control, clock } = options;
  return {
    version: options.version,
    apiAddress: `${control.settings().listener.host}:${control.port}`,
    configRevision: control.settingsRevision(),
    snapshotRevision: control.publisher.revision(),
    dataThreads: Math.max(1, control.settings().listener.workers),
    discoveryStaleSeconds: staleSeconds(control, clock),
    configError: options.configError(),
  };
}

function staleSeconds(control: Control, clock: Clock): number {
  const status = control.sources.status();
  if (status === undefined || status.state === 'connected') return 0;
  return Math.max(0, (clock.wallMs() - status.sinceMs) / 1000);
}

/** What the data threads counted, with the levels that only control knows. */
async function renderControlMetrics({ control, clock }: OperatorOptions): Promise<string> {
  const levels = createMetrics();
  levels.describe(
    'bascule_discovery_stale_seconds',
    'Seconds since the registry was last heard of; 0 while connected.',
  );
  levels.setGauge('bascule_discovery_stale_seconds', {}, staleSeconds(control, clock));
  levels.describe('bascule_snapshot_revision', 'Number of the picture that the data threads work by.');
  levels.setGauge('bascule_snapshot_revision', {}, control.publisher.revision());
  levels.describe('bascule_config_revision', 'Number of the configuration in use.');
  levels.setGauge('bascule_config_revision', {}, control.settingsRevision());
  levels.describe('bascule_swaps_total', 'Times that a module version became current.');
  for (const [module, swaps] of control.rollouts.swaps()) levels.incCounter('bascule_swaps_total', { module }, swaps);
  const reports = await control.collect();
  return renderMetrics(mergeMetrics([...reports.map((report) => report.metrics), levels.snapshot()]));
}
