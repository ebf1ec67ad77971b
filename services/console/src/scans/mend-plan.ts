import type { ActionJson, MendJson } from '@muster/api-contract';
import type { ActTarget } from '../act/target.js';
import { plural } from '../text/numbers.js';

/** Whom the command is for, as the API plans it; undefined where nobody is left, or no action mends the check. */
export function mendTarget({ target }: MendJson, action: ActionJson): ActTarget | undefined {
  if (target === undefined) return undefined;
  if ('agentIds' in target) return { kind: 'agents', agentIds: target.agentIds };
  const { rows } = target;
  const shapes = [...(action.binds === undefined ? [] : [action.binds]), ...(action.bindsToo ?? [])];
  return {
    ...{ kind: 'rows', action: action.name },
    tables: shapes.map(({ table }) => table),
    columns: [...new Set(rows.flatMap(({ row }) => Object.keys(row)))],
    rows,
  };
}

/** Whom the command leaves out, and why, in sentences. */
export function mendGaps({ excepted, unreadable, partly, isWhole }: MendJson): readonly string[] {
  return [
    ...(excepted > 0 ? [`${plural(excepted, 'endpoint')} may fail by an exception, and ${left(excepted)} alone.`] : []),
    ...(unreadable > 0
      ? [
          `${plural(unreadable, 'endpoint')} ${left(unreadable)} out: the evidence does not name the object, or the endpoint is not enrolled any more.`,
        ]
      : []),
    ...(partly > 0 ? [`${plural(partly, 'endpoint')} had more rows than the scan kept: this mends some of them.`] : []),
    ...(isWhole ? [] : ['The scan kept only some of the endpoints that fail: this mends those.']),
  ];
}

function left(count: number): string {
  return count === 1 ? 'is left' : 'are left';
}
