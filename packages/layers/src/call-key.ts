import { getField, type CallKey, type Fields, type FieldPath, type RequestHead } from '@bascule/core';
import { findCookie } from './cookie.ts';
import { findJsonField } from './json-field.ts';
import { findMessageField } from './message-field.ts';

/**
 * What tells this call's caller apart, or undefined when the call does not have it; an empty value is none. A key of
 * a field of the message is there only behind the layer that sets `call.firstMessage`, one of a claim only behind the
 * one that sets `call.principal`.
 */
export function callKeyOf(head: RequestHead, key: CallKey): string | undefined {
  const { call, fields } = head;
  if (key.from === 'peer') return call.peer || undefined;
  if (key.from === 'header') return joinedField(fields, key.name.toLowerCase()) || undefined;
  if (key.from === 'cookie') return findCookie(fields, key.name);
  if (key.from === 'field') return fieldOf(head, key.field);
  return claimOf(call.principal?.claims, key.name);
}

/** Own members only: `constructor` is a name like any other. */
function claimOf(claims: Readonly<Record<string, string>> | undefined, name: string): string | undefined {
  return claims !== undefined && Object.hasOwn(claims, name) ? claims[name] || undefined : undefined;
}

function fieldOf(head: RequestHead, field: FieldPath): string | undefined {
  const message = head.call.firstMessage;
  if (message === undefined) return undefined;
  const isJson = getField(head.fields, 'content-type')?.startsWith('application/grpc+json') ?? false;
  return isJson ? findJsonField(message, field) : findMessageField(message, field);
}

/** A field that comes more than once is one field with a list. Source: RFC 9110, 5.3. */
function joinedField(fields: Fields, name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === name) value = value === undefined ? fields[i + 1] : `${value}, ${fields[i + 1]}`;
  }
  return value;
}
