import { connect, type ClientHttp2Session } from 'node:http2';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { naming, startListener } from './support.ts';

function connectSession(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  onTestFinished(() => session.destroy());
  return session;
}

it('disconnects who resets streams as fast as it opens them, having started few of them', async () => {
  let started = 0;
  const listener = await startListener(
    () => {
      started += 1;
      return { write() {}, end() {}, cancel() {}, grant() {} };
    },
    { limits: { resetBurst: 20, resetPerSecond: 1 } },
  );
  const session = connectSession(listener.port);
  await once(session, 'remoteSettings');
  const closed = new Promise((resolve) => void session.once('close', resolve));
  const next = (): void => {
    if (session.destroyed || started > 1_000) return;
    const stream = session.request({ ':method': 'POST' }, { endStream: false });
    stream.on('error', () => {});
    stream.on('close', () => setImmediate(next));
    setImmediate(() => stream.close(8));
  };
  next();
  await closed;
  expect(started).toBeLessThan(50);
  await expect.poll(() => listener.openCalls()).toBe(0);
});

it.each([
  ['PING', (session: ClientHttp2Session) => void session.ping(() => {})],
  ['SETTINGS', (session: ClientHttp2Session) => session.settings({ headerTableSize: 4096 })],
])('disconnects who floods it with %s', async (_name, send) => {
  const { port } = await startListener(naming, { limits: { pingsPerSecond: 5, settingsPerSecond: 5 } });
  const session = connectSession(port);
  await once(session, 'remoteSettings');
  const closed = new Promise((resolve) => void session.once('close', resolve));
  const next = (): void => {
    if (session.destroyed) return;
    send(session);
    setImmediate(next);
  };
  next();
  await closed;
});

it('leaves alone who sends a PING for each answer', async () => {
  const { port } = await startListener(naming, { limits: { pingsPerSecond: 5 } });
  const session = connectSession(port);
  await once(session, 'remoteSettings');
  for (let i = 0; i < 20; i++) {
    const stream = session.request({ ':method': 'POST' });
    stream.resume().end();
    await once(stream, 'close');
    await new Promise((resolve) => void session.ping(resolve));
  }
  expect(session.destroyed).toBe(false);
});

it('leaves who stays below the rates alone', async () => {
  const { port } = await startListener(naming, { limits: { pingsPerSecond: 5, settingsPerSecond: 5 } });
  const session = connectSession(port);
  await once(session, 'remoteSettings');
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => void session.ping(resolve));
    await new Promise<void>((resolve) => session.settings({ headerTableSize: 4096 + i }, () => resolve()));
  }
  expect(session.destroyed).toBe(false);
});
