import { join } from 'node:path';
import { formatAddress, type Clock } from '@bascule/core';
import { registryContextValues, renderRegistryMetrics } from '@bascule/discovery';
import { createKit } from '@bascule/kit';
import { createMetrics, mergeMetrics, renderMetrics } from '@bascule/layers';
import { RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { listen, type Listener } from '@bascule/wire';
import { createAdminRoutes } from '../admin/admin-routes.ts';
import { createModuleRoutes } from '../admin/module-routes.ts';
import { createOperatorService } from '../admin/operator-service.ts';
import type { DiscoveryViewData, StatusData } from '../admin/views.ts';
import type { Control } from './control.ts';
import { addDiscoveryMetrics } from './discovery-metrics.ts';
import { viewDiscovery } from './views.ts';
import { createViewWatch } from './watch-views.ts';

/** The operator's listener is on loopback, whatever the configuration says. */
const LOOPBACK = '127.0.0.1';
const REGISTRY_PATH = `/${RegistryService.typeName}/`;

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
  const view = async (): Promise<DiscoveryViewData> => viewDiscovery(await control.collect(), control.discovery);
  const watches = createViewWatch({ clock, view, onNews: (listener) => control.discovery.onNews(listener) });
  const adminRoutes = createAdminRoutes({
    view,
    watch: (signal) => watches.watch(signal),
    schemaOf: (service) => control.schemaOf(service),
    status: () => statusOf(options),
  });
  const kit = createKit({
    contextValues: registryContextValues,
    routes(router) {
      adminRoutes(router);
      moduleRoutes(router);
      control.registry?.routes(router);
    },
  });
  const hasAccessFile = control.settings().discovery.registryAccessFile !== undefined;
  const service = createOperatorService({
    routesService: kit.service,
    token: options.token,
    judgesItself: (path) => hasAccessFile && path.startsWith(REGISTRY_PATH),
    clock,
    ports: () => [listener.port],
    metrics: () => renderControlMetrics(options),
    healthy: () => true,
    ready: () =>
      options.accepting() ? { ready: true, reason: '' } : { ready: false, reason: 'the gateway is stopping' },
  });
  const listener: Listener = await listen({ host: LOOPBACK, port: options.port, service, clock });
  return {
    ...listener,
    close(graceMs) {
      // They would else be waited for.
      watches.close();
      return listener.close(graceMs);
    },
  };
}

function statusOf(options: OperatorOptions): StatusData {
  const { control } = options;
  const { host, tls } = control.settings().listener;
  return {
    version: options.version,
    apiAddress: formatAddress({ host, port: control.port }),
    apiTls: tls !== undefined,
    configRevision: control.settingsRevision(),
    snapshotRevision: control.publisher.revision(),
    dataThreads: Math.max(1, control.settings().listener.workers),
    discoveryStaleSeconds: control.discovery.staleSeconds(),
    configError: options.configError(),
  };
}

/** What the data threads counted, with the levels that only control knows. */
async function renderControlMetrics({ control, clock }: OperatorOptions): Promise<string> {
  const levels = createMetrics();
  addDiscoveryMetrics(levels, control.discovery, clock);
  levels.describe('bascule_snapshot_revision', 'Number of the picture that the data threads work by.');
  levels.setGauge('bascule_snapshot_revision', {}, control.publisher.revision());
  levels.describe('bascule_config_revision', 'Number of the configuration in use.');
  levels.setGauge('bascule_config_revision', {}, control.settingsRevision());
  levels.describe('bascule_swaps_total', 'Times that a module version became current.');
  for (const [module, swaps] of control.rollouts.swaps()) levels.incCounter('bascule_swaps_total', { module }, swaps);
  const reports = await control.collect();
  const text = renderMetrics(mergeMetrics([...reports.map((report) => report.metrics), levels.snapshot()]));
  return control.registry === undefined ? text : text + renderRegistryMetrics(control.registry.status());
}
