import { endpointKey } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createDirectory, type Directory } from '../../src/control/directory.ts';
import { endpointOf } from '../support.ts';

function namesOf(directory: Directory): string[] {
  return directory.endpoints().map(({ endpoint, source }) => `${source} ${endpointKey(endpoint)}`);
}

describe('directory', () => {
  it('shows an endpoint once, as its first source says it is', () => {
    const directory = createDirectory(() => {});
    directory.apply('registry', [{ type: 'insert', endpoint: endpointOf({ weight: 1 }) }]);
    directory.apply('static', [{ type: 'insert', endpoint: endpointOf({ weight: 7 }) }]);
    expect(directory.endpoints()).toEqual([{ endpoint: endpointOf({ weight: 7 }), source: 'static' }]);
  });

  it('lets an explicit removal end an endpoint, even the last one', () => {
    const directory = createDirectory(() => {});
    directory.apply('registry', [{ type: 'insert', endpoint: endpointOf() }]);
    directory.apply('registry', [{ type: 'remove', key: endpointKey(endpointOf()), cause: 'deregistered' }]);
    expect(namesOf(directory)).toEqual([]);
  });

  it('replaces a source whole', () => {
    const directory = createDirectory(() => {});
    directory.replace('static', [endpointOf({ instanceId: 'a' }), endpointOf({ instanceId: 'b' })]);
    directory.replace('static', [endpointOf({ instanceId: 'b' })]);
    expect(namesOf(directory)).toEqual(['static b#1']);
  });

  it('keeps the schemas of known endpoints only, and tells of every change', () => {
    let changes = 0;
    const directory = createDirectory(() => changes++);
    directory.addSchema('sha256:a', Uint8Array.of(1));
    directory.addSchema('sha256:a', Uint8Array.of(2));
    directory.addSchema('sha256:b', Uint8Array.of(3));
    directory.apply('registry', [{ type: 'insert', endpoint: endpointOf({ schemaDigest: 'sha256:a' }) }]);
    directory.apply('registry', []);
    expect([...directory.schemas()]).toEqual([['sha256:a', Uint8Array.of(1)]]);
    expect(changes).toBe(3);
  });
});
