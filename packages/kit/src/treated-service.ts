import type { Layer, Service } from '@bascule/core';
import type { DescMethod } from '@bufbuild/protobuf';
import type { Method } from './method.ts';

/** Puts around the handlers of each method what is wished for it; where nothing is, this is `handlers` itself. */
export function createTreatedService(
  handlers: Service,
  methods: ReadonlyMap<string, Pick<Method, 'desc'>>,
  layerOf: (method: DescMethod) => Layer | undefined,
): Service {
  const treated = new Map<string, Service>();
  for (const [path, { desc }] of methods) {
    const layer = layerOf(desc);
    if (layer !== undefined) treated.set(path, layer(handlers));
  }
  if (treated.size === 0) return handlers;
  return (head, reply) => (treated.get(head.path) ?? handlers)(head, reply);
}
