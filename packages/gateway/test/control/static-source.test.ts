import { createVirtualClock } from '@bascule/core';
import type { SourceChange } from '@bascule/discovery';
import { describe, expect, it } from 'vitest';
import { createStaticSource } from '../../src/control/static-source.ts';
import { endpointOf } from '../support.ts';

function rig() {
  const told: string[] = [];
  const describeChange = (change: SourceChange): string => {
    if (change.type === 'remove') return `remove ${change.key} ${change.cause}`;
    if (change.type === 'doubt') return `doubt ${change.key}`;
    return `${change.type} ${change.endpoint.instanceId} ${change.endpoint.weight}`;
  };
  const source = createStaticSource(
    {
      changes: (changes) => void told.push(changes.map(describeChange).join(', ')),
      status: ({ state }) => void told.push(state),
      schema: (digest) => void told.push(digest),
      warning: (message) => void told.push(message),
    },
    createVirtualClock(),
  );
  return { told, source };
}

const a = endpointOf({ instanceId: 'static/a' });
const b = endpointOf({ instanceId: 'static/b' });

describe('static endpoints', () => {
  it('are told as what was written changes, whole sets at once, down to nobody', () => {
    const { told, source } = rig();
    const none = new Map<string, Uint8Array>();
    source.replace([a, b], new Map([['sha256:1', new Uint8Array()]]));
    source.replace([{ ...a }, { ...b, weight: 7 }], none);
    source.replace([{ ...a }, { ...b, weight: 7 }], none);
    source.replace([], none);
    expect(told).toEqual([
      'connected',
      'insert static/a 1, insert static/b 1',
      'sha256:1',
      'update static/b 7',
      'remove static/a#1 retired, remove static/b#1 retired',
    ]);
  });
});
