import { afterEach, describe, expect, it } from 'vitest';
import { renderRegistryMetrics } from '../src/registry/status.ts';
import { openRegistry } from './registry-rig.ts';
import { closeAll, DIGEST, SCHEMA } from './rig.ts';

afterEach(closeAll);

describe('the status of a registry', () => {
  it('counts what there is, and what happened', async () => {
    const { client, clock, register, registry } = openRegistry();
    const { leaseId } = await register({ schemaDigest: DIGEST }, { schema: SCHEMA });
    await register({ instanceId: 'b' }, { namespace: 'blue' });
    await register({ instanceId: 'c' });
    await client.renew({ leaseId });
    await client.deregister({ leaseId: (await register({ instanceId: 'd' })).leaseId });
    clock.advance(14_000);
    await client.renew({ leaseId });
    clock.advance(1_000);
    expect(registry.status()).toMatchObject({
      instances: 1,
      namespaces: 1,
      streams: 0,
      preservation: 'off',
      held: 0,
      isOpen: true,
      registrations: 4,
      renewals: 2,
      deregistrations: 1,
      expirations: 2,
      refusals: 0,
      schemaBytes: SCHEMA.length,
      historyEvents: 7,
    });
  });

  it('says how many only self-preservation keeps, as metrics too', async () => {
    const { clock, register, registry } = openRegistry();
    for (let n = 0; n < 8; n++) await register({ instanceId: `i${n}` });
    clock.advance(20_000);
    expect(registry.status()).toMatchObject({ instances: 8, held: 8, preservation: 'holding', holds: 1 });
    const text = renderRegistryMetrics(registry.status());
    expect(text).toMatch(/^bascule_registry_held_instances 8$/m);
    expect(text).toMatch(/^bascule_registry_self_preservation 1$/m);
    // One line of each metric, with its help and type before it.
    for (const block of text.trimEnd().split(/^(?=# HELP)/m)) {
      const [help, type, sample] = block.trimEnd().split('\n') as [string, string, string];
      const name = sample.split(' ')[0];
      expect(help).toMatch(new RegExp(`^# HELP ${name} .+\\.$`));
      expect(type).toMatch(new RegExp(`^# TYPE ${name} (gauge|counter)$`));
      expect(sample).toMatch(/^bascule_registry_[a-z_]+ [0-9]+$/);
    }
  });
});
