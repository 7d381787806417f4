import type { Endpoint } from '@bascule/core';
import { parseEndpointList, type EndpointList } from '../peers/file/endpoint-list.ts';
import { SpecError, type EndpointDefaults, type SourceOptions } from '../spec.ts';
import type { SourceDriver } from './feed.ts';
import { createStaticDriver, toEndpoints } from './static.ts';

/** Not `[::1]:80`, which is an address. */
const JSON_LIST = /^(\{|\[\s*["{\]])/;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * `env:NAME`: a variable with `host:port,host:port`, or with the list of a file as JSON. Nobody can change the
 * environment of a running process, so it is read once, and everything that is wrong with it is a SpecError.
 */
export function openEnvSource({ url, env, defaults }: SourceOptions): SourceDriver {
  const name = url.pathname;
  if (!NAME.test(name) || url.search !== '' || url.hash !== '') {
    throw new SpecError(`${url.href} does not name a variable: write env:NAME`);
  }
  const text = (Object.hasOwn(env, name) ? env[name] : undefined)?.trim() ?? '';
  if (text === '') throw new SpecError(`the variable ${name} is not set: write host:port,host:port into it`);
  const where = `the variable ${name}`;
  return createStaticDriver(
    JSON_LIST.test(text) ? readJson(text, where, defaults) : toEndpoints(text, where, defaults),
  );
}

/** Throws SpecError with everything that is wrong. */
function readJson(text: string, where: string, defaults: EndpointDefaults): readonly Endpoint[] {
  let list: EndpointList;
  try {
    list = parseEndpointList(text, defaults);
  } catch (error) {
    throw new SpecError(`${where}:${(error as Error).message}`);
  }
  if (list.problems.length > 0) throw new SpecError(`${where}:${list.problems.join(`; `)}`);
  return list.endpoints;
}
