import type { QuestionJson, SqlParameterJson } from '@muster/api-contract';
import type { InputOf, Operations } from '@muster/api-client';
import { parameterText, parameterValue, type Question } from './question-text.js';

/** A question of the org's library; `version` is what a change of it names. */
export interface SharedQuestion extends Question {
  readonly version: number;
  readonly changedBy: string;
  readonly changedAt: string;
}

export type QuestionBody = NonNullable<InputOf<Operations['PUT /v1/questions/{name}']>['body']>;

/** As the form takes it. */
export function sharedQuestion(json: QuestionJson): SharedQuestion {
  const { name, version, sql, description = '', tags, parameters, target = '', mode, reduce = '', timeoutMs } = json;
  return {
    ...{ name, version, sql, description, tags: [...tags], target, reduce },
    ...{ group: mode === 'group', timeout: timeoutMs === undefined ? '' : `${Math.round(timeoutMs / 1_000)}s` },
    ...{ changedBy: json.changedBy.name, changedAt: json.changedAt },
    params: parameters.map((one) => ({
      ...{ name: one.name, type: one.type, description: one.description ?? '' },
      fallback: one.default === undefined ? '' : parameterText(one.default),
    })),
  };
}

/** What the form says, as the library takes it. */
export function questionBody(question: Question, version: number): QuestionBody {
  const { sql, description, tags, target, group, reduce, timeout, params } = question;
  const ms = timeoutMs(timeout);
  return {
    ...{ version, sql, tags: [...tags], mode: group ? 'group' : 'raw' },
    ...(description.trim() === '' ? {} : { description: description.trim() }),
    ...(target.trim() === '' ? {} : { target }),
    ...(reduce.trim() === '' ? {} : { reduce }),
    ...(ms === undefined ? {} : { timeoutMs: ms }),
    parameters: params.map(({ name, type, fallback, description: why }) => {
      const value = parameterValue(fallback, type === '' ? undefined : type);
      return {
        name,
        type: typeOf(type, value),
        ...(fallback.trim() === '' ? {} : { default: value }),
        ...(why.trim() === '' ? {} : { description: why }),
      };
    }),
  };
}

type ParameterType = QuestionJson['parameters'][number]['type'];

function typeOf(type: string, value: SqlParameterJson): ParameterType {
  if (type !== '') return type as ParameterType;
  return typeof value === 'string' ? 'text' : 'integer';
}

/** Of `30s` and `2m`. */
function timeoutMs(text: string): number | undefined {
  const [, count = '', unit] = /^(\d+)(s|m)$/.exec(text) ?? [];
  if (unit === undefined) return undefined;
  return Number(count) * (unit === 's' ? 1_000 : 60_000);
}
