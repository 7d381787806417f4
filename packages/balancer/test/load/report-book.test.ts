import { describe, expect, it } from 'vitest';
import { createReportBook } from '../../src/load/report-book.ts';

describe('createReportBook', () => {
  it('keeps the last word, and when the first one came', () => {
    const book = createReportBook();
    expect(book.report).toBeUndefined();
    book.book({ utilization: 0.5, qps: 100, eps: 1 }, 1_000);
    book.book({ utilization: 0.6, qps: 110, eps: 2 }, 5_000);
    expect(book.report).toEqual({ utilization: 0.6, qps: 110, eps: 2, atMs: 5_000, firstMs: 1_000 });
  });

  it('begins anew after a gap, and when it was told to forget', () => {
    const book = createReportBook();
    book.book({ utilization: 0.5, qps: 100, eps: 0 }, 0, 1_000);
    book.book({ utilization: 0.5, qps: 100, eps: 0 }, 999, 1_000);
    expect(book.report?.firstMs).toBe(0);
    book.book({ utilization: 0.5, qps: 100, eps: 0 }, 1_999, 1_000);
    expect(book.report?.firstMs).toBe(1_999);
    book.forget();
    expect(book.report).toBeUndefined();
    book.book({ utilization: 0.5, qps: 100, eps: 0 }, 2_500);
    expect(book.report?.firstMs).toBe(2_500);
  });

  it('leaves out what says nothing', () => {
    const book = createReportBook();
    for (const utilization of [0, NaN, -1, Infinity]) book.book({ utilization, qps: 100, eps: 0 }, 0);
    expect(book.report).toBeUndefined();
    book.book({ utilization: 0.5, qps: 100, eps: NaN }, 1);
    book.book({ utilization: 0.9, qps: 0, eps: 0 }, 2);
    expect(book.report).toEqual({ utilization: 0.5, qps: 100, eps: 0, atMs: 1, firstMs: 1 });
  });

  it('takes utilization without calls per second from who says no more', () => {
    const book = createReportBook();
    book.book({ utilization: 0.5, qps: 0, eps: 0 }, 1);
    book.book({ utilization: 0.7, qps: 0, eps: 0 }, 2);
    expect(book.report).toMatchObject({ utilization: 0.7, qps: 0, atMs: 2 });
    book.book({ utilization: 0.7, qps: 10, eps: 0 }, 3);
    expect(book.report).toMatchObject({ qps: 10, firstMs: 3 });
  });
});
