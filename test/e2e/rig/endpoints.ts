import type { EndpointView, ListEndpointsResponse } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { expect } from 'vitest';
import { eventually } from './eventually.ts';
import type { TestGateway } from './gateway.ts';
import type { Load } from './load.ts';

/** Who is there, who has left, and who says so. */
export function listOf(gateway: TestGateway): Promise<ListEndpointsResponse> {
  return gateway.operator.admin.listEndpoints({});
}

/** `state` of each endpoint by instance id. */
export async function statesOf(gateway: TestGateway): Promise<Record<string, string>> {
  const { endpoints } = await listOf(gateway);
  return Object.fromEntries(endpoints.map(({ instanceId, state }) => [instanceId, state]));
}

/** What is shown of the endpoint at an address. */
export async function viewOf(gateway: TestGateway, address: string): Promise<EndpointView | undefined> {
  return (await listOf(gateway)).endpoints.find((endpoint) => endpoint.address === address);
}

/** Waits for more calls than are open, so that all that follows was begun after now. */
export async function untilMore(load: Load, calls = 100): Promise<void> {
  const before = load.outcomes.length;
  await eventually(() => expect(load.outcomes.length).toBeGreaterThan(before + calls));
}
