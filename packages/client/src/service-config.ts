import type { BalancingPolicy, PolicySpec } from '@bascule/balancer';
import type { CheckSettings } from '@bascule/discovery';
import { parseServiceConfig, type LoadBalancingChoice, type ServiceConfig } from '@bascule/layers';
import { Code, ConnectError } from '@connectrpc/connect';
import type { BalancingOverrides, NodeTransportOptions } from './options.ts';

/** Reads the service config of the options. Throws ConnectError with everything that is wrong in it. */
export function readServiceConfig({ serviceConfig }: NodeTransportOptions): ServiceConfig | undefined {
  if (serviceConfig === undefined) return undefined;
  const config = parseServiceConfig(serviceConfig);
  if (config.problems.length === 0) return config;
  const problems = config.problems.map(({ path, message }) => `${path} ${message}`.trim());
  throw new ConnectError(`serviceConfig: ${problems.join('; ')}`, Code.Internal);
}

/** The first policy of a service config that is known here; undefined when none is. */
export function balancingOfServiceConfig(choices: readonly LoadBalancingChoice[]): BalancingOverrides | undefined {
  for (const choice of choices) {
    const policy = toSpec(choice);
    if (policy !== undefined) return { policy, ...loadReportsOf(choice) };
  }
  return undefined;
}

/** Source: gRFC A58. */
function loadReportsOf({ name, config }: LoadBalancingChoice): Pick<BalancingPolicy, 'loadReportPeriodMs'> {
  const { enableOobLoadReport, oobReportingPeriod } = fieldsOf(config);
  if (name !== 'weighted_round_robin' || enableOobLoadReport !== true) return {};
  return { loadReportPeriodMs: toMs(oobReportingPeriod) || 10_000 };
}

type ConfigFields = Readonly<Record<string, unknown>>;

function fieldsOf(config: unknown): ConfigFields {
  return (config ?? {}) as ConfigFields;
}

/** Undefined for what is no duration. */
function toMs(value: unknown): number | undefined {
  const [, seconds] = /^(\d+(?:\.\d+)?)s$/.exec(String(value)) ?? [];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}

/** How endpoints are asked for the service that a service config names. Source: gRFC A17. */
export function healthCheckOf(config: ServiceConfig | undefined): Partial<CheckSettings> | undefined {
  const service = config?.healthCheck?.serviceName;
  return service === undefined ? undefined : { probe: { kind: 'grpc', service, watch: true } };
}

/** Source: service_config.proto, gRFC A42, A48 and A58. */
function toSpec({ name, config }: LoadBalancingChoice): PolicySpec | undefined {
  const fields = fieldsOf(config);
  const number = (field: string, otherwise: number): number => {
    const value = Number(fields[field] ?? otherwise);
    return Number.isFinite(value) ? value : otherwise;
  };
  const ms = (field: string, otherwiseMs: number): number => toMs(fields[field]) ?? otherwiseMs;
  switch (name) {
    case 'round_robin':
      return { name: 'round-robin', weighted: false };
    case 'least_request_experimental': {
      const choiceCount = Math.max(2, Math.min(10, number('choiceCount', 2)));
      return { name: 'least-request', choiceCount, fullScanUpTo: 0, activeRequestBias: 1 };
    }
    case 'weighted_round_robin':
      return {
        name: 'orca-weighted-round-robin',
        blackoutMs: ms('blackoutPeriod', 10_000),
        expirationMs: ms('weightExpirationPeriod', 180_000),
        updateMs: Math.max(100, ms('weightUpdatePeriod', 1_000)),
        errorPenalty: number('errorUtilizationPenalty', 1),
      };
    case 'ring_hash_experimental':
      return {
        name: 'ring-hash',
        minRingSize: number('minRingSize', 1_024),
        maxRingSize: number('maxRingSize', 4_096),
      };
    default:
      return undefined;
  }
}
