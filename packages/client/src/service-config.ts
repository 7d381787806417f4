import type { PolicySpec } from '@bascule/balancer';
import type { CheckSettings } from '@bascule/discovery';
import { parseServiceConfig, type LoadBalancingChoice, type ServiceConfig } from '@bascule/layers';
import { Code, ConnectError } from '@connectrpc/connect';
import type { NodeTransportOptions } from './options.ts';

/** Reads the service config of the options. Throws ConnectError with everything that is wrong in it. */
export function readServiceConfig({ serviceConfig }: NodeTransportOptions): ServiceConfig | undefined {
  if (serviceConfig === undefined) return undefined;
  const config = parseServiceConfig(serviceConfig);
  if (config.problems.length === 0) return config;
  const problems = config.problems.map(({ path, message }) => `${path} ${message}`.trim());
  throw new ConnectError(`serviceConfig: ${problems.join('; ')}`, Code.Internal);
}

/** The first policy of a service config that is known here; undefined when none is. */
export function balancingOfServiceConfig(choices: readonly LoadBalancingChoice[]): PolicySpec | undefined {
  for (const choice of choices) {
    const spec = toSpec(choice);
    if (spec !== undefined) return spec;
  }
  return undefined;
}

/** How endpoints are asked for the service that a service config names. Source: gRFC A17. */
export function healthCheckOf(config: ServiceConfig | undefined): Partial<CheckSettings> | undefined {
  const service = config?.healthCheck?.serviceName;
  return service === undefined ? undefined : { probe: { kind: 'grpc', service, watch: true } };
}

/** Source: service_config.proto, gRFC A42, A48 and A58. */
function toSpec({ name, config }: LoadBalancingChoice): PolicySpec | undefined {
  const fields = (config ?? {}) as Readonly<Record<string, unknown>>;
  const number = (field: string, otherwise: number): number => {
    const value = Number(fields[field] ?? otherwise);
    return Number.isFinite(value) ? value : otherwise;
  };
  const ms = (field: string, otherwiseMs: number): number => {
    const [, seconds] = /^(\d+(?:\.\d+)?)s$/.exec(String(fields[field])) ?? [];
    return seconds === undefined ? otherwiseMs : Number(seconds) * 1_000;
  };
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
