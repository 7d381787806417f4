import type { CallPolicy, MethodFacts } from '@bascule/core';
import { DEFAULT_RETRY, type ServiceConfig } from '@bascule/layers';
import { Code, ConnectError } from '@connectrpc/connect';
import type { NodeTransportOptions } from './options.ts';

const NOTHING: CallPolicy = Object.freeze({});
/** What keeps calls to many endpoints alive without a word. */
const BALANCED: CallPolicy = Object.freeze({ retry: DEFAULT_RETRY });

/** How calls of a method are treated, by the options of a transport. */
export function createPolicyOf(
  options: NodeTransportOptions,
  config: ServiceConfig | undefined,
): (method: MethodFacts) => CallPolicy {
  const { policy } = options;
  const defaults = options.discovery === undefined ? NOTHING : BALANCED;
  return (method) => {
    const { timeoutMs, criticality } = method.rules ?? {};
    const own = typeof policy === 'function' ? policy(method) : policy;
    if (own?.mirror !== undefined && options.discovery === undefined) {
      throw new ConnectError('policy.mirror needs discovery: here is nobody else to copy calls to', Code.Internal);
    }
    return {
      ...defaults,
      ...(timeoutMs !== undefined && timeoutOf(method, timeoutMs)),
      ...(criticality !== undefined && { criticality }),
      ...config?.policyOf(method.service, method.method),
      ...own,
    };
  };
}

function timeoutOf({ kind }: MethodFacts, timeoutMs: number): CallPolicy {
  return kind === 'unary' ? { defaultTimeoutMs: timeoutMs } : { defaultStreamTimeoutMs: timeoutMs };
}
