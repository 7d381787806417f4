import { INITIAL_CREDIT_BYTES, NO_FIELDS } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { CreditGate } from '../../src/dialect/credit-gate.ts';

describe('a credit gate', () => {
  it('keeps order with a sink that grants before it reads', () => {
    const seen: number[] = [];
    const gate: CreditGate = new CreditGate({
      write(bytes) {
        gate.grant(bytes.length);
        seen.push(...bytes);
      },
      end: () => void seen.push(-1),
    });
    const bytes = Uint8Array.from({ length: INITIAL_CREDIT_BYTES + 700 }, (_, i) => i % 251);
    gate.write(bytes);
    gate.write(Uint8Array.of(1, 2, 3));
    gate.end(NO_FIELDS);
    expect(seen).toEqual([...bytes, 1, 2, 3, -1]);
  });

  it('copies lent bytes that wait, be they a Buffer', () => {
    const seen: Uint8Array[] = [];
    const gate = new CreditGate({ write: (bytes) => void seen.push(new Uint8Array(bytes)), end() {} });
    const lent = Buffer.alloc(INITIAL_CREDIT_BYTES + 4, 1);
    gate.write(lent);
    lent.fill(2);
    gate.write(lent.subarray(0, 4));
    lent.fill(3);
    gate.grant(8);
    expect([...Buffer.concat(seen).subarray(INITIAL_CREDIT_BYTES)]).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
  });

  it('ends once, after what it holds', () => {
    const events: string[] = [];
    const gate = new CreditGate({
      write: (bytes) => void events.push(`${bytes.length}`),
      end: (trailers) => void events.push(trailers.join('=')),
    });
    gate.write(new Uint8Array(INITIAL_CREDIT_BYTES + 2));
    gate.end(['a', 'b']);
    gate.write(new Uint8Array(1));
    gate.end(NO_FIELDS);
    gate.grant(1);
    gate.grant(5);
    gate.grant(5);
    expect(events).toEqual([`${INITIAL_CREDIT_BYTES}`, '1', '1', 'a=b']);
  });
});
