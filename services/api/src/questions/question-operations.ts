import { isDeepStrictEqual } from 'node:util';
import { operations, type QuestionJson } from '@muster/api-contract';
import { AppError } from '@muster/protocol';
import { encodeRecord, type QuestionRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import type { z } from 'zod';
import { decodeCursor, encodeCursor, idPosition } from '../http/cursor.js';
import { given, isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { Principal } from '../http/principal.js';
import type { KeptQuestion, QuestionStore } from './question-store.js';

export interface QuestionParts {
  readonly questions: QuestionStore;
  readonly clock: Clock;
}

/** They are all in the memory of each API process. */
const MAX_PER_ORG = 1_000;
const MAX_ORG_BYTES = 8 * 1024 * 1024;

type Body = z.output<typeof operations.putQuestion.body>;

/** The library of questions that an org shares. */
export function questionOperations(parts: QuestionParts): Operation[] {
  return [
    listOperation(parts),
    showOperation(parts),
    versionsOperation(parts),
    putOperation(parts),
    deleteOperation(parts),
  ];
}

function listOperation({ questions }: QuestionParts): Operation {
  return implement(operations.listQuestions, ({ principal, query: { tag, limit, cursor } }) => {
    const after = cursor === undefined ? '' : decodeCursor('questions', cursor, [idPosition])[0];
    const rest = questions
      .list(principal.org)
      .filter(({ name, tags }) => name > after && (tag === undefined || tags.includes(tag)));
    const page = rest.slice(0, limit);
    const last = page.at(-1);
    return json(200, {
      items: page.map(questionJson),
      ...(rest.length > limit && last !== undefined ? { nextCursor: encodeCursor('questions', [last.name]) } : {}),
    });
  });
}

function showOperation({ questions }: QuestionParts): Operation {
  return implement(operations.showQuestion, ({ principal, params: { name } }) =>
    json(200, questionJson(living(name, questions.newest(principal.org, name)).record)),
  );
}

function versionsOperation({ questions }: QuestionParts): Operation {
  return implement(operations.listQuestionVersions, async ({ principal, params: { name } }) => {
    if (questions.newest(principal.org, name) === undefined) throw missing(name);
    const items = await questions.versions(principal.org, name);
    return json(200, { items: items.map(questionJson) });
  });
}

function putOperation({ questions, clock }: QuestionParts): Operation {
  return implement(operations.putQuestion, async ({ principal, params: { name }, body, note }) => {
    const before = await questions.read(principal.org, name);
    const current = before?.record.deleted === true ? undefined : before?.record;
    note({ subject: name, ...given('scope', body.target), details: { version: body.version } });
    if (current !== undefined) mayWrite(principal, current);
    if (body.version !== (current?.version ?? 0)) throw changed(name, before);
    const made = makeRecord({ name, body, principal, before, nowMs: clock.now() });
    if (current !== undefined && isDeepStrictEqual(contentsOf(current), contentsOf(made)))
      return json(200, questionJson(current));
    checkRoom(questions, made);
    note({ details: { version: made.version } });
    try {
      await questions.write(made, before);
    } catch (error) {
      throw await conflictOf(questions, principal, name, error);
    }
    const answer = questionJson(made);
    return current === undefined
      ? json(201, answer, { headers: { location: `/v1/questions/${name}` } })
      : json(200, answer);
  });
}

function deleteOperation({ questions, clock }: QuestionParts): Operation {
  return implement(operations.deleteQuestion, async ({ principal, params: { name }, query: { version }, note }) => {
    note({ subject: name });
    const kept = living(name, await questions.read(principal.org, name));
    mayWrite(principal, kept.record);
    if (version !== undefined && version !== kept.record.version) throw changed(name, kept);
    const { org, owner, createdAtMs } = kept.record;
    const changedBy = { id: principal.id, name: principal.name };
    note({ details: { version: kept.record.version } });
    const end: QuestionRecord = {
      ...{ org, name, version: kept.record.version + 1, sql: '', tags: [], parameters: [], owner },
      ...{ changedBy, createdAtMs, changedAtMs: clock.now(), deleted: true },
    };
    try {
      await questions.write(end, kept);
    } catch (error) {
      throw await conflictOf(questions, principal, name, error);
    }
    return json(204);
  });
}

interface Change {
  readonly name: string;
  readonly body: Body;
  readonly principal: Principal;
  readonly before: KeptQuestion | undefined;
  readonly nowMs: number;
}

function makeRecord({ name, body, principal, before, nowMs }: Change): QuestionRecord {
  const { id, org, person } = principal;
  const current = before?.record.deleted === true ? undefined : before?.record;
  const { sql, description, tags, parameters, target, mode, reduce, timeoutMs } = body;
  return {
    ...{ org, name, version: (before?.record.version ?? 0) + 1, sql, ...given('description', description), tags },
    // A member that is undefined is none in the record.
    parameters: parameters.map((one) => ({
      ...{ name: one.name, type: one.type },
      ...given('default', one.default),
      ...given('description', one.description),
    })),
    ...given('target', target),
    ...(mode === 'group' ? { mode } : {}),
    ...given('reduce', reduce),
    ...given('timeoutMs', timeoutMs),
    owner: current?.owner ?? { id, name: principal.name, person },
    changedBy: { id, name: principal.name },
    createdAtMs: current?.createdAtMs ?? nowMs,
    changedAtMs: nowMs,
  };
}

/** What a change is about. */
function contentsOf({ sql, description, tags, parameters, target, mode, reduce, timeoutMs }: QuestionRecord): unknown {
  return { sql, description, tags, parameters, target, mode, reduce, timeoutMs };
}

/** @throws AppError `not_found` */
function living(name: string, kept: KeptQuestion | undefined): KeptQuestion {
  if (kept === undefined || kept.record.deleted === true) throw missing(name);
  return kept;
}

function missing(name: string): AppError {
  return new AppError('not_found', `there is no saved question ${name}`);
}

/** Admins whom no selector bounds write all questions, everybody else their own. */
function mayWrite({ role, bound, id, person }: Principal, { name, owner }: QuestionRecord): void {
  if (role === 'admin' && bound.length === 0) return;
  if (owner.id === id || owner.person === person) return;
  throw new AppError('forbidden', `the question ${name} belongs to ${owner.name}; changing it needs an admin`, {
    details: { owner: { id: owner.id, name: owner.name } },
  });
}

/** The version that was expected is not the newest. */
function changed(name: string, newest: KeptQuestion | undefined): AppError {
  if (newest === undefined) return missing(name);
  const { version, changedBy, changedAtMs, deleted } = newest.record;
  const changedAt = isoTime(changedAtMs);
  if (deleted === true) {
    const message = `the question ${name} was deleted by ${changedBy.name} at ${changedAt}`;
    return new AppError('conflict', message, { details: { version: 0, changedBy, changedAt } });
  }
  return new AppError(
    'conflict',
    `the question ${name} is at version ${version}, by ${changedBy.name} at ${changedAt}`,
    {
      details: { version, changedBy, changedAt },
    },
  );
}

async function conflictOf(
  questions: QuestionStore,
  { org }: Principal,
  name: string,
  error: unknown,
): Promise<unknown> {
  return AppError.is(error) && error.code === 'conflict' ? changed(name, await questions.read(org, name)) : error;
}

function checkRoom(questions: QuestionStore, made: QuestionRecord): void {
  const others = questions.list(made.org).filter(({ name }) => name !== made.name);
  if (others.length >= MAX_PER_ORG)
    throw new AppError('conflict', `there are ${MAX_PER_ORG} saved questions; delete one first`);
  const bytes = [...others, made].reduce((sum, one) => sum + encodeRecord(one).byteLength, 0);
  if (bytes > MAX_ORG_BYTES)
    throw new AppError('conflict', `the saved questions of an org have room for ${MAX_ORG_BYTES} bytes in all`);
}

function questionJson(record: QuestionRecord): QuestionJson {
  const { name, version, sql, description, tags, target, mode = 'raw', reduce, timeoutMs, owner, changedBy } = record;
  return {
    ...{ name, version, sql, ...given('description', description), tags },
    // Sound: the contract let nothing else in.
    parameters: record.parameters as QuestionJson['parameters'],
    ...given('target', target),
    mode,
    ...given('reduce', reduce),
    ...given('timeoutMs', timeoutMs),
    owner: { id: owner.id, name: owner.name },
    createdAt: isoTime(record.createdAtMs),
    changedBy,
    changedAt: isoTime(record.changedAtMs),
    ...(record.deleted === true ? { deleted: true as const } : {}),
  };
}
