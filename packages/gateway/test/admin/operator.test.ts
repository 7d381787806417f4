import { getField, systemClock, type Service } from '@bascule/core';
import { createKit } from '@bascule/kit';
import { describe, expect, test } from 'vitest';
import { createAdminRoutes } from '../../src/admin/admin-routes.ts';
import { createOperatorService } from '../../src/admin/operator-service.ts';
import { ask, type Ask } from './ask.ts';
import { PLACES, STATUS, viewOf, watchNothing } from './samples.ts';

const TOKEN = 'a-token-of-the-test';

function createOperator(overrides: Partial<Parameters<typeof createOperatorService>[0]> = {}): Service {
  const kit = createKit({
    routes: createAdminRoutes({
      view: () => viewOf(PLACES),
      watch: watchNothing,
      schemaOf: () => undefined,
      status: () => STATUS,
    }),
  });
  return createOperatorService({
    routesService: kit.service,
    token: TOKEN,
    clock: systemClock,
    metrics: () => 'bascule_up 1\n',
    healthy: () => true,
    ready: () => ({ ready: true, reason: '' }),
    ports: () => [9090],
    ...overrides,
  });
}

const STATUS_CALL: Ask = {
  method: 'POST',
  path: '/bascule.admin.v1.AdminService/GetStatus',
  fields: ['content-type', 'application/json', 'authorization', `Bearer ${TOKEN}`],
  body: '{}',
};
const withFields = (...fields: string[]): Ask => ({
  ...STATUS_CALL,
  fields: [...(STATUS_CALL.fields ?? []), ...fields],
});

describe('the guard', () => {
  test.each(['127.0.0.1:9090', 'localhost:9090', 'LOCALHOST:9090', '[::1]:9090'])('lets %s in', async (authority) => {
    const asked = await ask(createOperator(), { ...STATUS_CALL, authority });
    expect(asked.status).toBe(200);
    expect(JSON.parse(asked.text)).toMatchObject({ apiAddress: '127.0.0.1:8080', configRevision: '3' });
  });

  test.each([
    'evil.example:9090',
    'localhost.evil.example:9090',
    '127.0.0.1',
    '127.0.0.1:9091',
    '127.0.0.2:9090',
    '0.0.0.0:9090',
    '[::]:9090',
    '',
  ])('keeps Host "%s" out, from pages too', async (authority) => {
    for (const call of [STATUS_CALL, { path: '/metrics' }, { path: '/healthz' }]) {
      const asked = await ask(createOperator(), { ...call, authority });
      expect(asked.status).toBe(403);
      expect(asked.text).toContain('loopback');
    }
  });

  test('judges the Host field beside the authority', async () => {
    expect((await ask(createOperator(), withFields('host', 'evil.example'))).status).toBe(403);
    expect((await ask(createOperator(), { ...withFields('host', 'localhost:9090'), authority: '' })).status).toBe(200);
  });

  test('lets further hosts in where they are named', async () => {
    const service = createOperator({ allowedHosts: ['gateway.internal:9090'] });
    expect((await ask(service, { ...STATUS_CALL, authority: 'gateway.internal:9090' })).status).toBe(200);
  });

  test.each([
    ['origin', 'http://evil.example'],
    ['origin', 'null'],
    ['origin', 'http://127.0.0.1:9090'],
    ['sec-fetch-site', 'cross-site'],
    ['sec-fetch-site', 'same-site'],
  ])('keeps pages out by %s: %s, the right token notwithstanding', async (name, value) => {
    const asked = await ask(createOperator(), withFields(name, value));
    expect(asked.status).toBe(403);
    expect(asked.text).toContain('browser pages');
  });

  test.each([
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain',
    'Text/Plain;charset=UTF-8',
  ])('refuses the form type %s', async (contentType) => {
    const fields = ['content-type', contentType, 'authorization', `Bearer ${TOKEN}`];
    expect((await ask(createOperator(), { ...STATUS_CALL, fields })).status).toBe(415);
  });
});

describe('the token', () => {
  test.each([
    ['no', []],
    ['a wrong', ['authorization', 'Bearer wrong']],
    ['an empty', ['authorization', 'Bearer ']],
    ['a basic', ['authorization', `Basic ${TOKEN}`]],
  ])('%s token is not authorised', async (_name, fields) => {
    const asked = await ask(createOperator(), {
      ...STATUS_CALL,
      fields: ['content-type', 'application/json', ...fields],
    });
    expect(asked.status).toBe(401);
    expect(asked.text).not.toContain(TOKEN);
  });
});

describe('the pages', () => {
  test('need no token', async () => {
    const metrics = await ask(createOperator(), { path: '/metrics?name=x' });
    expect(metrics).toMatchObject({ status: 200, text: 'bascule_up 1\n' });
    expect(getField(metrics.fields, 'content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await ask(createOperator(), { path: '/healthz' })).toMatchObject({ status: 200, text: 'ok\n' });
    expect(await ask(createOperator(), { path: '/readyz' })).toMatchObject({ status: 200, text: 'ok\n' });
  });

  test('say what is missing', async () => {
    const service = createOperator({
      healthy: () => false,
      ready: () => ({ ready: false, reason: 'no snapshot yet' }),
    });
    expect((await ask(service, { path: '/healthz' })).status).toBe(503);
    expect(await ask(service, { path: '/readyz' })).toMatchObject({
      status: 503,
      text: 'not ready: no snapshot yet\n',
    });
  });

  test('answer HEAD without a body and refuse what is not reading', async () => {
    const head = await ask(createOperator(), { method: 'HEAD', path: '/metrics' });
    expect(head).toMatchObject({ status: 200, text: '' });
    expect(getField(head.fields, 'content-length')).toBe('13');
    const posted = await ask(createOperator(), { method: 'POST', path: '/metrics' });
    expect(posted.status).toBe(405);
    expect(getField(posted.fields, 'allow')).toBe('GET, HEAD');
  });

  test('that fail are a 500 without the reason', async () => {
    const fails = (): never => {
      throw new Error('secret');
    };
    for (const service of [
      createOperator({ metrics: () => Promise.reject(new Error('secret')) }),
      createOperator({ metrics: fails }),
    ]) {
      const asked = await ask(service, { path: '/metrics' });
      expect(asked.status).toBe(500);
      expect(asked.text).not.toContain('secret');
    }
  });

  test.each([1, 1000, 65_535, 200_000])('of many bytes stay within credit (grants of %i)', async (grantBytes) => {
    const text = 'metric 1\n'.repeat(grantBytes === 1 ? 7400 : 120_000);
    const asked = await ask(createOperator({ metrics: () => text }), { path: '/metrics', grantBytes });
    expect(asked.text).toBe(text);
    expect(asked.overdrawnBytes).toBe(0);
  });

  test('no other path is a page', async () => {
    for (const path of ['/', '/metrics/', '/constructor', '/__proto__', '//metrics']) {
      expect((await ask(createOperator(), { path })).status).toBe(404);
    }
  });
});
