import type { CallPolicy, MethodFacts, MethodRules } from '@bascule/core';
import { factsOfMethod } from '@bascule/schema';
import type { DescMethod, Message } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { createClientMethodSerializers, createMethodUrl } from '@connectrpc/connect/protocol';
import type { TransportSettings } from './settings.ts';

/** What every call of one method shares. */
export interface MethodPlan {
  readonly url: string;
  /** Path of the URL: what goes over the wire. */
  readonly path: string;
  readonly facts: MethodFacts;
  readonly policy: CallPolicy;
  /** The smaller of what the options and the policy say. */
  readonly readMaxBytes: number;
  /** Throws ConnectError. */
  serialize(message: Message): Uint8Array;
  /** Throws ConnectError. */
  parse(bytes: Uint8Array): Message;
}

/** Makes plans once per method; they go with their descriptors. */
export function createPlans(settings: TransportSettings): (method: DescMethod) => MethodPlan {
  const plans = new WeakMap<DescMethod, MethodPlan>();
  return (method) => {
    let plan = plans.get(method);
    if (plan === undefined) {
      plan = createPlan(method, settings);
      plans.set(method, plan);
    }
    return plan;
  };
}

function createPlan(method: DescMethod, settings: TransportSettings): MethodPlan {
  const url = createMethodUrl(settings.baseUrl, method);
  const { useBinaryFormat, jsonOptions, binaryOptions } = settings;
  const { serialize, parse } = createClientMethodSerializers(method, useBinaryFormat, jsonOptions, binaryOptions);
  const facts = factsOf(method);
  const policy = settings.policyOf(facts);
  return {
    url,
    path: pathOf(url),
    facts,
    policy,
    readMaxBytes: Math.min(settings.readMaxBytes, policy.maxResponseBytes ?? Infinity),
    serialize,
    parse: (bytes) => parseAnswer(parse, bytes),
  };
}

/** Path and query of an absolute URL. */
export function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

function factsOf(method: DescMethod): MethodFacts {
  const { rules, ...facts } = factsOfMethod(method);
  return { ...facts, ...(rules !== undefined && { rules: rulesForCallers(rules) }) };
}

/** Rate limits are for who answers: a caller that counted too would stop at its own share of them. */
function rulesForCallers({ criticality, timeoutMs }: MethodRules): MethodRules {
  return { ...(criticality !== undefined && { criticality }), ...(timeoutMs !== undefined && { timeoutMs }) };
}

/** Connect blames JSON that does not parse on its caller; here it is the server's. */
function parseAnswer(parse: MethodPlan['parse'], bytes: Uint8Array): Message {
  try {
    return parse(bytes);
  } catch (thrown) {
    const { rawMessage } = ConnectError.from(thrown);
    throw new ConnectError(`the answer does not parse: ${rawMessage}`, Code.Internal, undefined, undefined, thrown);
  }
}
